//! The host's side of the pod network: bridge, gateway address, forwarding, source NAT.

use std::fs;
use std::io;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};

use super::cidr::Cidr;
use super::host_ports::HostPort;
use super::link::{self, Link};
use super::mac;
use super::netlink::{Connection, NetlinkError, Request};
use super::nft::Table;
use super::subnet::Ipv4Subnet;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Why the bridge cannot be set up, or taken down.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The name is not one the kernel takes.
    #[error("{0:?} cannot name a bridge: 1 to 15 letters, digits, '-', '_' or '.' are expected")]
    Name(String),
    /// An interface of that name was made by somebody else.
    #[error(
        "interface {0} exists and is not a bridge of ours: remove it or configure another name"
    )]
    Foreign(String),
    /// The bridge vanished while it was set up.
    #[error("bridge {0} vanished while it was set up")]
    Vanished(String),
    /// The kernel does not go along.
    #[error("cannot configure bridge {bridge}")]
    Netlink {
        /// Which one.
        bridge: String,
        /// Why.
        source: NetlinkError,
    },
    /// The host does not forward packets.
    #[error("cannot turn on IPv4 forwarding ({FORWARDING})")]
    Forwarding(#[source] io::Error),
    /// The host does not let its own loopback reach host ports.
    #[error("cannot write {path}")]
    RouteLoopback {
        /// The file of the kernel.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// What keeps pods from being reached or from reaching out.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The kernel cannot be asked.
    #[error("cannot look at bridge {bridge}")]
    Unknown {
        /// Which one.
        bridge: String,
        /// Why.
        source: NetlinkError,
    },
    /// Somebody removed it.
    #[error("bridge {0} does not exist")]
    Missing(String),
    /// Somebody replaced it.
    #[error("interface {0} is not a bridge of ours")]
    Foreign(String),
    /// Somebody set it down.
    #[error("bridge {0} is down")]
    Down(String),
    /// Somebody took its address.
    #[error("bridge {bridge} lacks the gateway address of {subnet}")]
    Address {
        /// Which one.
        bridge: String,
        /// The pod CIDR.
        subnet: Ipv4Subnet,
    },
    /// Somebody flushed nf_tables.
    #[error("the masquerade rule of bridge {0} is missing")]
    Masquerade(String),
    /// Somebody turned it off.
    #[error("IPv4 forwarding is off ({FORWARDING})")]
    Forwarding,
}

/// The bridge of one node, and the connection it is configured through.
pub(super) struct Bridge {
    name: String,
    subnet: Ipv4Subnet,
    route: Connection,
}

impl Bridge {
    /// Nothing is made yet.
    pub(super) fn new(name: String, subnet: Ipv4Subnet) -> Result<Self, BridgeError> {
        if !is_interface_name(&name) {
            return Err(BridgeError::Name(name));
        }
        let route = Connection::open(NETLINK_ROUTE);
        let route = route.map_err(|source| BridgeError::Netlink {
            bridge: name.clone(),
            source,
        })?;
        Ok(Self {
            name,
            subnet,
            route,
        })
    }

    /// Makes whatever is missing, with these host ports, and returns the index of the bridge.
    pub(super) fn ensure(&mut self, ports: &[HostPort]) -> Result<u32, BridgeError> {
        let index = self.ensure_device()?;
        let gateway = self.subnet.gateway();
        let requests = [
            link::bring_up("bring the bridge up", index),
            link::put_address(index, gateway, self.subnet),
        ];
        let configured = self.route.transact(&requests);
        configured.map_err(|source| self.failed(source))?;
        self.lead_ports(ports)?;
        turn_on_forwarding().map_err(BridgeError::Forwarding)?;
        Ok(index)
    }

    /// Makes these the host ports that lead to pods, and the only ones.
    pub(super) fn lead_ports(&self, ports: &[HostPort]) -> Result<(), BridgeError> {
        if !ports.is_empty() {
            self.route_loopback()?;
        }
        let table = self.table(ports.to_vec()).install();
        self.change_nft(&table)
            .map_err(|source| self.failed(source))
    }

    /// Whether all of it is there.
    pub(super) fn check(&mut self) -> Result<(), NotReady> {
        let name = || self.name.clone();
        let found = self.route.ask(&link::find("find the bridge", &self.name));
        let link = match found {
            Ok(answer) => first_link(&answer).ok_or_else(|| NotReady::Missing(name()))?,
            Err(error) if error.is(libc::ENODEV) => return Err(NotReady::Missing(name())),
            Err(source) => return Err(self.unknown(source)),
        };
        if !is_our_bridge(&link) {
            return Err(NotReady::Foreign(name()));
        }
        if !link.is_up {
            return Err(NotReady::Down(name()));
        }
        self.check_address(link.index)?;
        self.check_masquerade()?;
        if is_forwarding() {
            Ok(())
        } else {
            Err(NotReady::Forwarding)
        }
    }

    /// Removes the bridge and its table, if they are there.
    pub(super) fn remove(&mut self) -> Result<(), BridgeError> {
        let removal = self.table(Vec::new()).remove();
        match self.change_nft(&removal) {
            Err(error) if !error.is(libc::ENOENT) => return Err(self.failed(error)),
            _ => {}
        }
        match self.find()? {
            Some(link) if is_our_bridge(&link) => {
                let removal = [link::delete("delete the bridge", link.index)];
                let removed = self.route.transact(&removal);
                removed.map_err(|source| self.failed(source))
            }
            _ => Ok(()),
        }
    }

    /// The connection to the host's interfaces.
    pub(super) fn route(&mut self) -> &mut Connection {
        &mut self.route
    }

    /// The bridge, if it is there and ours.
    pub(super) fn index(&mut self) -> Result<Option<u32>, BridgeError> {
        let link = self.find()?;
        Ok(link.filter(is_our_bridge).map(|link| link.index))
    }

    /// Made by whoever comes first: finding it there already is success.
    fn ensure_device(&mut self) -> Result<u32, BridgeError> {
        if let Some(link) = self.find()? {
            return self.ours(&link);
        }
        let request = link::make_bridge(&self.name, mac::of(self.subnet.gateway()));
        match self.route.transact(&[request]) {
            Err(error) if !error.is(libc::EEXIST) => return Err(self.failed(error)),
            _ => {}
        }
        let link = self.find()?;
        let link = link.ok_or_else(|| BridgeError::Vanished(self.name.clone()))?;
        self.ours(&link)
    }

    fn ours(&self, link: &Link) -> Result<u32, BridgeError> {
        if is_our_bridge(link) {
            Ok(link.index)
        } else {
            Err(BridgeError::Foreign(self.name.clone()))
        }
    }

    fn find(&mut self) -> Result<Option<Link>, BridgeError> {
        match self.route.ask(&link::find("find the bridge", &self.name)) {
            Ok(answer) => Ok(first_link(&answer)),
            Err(error) if error.is(libc::ENODEV) => Ok(None),
            Err(source) => Err(self.failed(source)),
        }
    }

    fn check_address(&mut self, index: u32) -> Result<(), NotReady> {
        let wanted = (index, self.subnet.gateway(), self.subnet.prefix());
        let answer = self.route.ask(&link::list_addresses());
        let answer = answer.map_err(|source| self.unknown(source))?;
        let mut addresses = answer.iter().filter_map(|body| link::read_address(body));
        if addresses.any(|address| address == wanted) {
            Ok(())
        } else {
            Err(NotReady::Address {
                bridge: self.name.clone(),
                subnet: self.subnet,
            })
        }
    }

    fn check_masquerade(&self) -> Result<(), NotReady> {
        let question = self.table(Vec::new()).list();
        let answer = Connection::open(NETLINK_NETFILTER).and_then(|mut nft| nft.ask(&question));
        match answer {
            Ok(rules) if !rules.is_empty() => Ok(()),
            Ok(_) => Err(NotReady::Masquerade(self.name.clone())),
            Err(error) if error.is(libc::ENOENT) => Err(NotReady::Masquerade(self.name.clone())),
            Err(source) => Err(self.unknown(source)),
        }
    }

    fn table(&self, ports: Vec<HostPort>) -> Table<'_> {
        let network = self.subnet.network().into();
        Table {
            bridge: &self.name,
            pods: vec![Cidr::new(network, self.subnet.prefix())],
            ports,
        }
    }

    /// Lets this machine reach host ports as 127.0.0.1. The table keeps pods from doing so.
    fn route_loopback(&self) -> Result<(), BridgeError> {
        let path = format!("/proc/sys/net/ipv4/conf/{}/route_localnet", self.name);
        fs::write(&path, "1").map_err(|source| BridgeError::RouteLoopback { path, source })
    }

    /// Rarely done, so no connection is kept for it.
    fn change_nft(&self, requests: &[Request]) -> Result<(), NetlinkError> {
        Connection::open(NETLINK_NETFILTER)?.transact(requests)
    }

    fn failed(&self, source: NetlinkError) -> BridgeError {
        BridgeError::Netlink {
            bridge: self.name.clone(),
            source,
        }
    }

    fn unknown(&self, source: NetlinkError) -> NotReady {
        NotReady::Unknown {
            bridge: self.name.clone(),
            source,
        }
    }
}

