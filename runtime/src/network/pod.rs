//! A pod's side of the network: one veth pair, its addresses and its default routes.
//!
//! ```text
//!  host                                     pod
//!  bridge (gateway) ── pod<11 digits of the sandbox id> ═══ eth0 (address/prefix, default route)
//! ```
//!
//! Nine requests in four writes, and three more for a second address. The pair is made with both ends in place, or not at all, so a
//! crash leaves a pair without an address at worst, and every later request may be repeated.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;

use super::bridge::first_link;
use super::ipv6;
use super::link::{self, LOOPBACK_INDEX, Link, POD_INTERFACE, Veth};
use super::mac::{self, Mac};
use super::netlink::{Connection, NetlinkError, Request};
use super::subnet::{Family, Subnet};
use crate::model::SandboxId;
use crate::sys::netns;

/// Why a pod's interface cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum PodLinkError {
    /// Its namespace cannot be entered.
    #[error("cannot enter the pod's network namespace")]
    Enter(#[source] io::Error),
    /// IPv6 cannot be set up in it.
    #[error("cannot prepare the pod's network namespace for IPv6")]
    Ipv6(#[source] io::Error),
    /// The kernel does not go along on the host's side.
    #[error("cannot connect {veth} on the host's side")]
    Host {
        /// Name of the pair's end on the bridge.
        veth: String,
        /// Why.
        source: NetlinkError,
    },
    /// The kernel does not go along in the pod.
    #[error("cannot configure the pod's network namespace")]
    Pod(#[source] NetlinkError),
    /// The namespace has an interface of that name already, and it leads elsewhere.
    #[error("the pod's network namespace has an {POD_INTERFACE} that does not lead to {0}")]
    Foreign(String),
}

/// One pod to be connected.
pub(super) struct PodLink<'a> {
    /// Name of the pair's end on the bridge.
    pub(super) veth: String,
    /// Index of the bridge.
    pub(super) bridge: u32,
    /// The pod's namespace.
    pub(super) netns: BorrowedFd<'a>,
    /// The pod's addresses, each with the network that it is of.
    pub(super) addresses: Vec<(IpAddr, Subnet)>,
}

/// The name of the host's end of a sandbox's veth pair.
pub(super) fn veth_name(id: &SandboxId) -> String {
    format!("pod{}", &id.as_str()[..11])
}

impl PodLink<'_> {
    /// Connects the pod; whatever is there already is kept.
    pub(super) fn connect(&self, host: &mut Connection) -> Result<(), PodLinkError> {
        let mut pod = open_in(self.netns, || self.prepare_ipv6())?;
        let ends = self.ensure_pair(host, &mut pod)?;
        let up = [
            link::bring_up("bring the loopback up", LOOPBACK_INDEX),
            link::bring_up("bring the pod's interface up", ends.pod),
        ];
        let addresses = self.addresses.iter().flat_map(|(address, subnet)| {
            [
                link::put_address(ends.pod, *address, *subnet),
                link::put_default_route(ends.pod, subnet.gateway()),
            ]
        });
        let inside: Vec<_> = up.into_iter().chain(addresses).collect();
        pod.transact(&inside).map_err(PodLinkError::Pod)?;
        self.announce(host, ends.host)
    }

    /// What the pod's interface will be born with: no other pod may make itself its router
    /// (CVE-2020-10749), and an address that it is to have is not refused because IPv6 is off.
    fn prepare_ipv6(&self) -> io::Result<()> {
        ipv6::write_if_there(ipv6::FUTURE, ipv6::ACCEPT_ROUTERS, "0")?;
        let mut families = self.addresses.iter().map(|(_, subnet)| subnet.family());
        match families.any(|family| family == Family::Ipv6) {
            true => ipv6::write(ipv6::FUTURE, ipv6::DISABLED, "0"),
            false => Ok(()),
        }
    }

    fn mac(&self) -> Mac {
        let addresses: Vec<_> = self.addresses.iter().map(|(address, _)| *address).collect();
        mac::of_pod(&addresses)
    }

    fn ensure_pair(
        &self,
        host: &mut Connection,
        pod: &mut Connection,
    ) -> Result<Ends, PodLinkError> {
        let make = [link::make_veth(&Veth {
            name: &self.veth,
            bridge: self.bridge,
            netns: self.netns,
            mac: self.mac(),
        })];
        match host.transact(&make) {
            Ok(()) => {}
            Err(error) if error.is(libc::EEXIST) => {
                if let Some(ends) = self.reuse_pair(host, pod)? {
                    return Ok(ends);
                }
                host.transact(&make)
                    .map_err(|source| self.on_host(source))?;
            }
            Err(source) => return Err(self.on_host(source)),
        }
        let eth0 = find(pod, POD_INTERFACE).map_err(PodLinkError::Pod)?;
        eth0.and_then(|eth0| Ends::of(&eth0))
            .ok_or_else(|| PodLinkError::Foreign(self.veth.clone()))
    }

    /// An earlier try got as far as the pair: it is taken over. A pair of our name that leads to
    /// another namespace is a remainder of a pod that is gone: it is deleted.
    fn reuse_pair(
        &self,
        host: &mut Connection,
        pod: &mut Connection,
    ) -> Result<Option<Ends>, PodLinkError> {
        let ours = find(host, &self.veth).map_err(|source| self.on_host(source))?;
        let eth0 = find(pod, POD_INTERFACE).map_err(PodLinkError::Pod)?;
        let ends = eth0.as_ref().and_then(Ends::of);
        match (ours, ends) {
            (Some(ours), Some(ends)) if ends.host == ours.index && ours.peer == Some(ends.pod) => {
                let repair = [link::enslave(ends.host, self.bridge)];
                host.transact(&repair)
                    .map_err(|source| self.on_host(source))?;
                Ok(Some(ends))
            }
            (Some(ours), None) => {
                let removal = [link::delete("delete a stale veth", ours.index)];
                host.transact(&removal)
                    .map_err(|source| self.on_host(source))?;
                Ok(None)
            }
            _ => Err(PodLinkError::Foreign(self.veth.clone())),
        }
    }

    /// The address may have been another pod's a moment ago, and somebody may be asking for it right
    /// now: host and bridge are told where it lives instead of being left to find out.
    fn announce(&self, host: &mut Connection, port: u32) -> Result<(), PodLinkError> {
        let addresses: Vec<_> = self.addresses.iter().map(|(address, _)| *address).collect();
        host.transact(&announcement(port, self.bridge, &addresses))
            .map_err(|source| self.on_host(source))
    }

    fn on_host(&self, source: NetlinkError) -> PodLinkError {
        PodLinkError::Host {
            veth: self.veth.clone(),
            source,
        }
    }
}

