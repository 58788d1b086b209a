//! The pods' network: which one it is (`choice`), CNI networks (`cni`), and, here, the built-in one:
//! a bridge, addresses, and NAT to the outside. Netlink only; nothing is executed.
//!
//! ```text
//!            pod A                pod B
//!            eth0 10.88.0.2/16    eth0 10.88.0.3/16
//!              ║ veth               ║ veth
//!  host  ──────╨── podling0 ────────╨───  10.88.0.1, the pods' gateway
//!                     │ routed (forwarding), NAT and host ports by table podling_podling0
//!                  outside
//! ```
//!
//! With a pod CIDR of two networks everything is there twice, in IPv4 and in IPv6.
//!
//! The life of a sandbox in it: [`BridgeNetwork::reserve`] writes an address down for its id,
//! [`BridgeNetwork::attach`] connects its namespace, [`BridgeNetwork::release`] gives the address
//! back once its processes are gone. The veth is left to die with its namespace: deleting it would
//! wait for the kernel's grace periods. Every call may be repeated.
//!
//! Calls block for a fraction of a millisecond (more while the kernel takes a namespace down):
//! asynchronous callers put them on a blocking thread.

mod bridge;
mod choice;
mod cidr;
mod cni;
mod conntrack;
mod error;
mod foreign;
mod forwarding;
mod host_ports;
mod ipv6;
mod keeper;
mod link;
mod mac;
mod moving;
mod netlink;
mod nft;
mod pod;
mod pod_cidr;
mod pool;
mod ranges;
mod request;
mod reservations;
mod subnet;
mod survey;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

pub use bridge::{BridgeError, NotReady, is_interface_name};
pub use choice::{
    NetworkError, NetworkSettings, NetworkStatus, PodNetwork, Readiness, Reserved, UseCni,
};
pub use cni::{
    AnswerError, Chosen, CniError, CniSettings, KeptError, PluginError, PluginMessage, RefusedWish,
    Verb,
};
pub use error::{AttachError, InTheWay, MoveError, OpenError, ReleaseError};
pub use host_ports::{HostPortError, RecordError};
pub use ipv6::NoIpv6;
pub use keeper::Keeper;
pub use netlink::NetlinkError;
pub use pod::{PodLinkError, bring_loopback_up};
pub use pod_cidr::{InvalidPodCidr, PodCidr};
pub use ranges::RangesError;
pub use request::{AttachRequest, Wishes};
pub use reservations::{OpenReservationsError, ReserveError, UnreserveError};
pub use subnet::{Family, InvalidSubnet, Subnet};
pub use survey::Conflict;

use crate::model::SandboxId;
use crate::model::config::PortMapping;
use bridge::Bridge;
use host_ports::{HostPort, HostPorts};
use pod::PodLink;
use ranges::Ranges;
use reservations::Reservations;

/// What a bridge network is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeSettings {
    /// Name of the bridge interface, at most 15 characters.
    pub bridge: String,
    /// The pod CIDR.
    pub cidr: PodCidr,
    /// Where address reservations are kept.
    pub state_dir: PathBuf,
}

/// The pod network of one node.
pub struct BridgeNetwork {
    state_dir: PathBuf,
    // Where several are locked at once, they are locked in this order. The kernel takes one change
    // of interfaces at a time anyway.
    ranges: Mutex<Ranges>,
    host_ports: Mutex<HostPorts>,
    bridge: Mutex<Bridge>,
    reservations: Mutex<Reservations>,
}

impl fmt::Debug for BridgeNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeNetwork")
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

