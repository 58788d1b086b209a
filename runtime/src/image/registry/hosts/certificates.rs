//! Certificates of a registry by the names of their files, as docker has them.

use std::fs;
use std::path::{Path, PathBuf};

use super::HostsError;
use super::parse::{ClientPair, Tls};

/// `*.crt` are authorities; `NAME.cert` and `NAME.key` are shown to the registry.
pub(super) fn find(dir: &Path) -> Result<Tls, HostsError> {
    let failed = |source| HostsError::Read {
        path: dir.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let with = |extension: &str| -> Vec<PathBuf> {
        let fitting = paths
            .iter()
            .filter(|path| path.extension().is_some_and(|found| found == extension));
        fitting.cloned().collect()
    };
    let pair = |certificate: PathBuf| ClientPair {
        key: Some(certificate.with_extension("key")),
        certificate,
    };
    Ok(Tls {
        authorities: with("crt"),
        client: with("cert").into_iter().map(pair).next(),
        ..Tls::default()
    })
}
