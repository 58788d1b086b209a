//! A network configuration: a chain of plugins under a name. Pure.
//!
//! `.conflist` files hold a chain, `.conf` and `.json` files a single plugin, which is a chain of one.
//! More plugins of a chain may lie in files of their own, in a folder of the network's name beside the
//! list: they go to its end.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::version::Version;

/// One JSON object.
pub(super) type Object = Map<String, Value>;

/// A network that pods can be attached to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NetworkConfig {
    /// Name of its file.
    pub(super) file: String,
    /// The file's text, which an attachment keeps.
    pub(super) text: String,
    /// Name of the network.
    pub(super) name: String,
    /// The version that its plugins are spoken to in.
    pub(super) version: Version,
    /// Whether CHECK is not wanted.
    pub(super) disable_check: bool,
    /// Whether GC is not wanted.
    pub(super) disable_gc: bool,
    /// The chain, in the order of ADD; never empty.
    pub(super) plugins: Vec<PluginConfig>,
}

/// One plugin of a chain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PluginConfig {
    /// Name of its program.
    pub(super) kind: String,
    /// The capabilities for which it wants values in `runtimeConfig`.
    pub(super) capabilities: BTreeSet<String>,
    /// Its part of the file.
    pub(super) source: Object,
}

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("it is not a JSON object")]
    Json(#[from] serde_json::Error),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{field} is not {expected}")]
    Wrong {
        field: &'static str,
        expected: &'static str,
    },
    #[error("{0:?} is not a name of a network")]
    Name(String),
    #[error("{0:?} is not a name of a plugin")]
    Kind(String),
    #[error("cniVersion {0:?} is not spoken here: 0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0 are")]
    Version(String),
    #[error("plugins is empty")]
    NoPlugins,
}

/// Whether a file of this name is meant to be a configuration.
pub(super) fn is_config_name(file: &str) -> bool {
    let extension = file.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("conflist" | "conf" | "json"))
}

/// The folder in which more plugins of a list may lie; `None` when it says that all are in it, or is
/// none.
pub(super) fn side_folder(file: &str, text: &str) -> Option<String> {
    if !file.ends_with(".conflist") {
        return None;
    }
    let source: Object = serde_json::from_str(text).ok()?;
    match flag(&source, "loadOnlyInlinedPlugins") {
        Ok(false) => name(&source).ok(),
        Ok(true) | Err(_) => None,
    }
}

/// Whether a file in such a folder is meant to be a plugin.
pub(super) fn is_side_name(file: &str) -> bool {
    file.rsplit_once('.')
        .is_some_and(|(_, extension)| extension == "conf")
}

/// The list with the plugins of these files behind its own, as one text.
pub(super) fn with_side_files(list: &str, side: &[String]) -> Result<String, ConfigError> {
    let mut source: Object = serde_json::from_str(list)?;
    let plugins = source
        .entry("plugins")
        .or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(plugins) = plugins else {
        return Err(wrong("plugins", "a list"));
    };
    for text in side {
        plugins.push(Value::Object(serde_json::from_str(text)?));
    }
    source.insert("loadOnlyInlinedPlugins".to_owned(), Value::Bool(true));
    Ok(Value::Object(source).to_string())
}

/// Reads the file named `file`.
pub(super) fn parse(file: &str, text: &str) -> Result<NetworkConfig, ConfigError> {
    let mut source: Object = serde_json::from_str(text)?;
    let plugins = if file.ends_with(".conflist") {
        let plugins = source
            .remove("plugins")
            .ok_or(ConfigError::Missing("plugins"))?;
        let Value::Array(plugins) = plugins else {
            return Err(wrong("plugins", "a list"));
        };
        plugins.into_iter().map(plugin).collect::<Result<_, _>>()?
    } else {
        vec![plugin(Value::Object(source.clone()))?]
    };
    if plugins.is_empty() {
        return Err(ConfigError::NoPlugins);
    }
    flag(&source, "loadOnlyInlinedPlugins")?;
    Ok(NetworkConfig {
        file: file.to_owned(),
        text: text.to_owned(),
        name: name(&source)?,
        version: version(&source)?,
        disable_check: flag(&source, "disableCheck")?,
        disable_gc: flag(&source, "disableGC")?,
        plugins,
    })
}

fn wrong(field: &'static str, expected: &'static str) -> ConfigError {
    ConfigError::Wrong { field, expected }
}

fn text<'a>(source: &'a Object, field: &'static str) -> Result<Option<&'a str>, ConfigError> {
    match source.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(field, "a text")),
    }
}

/// A flag; some have always written it as a text.
fn flag(source: &Object, field: &'static str) -> Result<bool, ConfigError> {
    match source.get(field) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(wrong(field, "true or false")),
    }
}

fn name(source: &Object) -> Result<String, ConfigError> {
    let name = text(source, "name")?.ok_or(ConfigError::Missing("name"))?;
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if begins_well && name.chars().all(is_allowed) {
        Ok(name.to_owned())
    } else {
        Err(ConfigError::Name(name.to_owned()))
    }
}

/// The newest version that the configuration allows and that is spoken.
fn version(source: &Object) -> Result<Version, ConfigError> {
    let mut offered: Vec<&str> = text(source, "cniVersion")?.into_iter().collect();
    match source.get("cniVersions") {
        None => {}
        Some(Value::Array(versions)) => offered.extend(versions.iter().filter_map(Value::as_str)),
        Some(_) => return Err(wrong("cniVersions", "a list")),
    }
    let Some(first) = offered.first() else {
        return Err(ConfigError::Missing("cniVersion"));
    };
    let spoken = offered.iter().filter_map(|text| Version::parse(text)).max();
    spoken.ok_or_else(|| ConfigError::Version((*first).to_owned()))
}