/// The first link of an answer.
pub(super) fn first_link(answer: &[Vec<u8>]) -> Option<Link> {
    answer.iter().find_map(|body| link::read_link(body))
}

fn is_our_bridge(link: &Link) -> bool {
    link.is_bridge && mac::is_ours(&link.mac)
}

/// Whether a bridge can have this name.
pub fn is_interface_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=15).contains(&name.len()) && name.chars().all(is_allowed) && name != "." && name != ".."
}

fn is_forwarding() -> bool {
    fs::read_to_string(FORWARDING).is_ok_and(|value| value.trim() == "1")
}

/// A change for the whole namespace, so it is made only where needed, said, and never undone:
/// others may rely on it by then.
fn turn_on_forwarding() -> io::Result<()> {
    if is_forwarding() {
        return Ok(());
    }
    fs::write(FORWARDING, "1")?;
    tracing::info!("turned on IPv4 forwarding ({FORWARDING})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_name_has_at_most_fifteen_plain_characters() {
        for name in ["podling0", "a", "br-0.1_x", "123456789012345"] {
            assert!(is_interface_name(name), "{name}");
        }
        for name in ["", "1234567890123456", "a/b", "a b", "..", "brücke"] {
            assert!(!is_interface_name(name), "{name}");
        }
    }
}
