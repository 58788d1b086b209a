//! The directory of configurations.
//!
//! It is read whenever somebody asks, a few files each time: nothing is remembered that could be
//! stale, and a configuration counts from the moment in which its file is there.

use std::fs;
use std::io;
use std::path::Path;

use super::config::{self, ConfigError, NetworkConfig};

/// What a directory holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The configuration that counts: the first valid one by file name.
    pub(super) network: Option<NetworkConfig>,
    /// Files before it that are no configuration, and why.
    pub(super) broken: Vec<String>,
}

impl Found {
    /// Whether anybody has put a configuration there, right or wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.network.is_none() && self.broken.is_empty()
    }
}

/// Reads the directory; one that does not exist is empty.
pub(super) fn load(dir: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for file in names(dir)? {
        match read(dir, &file) {
            Ok(network) => {
                found.network = Some(network);
                break;
            }
            Err(why) => found.broken.push(format!("{file}: {why}")),
        }
    }
    Ok(found)
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    files(dir, config::is_config_name)
}

/// Files of a folder whose names are of a kind, sorted; one that does not exist has none.
fn files(dir: &Path, is_of_kind: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no text has none of the extensions that count.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.retain(|name| is_of_kind(name) && !dir.join(name).is_dir());
    names.sort_unstable();
    Ok(names)
}

fn read(dir: &Path, file: &str) -> Result<NetworkConfig, String> {
    let text = fs::read_to_string(dir.join(file)).map_err(|error| error.to_string())?;
    let text = match config::side_folder(file, &text) {
        Some(folder) => with_side_files(&dir.join(folder), text)?,
        None => text,
    };
    config::parse(file, &text).map_err(|error| said(&error))
}

/// The list with the plugins that lie beside it, if there are any.
fn with_side_files(folder: &Path, list: String) -> Result<String, String> {
    let in_folder = |error: io::Error| format!("{}: {error}", folder.display());
    let names = files(folder, config::is_side_name).map_err(in_folder)?;
    if names.is_empty() {
        return Ok(list);
    }
    let read = |name: &String| fs::read_to_string(folder.join(name));
    let side = names.iter().map(read).collect::<io::Result<Vec<_>>>();
    let side = side.map_err(in_folder)?;
    config::with_side_files(&list, &side)
        .map_err(|error| format!("with {}: {}", folder.display(), said(&error)))
}

fn said(error: &ConfigError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(name: &str) -> String {
        format!(r#"{{"cniVersion": "1.0.0", "name": "{name}", "type": "ptp"}}"#)
    }

    #[test]
    fn the_first_valid_file_by_name_counts_and_broken_ones_before_it_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("20-second.conf", &valid("second"));
        write("10-first.json", &valid("first"));
        write("05-broken.conflist", "{}");
        write("00-other.txt", "not meant");
        fs::create_dir(dir.path().join("01-folder.conf")).unwrap();

        let found = load(dir.path()).unwrap();
        assert_eq!(found.network.unwrap().name, "first");
        assert_eq!(found.broken, ["05-broken.conflist: plugins is missing"]);
    }

    #[test]
    fn plugins_in_the_folder_of_the_networks_name_belong_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let list = r#"{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge"}]}"#;
        fs::write(dir.path().join("10-net.conflist"), list).unwrap();
        let folder = dir.path().join("net");
        fs::create_dir(&folder).unwrap();
        for (name, kind) in [
            ("20-b.conf", "tuning"),
            ("10-a.conf", "portmap"),
            ("x.json", "no"),
        ] {
            fs::write(folder.join(name), format!(r#"{{"type": "{kind}"}}"#)).unwrap();
        }
        let network = load(dir.path()).unwrap().network.unwrap();
        let kinds: Vec<_> = network.plugins.iter().map(|p| p.kind.as_str()).collect();
        assert_eq!(kinds, ["bridge", "portmap", "tuning"]);
        let kept = config::parse(&network.file, &network.text).unwrap();
        assert_eq!(kept, network, "an attachment keeps all of it");

        fs::write(folder.join("30-c.conf"), "{").unwrap();
        let broken = &load(dir.path()).unwrap().broken[0];
        assert!(broken.contains("/net: it is not a JSON object"), "{broken}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(&dir.path().join("none")).unwrap().is_empty());
    }
}