fn plugin(source: Value) -> Result<PluginConfig, ConfigError> {
    let Value::Object(source) = source else {
        return Err(wrong("plugins[]", "an object"));
    };
    let kind = text(&source, "type")?.ok_or(ConfigError::Missing("type"))?;
    // It is looked for in directories of plugins and nowhere else.
    if kind.is_empty() || kind.contains('/') || kind.starts_with('.') {
        return Err(ConfigError::Kind(kind.to_owned()));
    }
    let kind = kind.to_owned();
    let capabilities = match source.get("capabilities") {
        None | Some(Value::Null) => BTreeSet::new(),
        Some(Value::Object(all)) => all
            .iter()
            .filter(|(_, wanted)| **wanted == Value::Bool(true))
            .map(|(name, _)| name.clone())
            .collect(),
        Some(_) => return Err(wrong("capabilities", "an object")),
    };
    Ok(PluginConfig {
        kind,
        capabilities,
        source,
    })
}

impl NetworkConfig {
    /// Whether a plugin of the chain wants values for this capability.
    pub(super) fn wants(&self, capability: &str) -> bool {
        self.plugins
            .iter()
            .any(|plugin| plugin.capabilities.contains(capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{
        "cniVersion": "0.4.0", "cniVersions": ["0.3.1", "1.0.0", "9.9.9"], "name": "net",
        "disableCheck": true,
        "plugins": [
            {"type": "bridge", "bridge": "cni0"},
            {"type": "portmap", "capabilities": {"portMappings": true, "dns": false}}
        ]}"#;

    #[test]
    fn a_list_is_a_chain_in_the_newest_version_that_both_sides_know() {
        let network = parse("10-net.conflist", LIST).unwrap();
        assert_eq!(
            (network.name.as_str(), network.version),
            ("net", Version::V1_0_0)
        );
        assert!(network.disable_check && !network.disable_gc);
        let kinds: Vec<_> = network.plugins.iter().map(|p| p.kind.as_str()).collect();
        assert_eq!(kinds, ["bridge", "portmap"]);
        assert!(network.wants("portMappings") && !network.wants("dns"));
    }

    #[test]
    fn a_single_plugin_is_a_chain_of_one() {
        let text = r#"{"cniVersion": "0.3.1", "name": "one", "type": "ptp"}"#;
        for file in ["1.conf", "1.json"] {
            let network = parse(file, text).unwrap();
            assert_eq!(network.plugins.len(), 1, "{file}");
            assert_eq!(network.plugins[0].kind, "ptp", "{file}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let cases = [
            ("a.conflist", "{", "it is not a JSON object"),
            ("a.conflist", "[]", "it is not a JSON object"),
            ("a.conflist", r#"{"name": "n"}"#, "plugins is missing"),
            (
                "a.conflist",
                r#"{"name": "n", "plugins": []}"#,
                "plugins is empty",
            ),
            (
                "a.conf",
                r#"{"type": "p", "cniVersion": "1.0.0"}"#,
                "name is missing",
            ),
            (
                "a.conf",
                r#"{"type": "../sh", "name": "n", "cniVersion": "1.0.0"}"#,
                "\"../sh\" is not a name of a plugin",
            ),
            (
                "a.conf",
                r#"{"type": "p", "name": "a b", "cniVersion": "1.0.0"}"#,
                "\"a b\" is not a name of a network",
            ),
            (
                "a.conf",
                r#"{"type": "p", "name": "n"}"#,
                "cniVersion is missing",
            ),
            (
                "a.conf",
                r#"{"type": "p", "name": "n", "cniVersion": "0.2.0"}"#,
                "cniVersion \"0.2.0\" is not spoken here: 0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0 are",
            ),
        ];
        for (file, text, message) in cases {
            assert_eq!(
                parse(file, text).unwrap_err().to_string(),
                message,
                "{text}"
            );
        }
    }

    #[test]
    fn plugins_beside_a_list_go_to_its_end_unless_it_has_them_all() {
        let list = r#"{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge"}]}"#;
        assert_eq!(side_folder("a.conflist", list), Some("net".to_owned()));
        let side = [
            r#"{"type": "portmap"}"#.to_owned(),
            r#"{"type": "tuning"}"#.to_owned(),
        ];
        let whole = with_side_files(list, &side).unwrap();
        assert_eq!(side_folder("a.conflist", &whole), None, "it is whole");
        let network = parse("a.conflist", &whole).unwrap();
        let kinds: Vec<_> = network.plugins.iter().map(|p| p.kind.as_str()).collect();
        assert_eq!(kinds, ["bridge", "portmap", "tuning"]);

        let alone = r#"{"cniVersion": "1.0.0", "name": "net"}"#;
        let whole = with_side_files(alone, &side[..1]).unwrap();
        assert_eq!(parse("a.conflist", &whole).unwrap().plugins.len(), 1);
        for (file, text) in [
            ("a.conf", list),
            ("a.conflist", "{"),
            ("a.conflist", r#"{"name": "../etc"}"#),
            (
                "a.conflist",
                r#"{"name": "net", "loadOnlyInlinedPlugins": "True"}"#,
            ),
        ] {
            assert_eq!(side_folder(file, text), None, "{file} {text}");
        }
        assert!(with_side_files(list, &["[]".to_owned()]).is_err());
    }

    #[test]
    fn only_three_extensions_are_configurations() {
        for file in ["a.conflist", "a.conf", "a.json"] {
            assert!(is_config_name(file), "{file}");
        }
        for file in ["a.conf.bak", "README", "a.yaml", "conf"] {
            assert!(!is_config_name(file), "{file}");
        }
    }
}
