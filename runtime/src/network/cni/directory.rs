//! The directory of configurations.
//!
//! It is read whenever somebody asks, a few files each time: nothing is remembered that could be
//! stale, and a configuration counts from the moment in which its file is there.

use std::fs;
use std::io;
use std::path::Path;

use super::config::{self, NetworkConfig};

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
    names.retain(|name| config::is_config_name(name) && !dir.join(name).is_dir());
    names.sort_unstable();
    Ok(names)
}

fn read(dir: &Path, file: &str) -> Result<NetworkConfig, String> {
    let text = fs::read_to_string(dir.join(file)).map_err(|error| error.to_string())?;
    config::parse(file, &text).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
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
    fn a_directory_that_is_not_there_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(&dir.path().join("none")).unwrap().is_empty());
    }
}
