//! The host's side of the pod network: bridge, gateway address, forwarding, source NAT.

use std::fs;
use std::io;
use std::net::IpAddr;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};

use super::foreign;
use super::forwarding;
use super::host_ports::HostPort;
use super::ipv6::{self, NoIpv6};
use super::link::{self, Link};
use super::mac;
use super::netlink::{Connection, NetlinkError, Request};
use super::nft::Table;
use super::pod;
use super::pod_cidr::PodCidr;
use super::subnet::{Family, Subnet};
use super::survey::{self, Conflict};
use crate::model::SandboxId;

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
    /// Pods are to have IPv6, and the machine has none.
    #[error("cannot give pods IPv6")]
    Ipv6(#[from] NoIpv6),
    /// The bridge does not take IPv6 as it should.
    #[error("cannot set IPv6's {switch} of bridge {bridge}")]
    Switch {
        /// Which switch.
        switch: &'static str,
        /// Which bridge.
        bridge: String,
        /// Why.
        source: io::Error,
    },
    /// The host does not forward packets.
    #[error("cannot turn on {family} forwarding ({file})", file = forwarding::file(*.family))]
    Forwarding {
        /// Of which family.
        family: Family,
        /// Why.
        source: io::Error,
    },
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
        /// The network of pods.
        subnet: Subnet,
    },
    /// Somebody flushed nf_tables.
    #[error("rules are missing in nft table inet podling_{0}")]
    Rules(String),
    /// Somebody turned it off.
    #[error("{0} forwarding is off ({file})", file = forwarding::file(*.0))]
    Forwarding(Family),
    /// Somebody has packets dropped that are forwarded.
    #[error("nft chain {0} drops what it does not accept, and has no rules for pods")]
    Firewall(String),
    /// Somebody turned IPv6 off.
    #[error(transparent)]
    Ipv6(#[from] NoIpv6),
    /// Somebody turned IPv6 off there.
    #[error("IPv6 is turned off on bridge {0} (net.ipv6.conf.{0}.disable_ipv6 is 1)")]
    Ipv6Off(String),
}

/// The bridge of one node, and the connection it is configured through.
pub(super) struct Bridge {
    name: String,
    subnets: Vec<Subnet>,
    route: Connection,
}

