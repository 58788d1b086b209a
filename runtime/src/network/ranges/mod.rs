//! The networks that pods are in, kept on disk.
//!
//! ```text
//! <state dir>/pod-cidr    JSON, replaced as a whole, synced
//! ```

mod plan;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) use plan::Ranges;

/// Why the networks of pods cannot be remembered.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the pod CIDR in {path}", path = path.display())]
pub struct RangesError {
    path: PathBuf,
    source: io::Error,
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("pod-cidr")
}

/// What is remembered, if anything is.
pub(super) fn load(state_dir: &Path) -> Result<Option<Ranges>, RangesError> {
    let path = path(state_dir);
    let read = || match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => Ok(Some(serde_json::from_slice(&text?)?)),
    };
    read().map_err(|source| RangesError {
        path: path.clone(),
        source,
    })
}

/// Remembers them. Whatever is interrupted, the file is the old one or the new one.
pub(super) fn save(state_dir: &Path, ranges: &Ranges) -> Result<(), RangesError> {
    let path = path(state_dir);
    let replace = || -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(ranges)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(state_dir)?.sync_all()
    };
    replace().map_err(|source| RangesError {
        path: path.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_an_unfinished_file_changes_nothing() {
        let dir = TempDir::new().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        let cidr = |text: &str| text.parse().unwrap();
        let ranges = Ranges::begin(cidr("10.1.0.0/24")).moved_to(cidr("fd02::/64,10.2.0.0/24"));
        save(dir.path(), &ranges).unwrap();
        fs::write(dir.path().join("pod-cidr.new"), "{").unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(ranges));
    }

    /// What is on disk is a contract.
    #[test]
    fn the_first_format_is_read() {
        let dir = TempDir::new().unwrap();
        let text = r#"{"configured":"10.1.0.0/24","current":"fd02::/64,10.2.0.0/24","former":["10.1.0.0/24"]}"#;
        fs::write(dir.path().join("pod-cidr"), text).unwrap();
        let ranges = load(dir.path()).unwrap().unwrap();
        let cidr = |text: &str| text.parse().unwrap();
        let expected = Ranges::begin(cidr("10.1.0.0/24")).moved_to(cidr("fd02::/64,10.2.0.0/24"));
        assert_eq!(ranges, expected);
    }

    #[test]
    fn a_file_that_means_nothing_is_an_error_and_not_forgotten() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("pod-cidr"), "{}").unwrap();
        assert!(load(dir.path()).is_err());
    }
}