impl BridgeNetwork {
    /// Opens the network in the calling thread's namespace: takes the lock on its reservations and
    /// makes what is missing of bridge, gateway address, NAT and forwarding.
    pub fn open(settings: BridgeSettings) -> Result<Self, OpenError> {
        let cidr = settings.cidr;
        let state_dir = settings.state_dir;
        let mut reservations = Reservations::open(&state_dir, cidr)
            .map_err(|source| OpenError::Reservations { cidr, source })?;
        let host_ports =
            HostPorts::open(&state_dir).map_err(|source| OpenError::HostPorts { cidr, source })?;
        let failed = |source| OpenError::Ranges { cidr, source };
        let known = ranges::load(&state_dir).map_err(failed)?;
        let ranges = match &known {
            Some(known) => known.configured_with(cidr),
            None => Ranges::begin(cidr),
        };
        moving::refuse_in_the_way(&reservations, ranges.current())?;
        if known.as_ref() != Some(&ranges) {
            ranges::save(&state_dir, &ranges).map_err(failed)?;
        }
        reservations.give_from(ranges.current(), ranges.set_apart());
        // What no pod needs must not keep the others from theirs: it is left once they have it.
        let needed = ranges.without(&moving::unused(&reservations, &ranges));
        let mut bridge = Bridge::new(settings.bridge, needed.all())
            .map_err(|source| OpenError::Bridge { cidr, source })?;
        moving::warn_of_conflict(&mut bridge, ranges.current());
        bridge
            .ensure(&host_ports.all())
            .map_err(|source| OpenError::Bridge { cidr, source })?;
        let network = Self {
            state_dir,
            ranges: Mutex::new(ranges),
            host_ports: Mutex::new(host_ports),
            bridge: Mutex::new(bridge),
            reservations: Mutex::new(reservations),
        };
        network.leave_former();
        Ok(network)
    }

    /// Addresses for a sandbox, primary first: those it has, else new ones.
    pub fn reserve(&self, id: &SandboxId) -> Result<Vec<IpAddr>, ReserveError> {
        self.reservations().reserve(id)
    }

    /// Connects the namespace of a sandbox under the addresses reserved for it: loopback and `eth0`
    /// up, addresses, default routes; then its host ports.
    pub fn attach(
        &self,
        id: &SandboxId,
        netns: BorrowedFd<'_>,
        ips: &[IpAddr],
        mappings: &[PortMapping],
    ) -> Result<(), AttachError> {
        self.connect(id, netns, ips)?;
        if mappings.iter().any(|mapping| mapping.host_port != 0) {
            self.publish(id, ips, mappings)?;
        }
        Ok(())
    }

    fn connect(
        &self,
        id: &SandboxId,
        netns: BorrowedFd<'_>,
        ips: &[IpAddr],
    ) -> Result<(), AttachError> {
        let addresses = self.pod_addresses(ips);
        if addresses.is_empty() {
            return Err(AttachError::Address {
                id: id.to_string(),
                cidr: self.ranges().current(),
            });
        }
        let ports = self.host_ports().all();
        let mut bridge = self.bridge();
        let index = match bridge.index() {
            Ok(Some(index)) => Ok(index),
            // Somebody has removed it since.
            Ok(None) => self.restore(&mut bridge, &ports),
            Err(error) => Err(error),
        };
        let index = index.map_err(|source| AttachError::Bridge {
            id: id.to_string(),
            source,
        })?;
        let pod = PodLink {
            veth: pod::veth_name(id),
            bridge: index,
            netns,
            addresses,
        };
        pod.connect(bridge.route())
            .map_err(|source| AttachError::Link {
                id: id.to_string(),
                source,
            })
    }

    fn publish(
        &self,
        id: &SandboxId,
        ips: &[IpAddr],
        mappings: &[PortMapping],
    ) -> Result<(), AttachError> {
        let name = || id.to_string();
        let mut ports = self.host_ports();
        let mut others = ports.by_owner().clone();
        others.remove(id);
        let wanted = host_ports::host_ports(mappings, ips, &others)
            .and_then(refuse_loopback_v6)
            .map_err(|source| AttachError::HostPort { id: name(), source })?;
        ports
            .put(id, wanted.clone())
            .map_err(|source| AttachError::Record { id: name(), source })?;
        self.bridge()
            .lead_ports(&ports.all())
            .map_err(|source| AttachError::Bridge { id: name(), source })?;
        forget_connections(&wanted);
        Ok(())
    }

