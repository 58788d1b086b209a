//! Which host port leads to which pod, kept on disk.
//!
//! ```text
//! <state dir>/ports/<sandbox id>    JSON, a list of host ports
//! ```
//!
//! A file is written before the rules that follow from it, and removed before they are: whatever is
//! interrupted, the next installation of the table makes the rules what the files say.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::SandboxId;
use crate::model::config::Protocol;
pub use plan::HostPortError;
pub(super) use plan::host_ports;

/// One port of this machine that leads to a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostPort {
    /// Transport.
    pub(super) protocol: Protocol,
    /// On which address of this machine; `None` is each of them.
    pub(super) host_ip: Option<IpAddr>,
    /// The port of this machine.
    pub(super) host_port: u16,
    /// The pod's address.
    pub(super) address: IpAddr,
    /// The pod's port.
    pub(super) port: u16,
}

/// Why host ports cannot be recorded, or forgotten.
#[derive(Debug, thiserror::Error)]
#[error("cannot change the record of host ports {path}", path = path.display())]
pub struct RecordError {
    path: PathBuf,
    source: io::Error,
}

/// The host ports of one node.
#[derive(Debug)]
pub(super) struct HostPorts {
    dir: PathBuf,
    by_owner: BTreeMap<SandboxId, Vec<HostPort>>,
}

impl HostPorts {
    /// Loads what `state_dir` holds.
    pub(super) fn open(state_dir: &Path) -> Result<Self, RecordError> {
        let dir = state_dir.join("ports");
        let failed = |source| RecordError {
            path: dir.clone(),
            source,
        };
        fs::create_dir_all(&dir).map_err(failed)?;
        let by_owner = load(&dir).map_err(failed)?;
        Ok(Self { dir, by_owner })
    }

    /// Every host port.
    pub(super) fn all(&self) -> Vec<HostPort> {
        self.by_owner.values().flatten().cloned().collect()
    }

    /// Whose they are.
    pub(super) fn by_owner(&self) -> &BTreeMap<SandboxId, Vec<HostPort>> {
        &self.by_owner
    }

    /// Records the host ports of a sandbox.
    pub(super) fn put(&mut self, id: &SandboxId, ports: Vec<HostPort>) -> Result<(), RecordError> {
        let path = self.dir.join(id.as_str());
        let text = serde_json::to_vec(&ports).expect("host ports are plain JSON");
        fs::write(&path, text).map_err(|source| RecordError { path, source })?;
        self.by_owner.insert(id.clone(), ports);
        Ok(())
    }

    /// Forgets the host ports of a sandbox, and returns what they were.
    pub(super) fn take(&mut self, id: &SandboxId) -> Result<Vec<HostPort>, RecordError> {
        if !self.by_owner.contains_key(id) {
            return Ok(Vec::new());
        }
        let path = self.dir.join(id.as_str());
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RecordError { path, source })
            }
            _ => Ok(self.by_owner.remove(id).unwrap_or_default()),
        }
    }

    /// Sandboxes that have host ports and are not `live`.
    pub(super) fn dead(&self, live: &BTreeSet<SandboxId>) -> Vec<SandboxId> {
        let dead = self.by_owner.keys().filter(|id| !live.contains(*id));
        dead.cloned().collect()
    }
}

/// A record that was cut short, as by a power loss, is of a pod that is gone: it is dropped.
fn load(dir: &Path) -> io::Result<BTreeMap<SandboxId, Vec<HostPort>>> {
    let mut by_owner = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let id = entry.file_name().into_string().unwrap_or_default();
        let ports = serde_json::from_slice(&fs::read(entry.path())?);
        match (SandboxId::try_from(id), ports) {
            (Ok(id), Ok(ports)) => {
                by_owner.insert(id, ports);
            }
            _ => {
                tracing::warn!(path = %entry.path().display(), "not a record of host ports");
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(by_owner)
}
