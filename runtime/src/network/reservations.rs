//! Which sandbox has which address, kept on disk.
//!
//! ```text
//! <state dir>/lock                              held while the network is open
//! <state dir>/last                              the address given last
//! <state dir>/addresses/10.88.0.7@<sandbox id>  one empty file a reservation
//! ```
//!
//! The name of a reservation's file says everything, so it is made, and removed, by one system call:
//! there is no moment at which an address is reserved for nobody. The lock keeps a second process
//! out, so what is in memory is what is on disk. Nothing is synced: after a power loss no pod runs
//! that could have an address.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::pool::next_free;
use super::subnet::Ipv4Subnet;
use crate::model::SandboxId;

/// Why the reservations cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenReservationsError {
    /// Another process has them open.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// A file or directory of theirs fails.
    #[error("cannot open address reservations at {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why no address can be reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// Every address of the pod CIDR is taken.
    #[error("no address is left in {subnet}: {taken} are taken")]
    Exhausted {
        /// The pod CIDR.
        subnet: Ipv4Subnet,
        /// By how many sandboxes.
        taken: usize,
    },
    /// The reservation cannot be written.
    #[error("cannot record the reservation {path}")]
    Record {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why an address cannot be given back.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove the reservation {path}")]
pub struct UnreserveError {
    path: PathBuf,
    source: io::Error,
}

/// The reservations of one node; the lock is held as long as it lives.
#[derive(Debug)]
pub(super) struct Reservations {
    subnet: Ipv4Subnet,
    addresses: PathBuf,
    last: Ipv4Addr,
    last_file: File,
    owners: BTreeMap<Ipv4Addr, SandboxId>,
    by_owner: BTreeMap<SandboxId, Ipv4Addr>,
    _lock: File,
}

impl Reservations {
    /// Loads what `state_dir` holds, making it if it is missing.
    pub(super) fn open(
        state_dir: &Path,
        subnet: Ipv4Subnet,
    ) -> Result<Self, OpenReservationsError> {
        let addresses = state_dir.join("addresses");
        fs::create_dir_all(&addresses).map_err(|source| failed(&addresses, source))?;
        let lock = lock(&state_dir.join("lock"))?;
        let last_file = open_file(&state_dir.join("last"))?;
        let owners = load(&addresses).map_err(|source| failed(&addresses, source))?;
        Ok(Self {
            subnet,
            last: read_last(&last_file).unwrap_or(subnet.gateway()),
            last_file,
            by_owner: owners.iter().map(|(ip, id)| (id.clone(), *ip)).collect(),
            owners,
            addresses,
            _lock: lock,
        })
    }

    /// The address of `id`: the one it has, else the next free one.
    pub(super) fn reserve(&mut self, id: &SandboxId) -> Result<Ipv4Addr, ReserveError> {
        if let Some(address) = self.by_owner.get(id) {
            return Ok(*address);
        }
        let exhausted = || ReserveError::Exhausted {
            subnet: self.subnet,
            taken: self.owners.len(),
        };
        let is_taken = |address| self.owners.contains_key(&address);
        let address = next_free(self.subnet, self.last, is_taken).ok_or_else(exhausted)?;
        self.record(address, id)
            .map_err(|source| ReserveError::Record {
                path: self.file(address, id),
                source,
            })?;
        self.owners.insert(address, id.clone());
        self.by_owner.insert(id.clone(), address);
        self.last = address;
        Ok(address)
    }

    /// Gives the address of `id` back, if it has one.
    pub(super) fn release(&mut self, id: &SandboxId) -> Result<(), UnreserveError> {
        let Some(address) = self.by_owner.get(id).copied() else {
            return Ok(());
        };
        let path = self.file(address, id);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(UnreserveError { path, source });
            }
            _ => {}
        }
        self.owners.remove(&address);
        self.by_owner.remove(id);
        Ok(())
    }

    /// Gives back the addresses of all but `live`; returns whose they were.
    pub(super) fn retain(
        &mut self,
        live: &BTreeSet<SandboxId>,
    ) -> Result<Vec<SandboxId>, UnreserveError> {
        let dead = self.by_owner.keys().filter(|id| !live.contains(*id));
        let dead: Vec<SandboxId> = dead.cloned().collect();
        for id in &dead {
            self.release(id)?;
        }
        Ok(dead)
    }

    /// The reservation comes last: a crash in between skips an address, and gives none twice.
    fn record(&self, address: Ipv4Addr, id: &SandboxId) -> io::Result<()> {
        let line = format!("{address:<15}\n");
        self.last_file.write_all_at(line.as_bytes(), 0)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(self.file(address, id)).map(drop)
    }

    fn file(&self, address: Ipv4Addr, id: &SandboxId) -> PathBuf {
        self.addresses.join(format!("{address}@{id}"))
    }
}

fn failed(path: &Path, source: io::Error) -> OpenReservationsError {
    OpenReservationsError::File {
        path: path.to_owned(),
        source,
    }
}

fn open_file(path: &Path) -> Result<File, OpenReservationsError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options.open(path).map_err(|source| failed(path, source))
}

fn lock(path: &Path) -> Result<File, OpenReservationsError> {
    let file = open_file(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenReservationsError::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(path, source)),
    }
}

/// What is not a reservation of ours is left alone.
fn load(addresses: &Path) -> io::Result<BTreeMap<Ipv4Addr, SandboxId>> {
    let mut owners = BTreeMap::new();
    for entry in fs::read_dir(addresses)? {
        let name = entry?.file_name();
        match name.to_str().and_then(read_reservation) {
            Some((address, id)) => {
                owners.insert(address, id);
            }
            None => tracing::warn!(?name, directory = %addresses.display(), "not a reservation"),
        }
    }
    Ok(owners)
}

fn read_reservation(name: &str) -> Option<(Ipv4Addr, SandboxId)> {
    let (address, id) = name.split_once('@')?;
    let id = SandboxId::try_from(id.to_owned()).ok()?;
    Some((address.parse().ok()?, id))
}

fn read_last(file: &File) -> Option<Ipv4Addr> {
    let mut line = [0; 15];
    file.read_exact_at(&mut line, 0).ok()?;
    std::str::from_utf8(&line).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests;
