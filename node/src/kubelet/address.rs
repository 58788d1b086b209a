//! Where the kubelet of a root listens: it writes that down, so that its port may be any.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use podling_runtime::layout::Layout;
use serde::Deserialize;

/// Why the address is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// No kubelet has written its address.
    #[error(
        "no kubelet runs here, as there is no {0}: start one with `podling up`, or name the root \
         of the one that runs with --root"
    )]
    NotRunning(PathBuf),
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{file} does not hold a kubelet's address")]
    Decode {
        /// The file.
        file: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Written {
    address: SocketAddr,
}

/// The file in which the kubelet of this root notes its address.
pub(crate) fn file(layout: &Layout) -> PathBuf {
    layout.run_dir().join("kubelet.json")
}

/// Reads the address from that file.
pub(crate) fn read(file: &Path) -> Result<SocketAddr, AddressError> {
    let text = fs::read(file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => AddressError::NotRunning(file.to_owned()),
        _ => AddressError::Read {
            file: file.to_owned(),
            source,
        },
    })?;
    let written: Written =
        serde_json::from_slice(&text).map_err(|source| AddressError::Decode {
            file: file.to_owned(),
            source,
        })?;
    Ok(written.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_kubelets_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kubelet.json");
        assert!(matches!(read(&file), Err(AddressError::NotRunning(_))));
        fs::write(&file, r#"{"address":"127.0.0.1:4321","later":1}"#).unwrap();
        assert_eq!(read(&file).unwrap(), "127.0.0.1:4321".parse().unwrap());
        fs::write(&file, "{").unwrap();
        assert!(matches!(read(&file), Err(AddressError::Decode { .. })));
    }
}
