//! Which sandbox has which addresses, kept on disk.
//!
//! ```text
//! <state dir>/lock                              held while the network is open
//! <state dir>/last, last-v6                     the address of each family that was given last
//! <state dir>/addresses/10.88.0.7@<sandbox id>  one empty file a sandbox; with two addresses
//!                       10.88.0.7,fd00:88::7@<sandbox id>
//! ```
//!
//! The name of a reservation's file says everything, so it is made, and removed, by one system call:
//! there is no moment at which an address is reserved for nobody, or half of a pair. The lock keeps a
//! second process out, so what is in memory is what is on disk. Nothing is synced: after a power loss
//! no pod runs that could have an address.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::mac;
use super::pod_cidr::PodCidr;
use super::pool::next_free;
use super::subnet::Subnet;
use crate::model::SandboxId;
use turn::Turn;

mod turn;

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
        /// The network of pods.
        subnet: Subnet,
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
    cidr: PodCidr,
    /// Addresses of the networks that no pod may have.
    set_apart: Vec<IpAddr>,
    addresses: PathBuf,
    turns: [Turn; 2],
    owners: BTreeMap<IpAddr, SandboxId>,
    by_owner: BTreeMap<SandboxId, Vec<IpAddr>>,
    _lock: File,
}

impl Reservations {
    /// Loads what `state_dir` holds, making it if it is missing.
    pub(super) fn open(state_dir: &Path, cidr: PodCidr) -> Result<Self, OpenReservationsError> {
        let addresses = state_dir.join("addresses");
        fs::create_dir_all(&addresses).map_err(|source| failed(&addresses, source))?;
        let lock = lock(&state_dir.join("lock"))?;
        let turn = |path: PathBuf| Turn::open(&path).map_err(|source| failed(&path, source));
        let by_owner = load(&addresses).map_err(|source| failed(&addresses, source))?;
        let pairs = by_owner
            .iter()
            .flat_map(|(id, ips)| ips.iter().map(|ip| (*ip, id.clone())));
        Ok(Self {
            cidr,
            set_apart: Vec::new(),
            turns: [
                turn(state_dir.join("last"))?,
                turn(state_dir.join("last-v6"))?,
            ],
            owners: pairs.collect(),
            by_owner,
            addresses,
            _lock: lock,
        })
    }

    /// From now on gives addresses of `cidr`, but for those that are set apart.
    pub(super) fn give_from(&mut self, cidr: PodCidr, set_apart: Vec<IpAddr>) {
        self.cidr = cidr;
        self.set_apart = set_apart;
    }

    /// Who has an address.
    pub(super) fn owner_of(&self, address: IpAddr) -> Option<&SandboxId> {
        self.owners.get(&address)
    }

    /// Who has which addresses.
    pub(super) fn by_owner(&self) -> &BTreeMap<SandboxId, Vec<IpAddr>> {
        &self.by_owner
    }

    /// Every address that is reserved.
    pub(super) fn all(&self) -> impl Iterator<Item = IpAddr> {
        self.owners.keys().copied()
    }

    /// The addresses of `id`, primary first: those it has, else the next free one of each network.
    pub(super) fn reserve(&mut self, id: &SandboxId) -> Result<Vec<IpAddr>, ReserveError> {
        if let Some(addresses) = self.by_owner.get(id) {
            return Ok(addresses.clone());
        }
        let subnets = self.cidr.subnets();
        let addresses = subnets
            .map(|subnet| self.next(subnet))
            .collect::<Result<Vec<_>, _>>()?;
        self.record(&addresses, id)
            .map_err(|source| ReserveError::Record {
                path: self.file(&addresses, id),
                source,
            })?;
        let pairs = addresses.iter().map(|address| (*address, id.clone()));
        self.owners.extend(pairs);
        self.by_owner.insert(id.clone(), addresses.clone());
        Ok(addresses)
    }

    fn next(&self, subnet: Subnet) -> Result<IpAddr, ReserveError> {
        let last = self.turns[turn_of(subnet.network())].last();
        let last = last.unwrap_or(subnet.gateway());
        let is_alone = self.cidr.subnets().count() == 1;
        let is_taken = |address: IpAddr| {
            self.owners.contains_key(&address)
                || self.set_apart.contains(&address)
                || (is_alone && address.is_ipv6() && self.has_mac_of(address))
        };
        next_free(subnet, last, is_taken).ok_or(ReserveError::Exhausted {
            subnet,
            taken: self
                .owners
                .keys()
                .filter(|ip| subnet.contains(**ip))
                .count(),
        })
    }

    /// Two networks of which one is retired: whether a pod of the other goes by the same hardware
    /// address, which a bridge cannot tell apart.
    fn has_mac_of(&self, address: IpAddr) -> bool {
        let mac = mac::of_pod(&[address]);
        self.by_owner
            .values()
            .any(|taken| mac::of_pod(taken) == mac)
    }

    /// Gives the addresses of `id` back, if it has some.
    pub(super) fn release(&mut self, id: &SandboxId) -> Result<(), UnreserveError> {
        let Some(addresses) = self.by_owner.get(id) else {
            return Ok(());
        };
        let path = self.file(addresses, id);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(UnreserveError { path, source });
            }
            _ => {}
        }
        for address in self.by_owner.remove(id).unwrap_or_default() {
            self.owners.remove(&address);
        }
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
    fn record(&mut self, addresses: &[IpAddr], id: &SandboxId) -> io::Result<()> {
        for address in addresses {
            self.turns[turn_of(*address)].take(*address)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(self.file(addresses, id)).map(drop)
    }

    fn file(&self, addresses: &[IpAddr], id: &SandboxId) -> PathBuf {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        self.addresses.join(format!("{}@{id}", addresses.join(",")))
    }
}

/// Which turn an address of this family takes.
fn turn_of(family: IpAddr) -> usize {
    usize::from(family.is_ipv6())
}

fn failed(path: &Path, source: io::Error) -> OpenReservationsError {
    OpenReservationsError::File {
        path: path.to_owned(),
        source,
    }
}

fn lock(path: &Path) -> Result<File, OpenReservationsError> {
    let file = turn::open_file(path).map_err(|source| failed(path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenReservationsError::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(path, source)),
    }
}

/// What is not a reservation of ours is left alone.
fn load(addresses: &Path) -> io::Result<BTreeMap<SandboxId, Vec<IpAddr>>> {
    let mut by_owner = BTreeMap::new();
    for entry in fs::read_dir(addresses)? {
        let name = entry?.file_name();
        match name.to_str().and_then(read_reservation) {
            Some((id, addresses)) => {
                by_owner.insert(id, addresses);
            }
            None => tracing::warn!(?name, directory = %addresses.display(), "not a reservation"),
        }
    }
    Ok(by_owner)
}

fn read_reservation(name: &str) -> Option<(SandboxId, Vec<IpAddr>)> {
    let (addresses, id) = name.split_once('@')?;
    let id = SandboxId::try_from(id.to_owned()).ok()?;
    let addresses: Result<_, _> = addresses.split(',').map(str::parse).collect();
    Some((id, addresses.ok()?))
}

#[cfg(test)]
mod tests;
