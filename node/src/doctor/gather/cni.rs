//! Which CNI network would be used, and whether its plugins are there.

use std::fs;
use std::path::{Path, PathBuf};

use podling_runtime::layout::Layout;
use serde_json::Value;

use super::super::facts::Cni;
use crate::daemon::config::Network;

/// Looks at what is configured.
pub(super) fn look(layout: &Layout, network: &Network) -> Cni {
    let named = network.cni_conf_dir.clone();
    let is_required = named.is_some();
    let conf_dir = named.unwrap_or_else(|| layout.cni_conf_dir());
    let files = configurations(&conf_dir);
    let text = files.first().map(fs::read_to_string);
    let types = match text {
        Some(Ok(text)) => types(&text),
        _ => Vec::new(),
    };
    let is_there = |name: &String| {
        network
            .cni_bin_dirs
            .iter()
            .any(|dir| dir.join(name).is_file())
    };
    Cni {
        conf_dir,
        is_required,
        configurations: files
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        missing_plugins: types.into_iter().filter(|name| !is_there(name)).collect(),
    }
}

/// In the order in which they count.
fn configurations(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            matches!(extension, Some("conf" | "conflist" | "json"))
        })
        .collect();
    files.sort();
    files
}

/// Types of plugins that a configuration or a list of them names; of their address managers too.
fn types(text: &str) -> Vec<String> {
    let Ok(whole) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let of_list = whole["plugins"].as_array();
    let plugins: Vec<&Value> = match of_list {
        Some(plugins) => plugins.iter().collect(),
        None => vec![&whole],
    };
    let named = plugins
        .into_iter()
        .flat_map(|plugin| [&plugin["type"], &plugin["ipam"]["type"]]);
    named
        .filter_map(Value::as_str)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_of_lists_and_of_single_configurations_are_found() {
        let list = r#"{"plugins": [{"type": "bridge", "ipam": {"type": "host-local"}}, {"type": "portmap"}]}"#;
        assert_eq!(types(list), ["bridge", "host-local", "portmap"]);
        assert_eq!(types(r#"{"type": "loopback"}"#), ["loopback"]);
        assert!(types("no json").is_empty());
    }

    #[test]
    fn the_first_configuration_by_name_counts() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["20-b.conflist", "10-a.conf", "README"] {
            fs::write(dir.path().join(name), "{}").unwrap();
        }
        let names: Vec<_> = configurations(dir.path());
        assert_eq!(
            names,
            ["10-a.conf", "20-b.conflist"].map(|name| dir.path().join(name))
        );
    }
}