/// What tells bridge and host where the addresses behind a port live.
fn announcement(port: u32, bridge: u32, addresses: &[IpAddr]) -> Vec<Request> {
    let mac = mac::of_pod(addresses);
    let port = [link::let_turn_back(port), link::put_forwarding(port, mac)];
    let neighbours = addresses
        .iter()
        .map(|address| link::put_neighbour(bridge, *address, mac));
    port.into_iter().chain(neighbours).collect()
}

/// Puts the host's end of a pod's veth pair back on the bridge. A pod without one is not connected.
pub(super) fn reconnect(
    host: &mut Connection,
    bridge: u32,
    id: &SandboxId,
    addresses: &[IpAddr],
) -> Result<(), NetlinkError> {
    let Some(port) = find(host, &veth_name(id))? else {
        return Ok(());
    };
    if port.bridge == Some(bridge) && port.is_up {
        return Ok(());
    }
    let mut requests = vec![link::enslave(port.index, bridge)];
    requests.extend(announcement(port.index, bridge, addresses));
    host.transact(&requests)
}

/// Brings the loopback of a namespace up: all the network that a pod without a bridge has.
pub fn bring_loopback_up(netns: BorrowedFd<'_>) -> Result<(), PodLinkError> {
    let request = link::bring_up("bring the loopback up", LOOPBACK_INDEX);
    let mut pod = open_in(netns, || Ok(()))?;
    pod.transact(&[request]).map_err(PodLinkError::Pod)
}

/// Indexes of the two ends of a veth pair, each in its own namespace.
struct Ends {
    host: u32,
    pod: u32,
}

impl Ends {
    fn of(eth0: &Link) -> Option<Self> {
        Some(Self {
            host: eth0.peer?,
            pod: eth0.index,
        })
    }
}

/// Prepares a namespace and opens a connection in it, which stays there, whoever uses it.
fn open_in(
    netns: BorrowedFd<'_>,
    prepare: impl FnOnce() -> io::Result<()> + Send,
) -> Result<Connection, PodLinkError> {
    let connection = netns::within(netns.as_fd(), || {
        prepare().map_err(PodLinkError::Ipv6)?;
        Connection::open(NETLINK_ROUTE).map_err(PodLinkError::Pod)
    });
    connection.map_err(PodLinkError::Enter)?
}

fn find(connection: &mut Connection, name: &str) -> Result<Option<Link>, NetlinkError> {
    match connection.ask(&link::find("find the interface", name)) {
        Ok(answer) => Ok(first_link(&answer)),
        Err(error) if error.is(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}