impl Bridge {
    /// Nothing is made yet.
    pub(super) fn new(name: String, subnets: Vec<Subnet>) -> Result<Self, BridgeError> {
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
            subnets,
            route,
        })
    }

    /// Makes whatever is missing, with these host ports, and returns the index of the bridge.
    pub(super) fn ensure(&mut self, ports: &[HostPort]) -> Result<u32, BridgeError> {
        if self.has(Family::Ipv6) {
            ipv6::check()?;
        }
        let index = self.ensure_device()?;
        self.set_switches()?;
        let addresses = self.subnets.iter();
        let addresses = addresses.map(|net| link::put_address(index, net.gateway(), *net));
        let requests: Vec<_> = [link::bring_up("bring the bridge up", index)]
            .into_iter()
            .chain(addresses)
            .collect();
        let configured = self.route.transact(&requests);
        configured.map_err(|source| self.failed(source))?;
        self.lead_ports(ports)?;
        self.let_through_firewalls();
        for family in self.families() {
            let on = forwarding::turn_on(family);
            on.map_err(|source| BridgeError::Forwarding { family, source })?;
        }
        Ok(index)
    }

    /// No pod may make itself the host's router (CVE-2020-10749), whether pods have IPv6 or not.
    fn set_switches(&self) -> Result<(), BridgeError> {
        self.switch(ipv6::ACCEPT_ROUTERS)?;
        match self.has(Family::Ipv6) {
            true => self.switch(ipv6::DISABLED),
            false => Ok(()),
        }
    }

    fn switch(&self, switch: &'static str) -> Result<(), BridgeError> {
        let off = ipv6::write_if_there(&self.name, switch, "0");
        off.map_err(|source| BridgeError::Switch {
            switch,
            bridge: self.name.clone(),
            source,
        })
    }

    fn families(&self) -> Vec<Family> {
        let all = [Family::Ipv4, Family::Ipv6];
        all.into_iter().filter(|family| self.has(*family)).collect()
    }

    fn has(&self, family: Family) -> bool {
        self.subnets.iter().any(|subnet| subnet.family() == family)
    }

    /// Makes these its networks and whatever is missing of them.
    pub(super) fn span(
        &mut self,
        subnets: Vec<Subnet>,
        ports: &[HostPort],
    ) -> Result<(), BridgeError> {
        self.subnets = subnets;
        self.ensure(ports).map(|_| ())
    }

    /// Has `gone` no longer for networks, and these alone.
    pub(super) fn leave(
        &mut self,
        gone: &[Subnet],
        subnets: Vec<Subnet>,
        ports: &[HostPort],
    ) -> Result<(), BridgeError> {
        if let Some(index) = self.index()? {
            for net in gone {
                self.take_address(index, *net)?;
            }
        }
        self.span(subnets, ports)
    }

    fn take_address(&mut self, index: u32, net: Subnet) -> Result<(), BridgeError> {
        let removal = [link::take_address(index, net.gateway(), net)];
        // Gone already, or with all of IPv6.
        let is_gone = |error: &NetlinkError| {
            [libc::EADDRNOTAVAIL, libc::EOPNOTSUPP, libc::ENODEV]
                .into_iter()
                .any(|errno| error.is(errno))
        };
        match self.route.transact(&removal) {
            Err(error) if !is_gone(&error) => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// Puts a pod that is connected back on a bridge that was made anew.
    pub(super) fn reconnect(
        &mut self,
        index: u32,
        id: &SandboxId,
        addresses: &[IpAddr],
    ) -> Result<(), BridgeError> {
        let back = pod::reconnect(&mut self.route, index, id, addresses);
        back.map_err(|source| self.failed(source))
    }

    /// What of `cidr` the host's network has already.
    pub(super) fn conflict(&mut self, cidr: PodCidr) -> Result<Option<Conflict>, BridgeError> {
        let index = self.index()?;
        let found = survey::conflict(&mut self.route, index, cidr);
        found.map_err(|source| self.failed(source))
    }

    /// Makes these the host ports that lead to pods, and the only ones.
    pub(super) fn lead_ports(&mut self, ports: &[HostPort]) -> Result<(), BridgeError> {
        if !ports.is_empty() {
            self.route_loopback()?;
        }
        if ports.iter().any(|port| port.address.is_ipv6()) {
            self.route_loopback_v6()?;
        }
        let table = self.table(ports.to_vec()).install();
        self.change_nft(&table)
            .map_err(|source| self.failed(source))
    }

    /// Whether all of it is there.
    pub(super) fn check(&mut self, ports: &[HostPort]) -> Result<String, NotReady> {
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
        self.check_ipv6()?;
        self.check_addresses(link.index)?;
        self.check_rules(ports)?;
        let mut families = self.families().into_iter();
        match families.find(|family| !forwarding::is_on(*family)) {
            Some(family) => Err(NotReady::Forwarding(family)),
            None => self.check_firewalls(),
        }
    }

    /// Pods can do without the outside: what fails is told, and `check` goes on telling it.
    fn let_through_firewalls(&self) {
        if let Err(error) = foreign::let_through(&self.name) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "pods are not let through a firewall");
        }
    }

    fn check_firewalls(&self) -> Result<String, NotReady> {
        let firewalls = foreign::look(&self.name).map_err(|source| self.unknown(source))?;
        if let Some(chain) = firewalls.closed {
            return Err(NotReady::Firewall(chain));
        }
        Ok(firewalls.remark(&self.name))
    }

    /// Removes the bridge and its table, if they are there.
    pub(super) fn remove(&mut self) -> Result<(), BridgeError> {
        foreign::forget(&self.name).map_err(|source| self.failed(source))?;
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
        let request = link::make_bridge(&self.name, mac::of_bridge(self.subnets[0].gateway()));
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

    fn check_ipv6(&self) -> Result<(), NotReady> {
        if !self.has(Family::Ipv6) {
            return Ok(());
        }
        ipv6::check()?;
        match ipv6::read(&self.name, ipv6::DISABLED).as_deref() {
            Some("1") => Err(NotReady::Ipv6Off(self.name.clone())),
            _ => Ok(()),
        }
    }

    fn check_addresses(&mut self, index: u32) -> Result<(), NotReady> {
        let answer = self.route.ask(&link::list_addresses());
        let answer = answer.map_err(|source| self.unknown(source))?;
        let there: Vec<(u32, IpAddr, u8)> = answer
            .iter()
            .filter_map(|body| link::read_address(body))
            .collect();
        let is_there = |net: &&Subnet| there.contains(&(index, net.gateway(), net.prefix()));
        match self.subnets.iter().find(|net| !is_there(net)) {
            None => Ok(()),
            Some(subnet) => Err(NotReady::Address {
                bridge: self.name.clone(),
                subnet: *subnet,
            }),
        }
    }

    fn check_rules(&self, ports: &[HostPort]) -> Result<(), NotReady> {
        let table = self.table(ports.to_vec());
        let answer = Connection::open(NETLINK_NETFILTER).and_then(|mut nft| nft.ask(&table.list()));
        match answer {
            Ok(rules) if rules.len() == table.size() => Ok(()),
            Ok(_) => Err(NotReady::Rules(self.name.clone())),
            Err(error) if error.is(libc::ENOENT) => Err(NotReady::Rules(self.name.clone())),
            Err(source) => Err(self.unknown(source)),
        }
    }

    fn table(&self, ports: Vec<HostPort>) -> Table<'_> {
        Table {
            bridge: &self.name,
            pods: self.subnets.iter().map(Subnet::cidr).collect(),
            ports,
        }
    }

    /// Lets this machine reach host ports as 127.0.0.1. The table keeps pods from doing so.
    fn route_loopback(&self) -> Result<(), BridgeError> {
        let path = format!("/proc/sys/net/ipv4/conf/{}/route_localnet", self.name);
        fs::write(&path, "1").map_err(|source| BridgeError::RouteLoopback { path, source })
    }

    /// The same for ::1. Packets from pods that name it as their destination are dropped by the kernel
    /// before it looks for a route.
    fn route_loopback_v6(&mut self) -> Result<(), BridgeError> {
        let Some(index) = self.index()? else {
            return Ok(());
        };
        let routed = self.route.transact(&[link::put_loopback_route(index)]);
        routed.map_err(|source| self.failed(source))
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