    /// Closes the host ports of a sandbox and gives its addresses back. Its processes must be gone.
    pub fn release(&self, id: &SandboxId) -> Result<(), ReleaseError> {
        self.withdraw(id)?;
        self.reservations().release(id)?;
        self.leave_former();
        Ok(())
    }

    fn withdraw(&self, id: &SandboxId) -> Result<(), ReleaseError> {
        let mut ports = self.host_ports();
        let closed = ports.take(id)?;
        if closed.is_empty() {
            return Ok(());
        }
        let led = self.bridge().lead_ports(&ports.all());
        led.map_err(|source| ReleaseError::HostPorts {
            id: id.to_string(),
            source,
        })?;
        forget_connections(&closed);
        Ok(())
    }

    /// Gives back the addresses and host ports of every sandbox that is not `live`, and names those
    /// sandboxes.
    pub fn retain(&self, live: &BTreeSet<SandboxId>) -> Result<Vec<SandboxId>, ReleaseError> {
        let dead = self.host_ports().dead(live);
        for id in &dead {
            self.withdraw(id)?;
        }
        let freed = self.reservations().retain(live)?;
        self.leave_former();
        Ok(freed)
    }

    /// Looks at the machine: whether bridge, address, NAT and forwarding are in place. The remark is
    /// what an administrator should know all the same, or nothing.
    pub fn ready(&self) -> Result<String, NotReady> {
        let ports = self.host_ports().all();
        self.bridge().check(&ports)
    }

    /// Makes again what [`ready`](Self::ready) finds missing.
    pub fn repair(&self) -> Result<(), BridgeError> {
        let ports = self.host_ports().all();
        self.restore(&mut self.bridge(), &ports).map(|_| ())
    }

    /// Makes what is missing, and puts pods back on a bridge that somebody had removed.
    fn restore(&self, bridge: &mut Bridge, ports: &[HostPort]) -> Result<u32, BridgeError> {
        let index = bridge.ensure(ports)?;
        let pods = self.reservations().by_owner().clone();
        for (id, addresses) in &pods {
            bridge.reconnect(index, id, addresses)?;
        }
        Ok(index)
    }

    /// Removes the bridge and its NAT. Reservations stay; interfaces of pods that still run lose
    /// their connection.
    pub fn tear_down(&self) -> Result<(), BridgeError> {
        self.bridge().remove()
    }

    fn pod_addresses(&self, ips: &[IpAddr]) -> Vec<(IpAddr, Subnet)> {
        let ranges = self.ranges();
        let network_of = |ip: &IpAddr| Some((*ip, ranges.network_of(*ip)?));
        ips.iter().filter_map(network_of).collect()
    }

    fn ranges(&self) -> MutexGuard<'_, Ranges> {
        self.ranges
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn bridge(&self) -> MutexGuard<'_, Bridge> {
        self.bridge
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn host_ports(&self) -> MutexGuard<'_, HostPorts> {
        self.host_ports
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn reservations(&self) -> MutexGuard<'_, Reservations> {
        self.reservations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A port on ::1 alone is refused where it would lead nowhere.
fn refuse_loopback_v6(ports: Vec<HostPort>) -> Result<Vec<HostPort>, HostPortError> {
    let is_on_loopback = |port: &&HostPort| port.host_ip == Some(Ipv6Addr::LOCALHOST.into());
    match ports.iter().find(is_on_loopback) {
        Some(port) if ipv6::bridges_ask_netfilter() => Err(HostPortError::Loopback(port.host_port)),
        _ => Ok(ports),
    }
}

/// A kernel that cannot forget connections lets them end by themselves.
fn forget_connections(ports: &[HostPort]) {
    if let Err(error) = conntrack::forget(ports) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "old connections to host ports are not forgotten");
    }
}
