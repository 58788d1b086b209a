//! The account files of an image, by which users and groups have names.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::merged::MergedDirectory;
use crate::spec::Accounts;

/// What is read of one file; the rest of a longer one is not looked at.
const MAX_BYTES: u64 = 1 << 20;

/// Why an image's accounts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// A file is no regular one, or the layers cannot be read.
    #[error("cannot read {path} of the image")]
    Read {
        /// Which file.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is too long.
    #[error("{path} of the image has more than {MAX_BYTES} bytes")]
    TooLarge {
        /// Which file.
        path: &'static str,
    },
}

/// Reads the account files from layers, bottom first. A file that is missing is empty. Blocks.
pub(super) fn read(layers: &[PathBuf]) -> Result<Accounts, AccountsError> {
    Ok(Accounts {
        passwd: read_file(layers, "/etc/passwd")?,
        group: read_file(layers, "/etc/group")?,
    })
}

fn read_file(layers: &[PathBuf], path: &'static str) -> Result<String, AccountsError> {
    let failed = |source| AccountsError::Read { path, source };
    let top_first: Vec<PathBuf> = layers.iter().rev().cloned().collect();
    if top_first.is_empty() {
        return Ok(String::new());
    }
    let root = MergedDirectory::open(&top_first).map_err(failed)?;
    let Some(file) = root.file(Path::new(path)).map_err(failed)? else {
        return Ok(String::new());
    };
    let mut content = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(AccountsError::TooLarge { path });
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}
