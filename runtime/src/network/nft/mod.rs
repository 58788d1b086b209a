//! NAT for pods, in an nf_tables table of our own, spoken over netlink.
//!
//! ```text
//! table inet podling_<bridge> {
//!     chain guard        # raw: only because host ports let packets to 127.0.0.0/8 be routed
//!         iifname "<bridge>" ip daddr 127.0.0.0/8 drop
//!     chain prerouting   # dstnat, the same in chain output
//!         fib daddr type local tcp dport <host port> dnat ip to <pod>:<port>
//!     chain postrouting  # srcnat
//!         ip saddr <pod CIDR> oifname != "<bridge>" masquerade
//!         ip saddr <pod CIDR> oifname "<bridge>" ct status dnat masquerade
//!         ip saddr 127.0.0.0/8 oifname "<bridge>" masquerade, and ::1 the same
//! }
//! ```
//!
//! The second rule of postrouting brings the answer of a pod that another pod reached through a host
//! port back through the host, which alone knows the port; the third does so for this machine's own
//! loopback. Whoever comes from outside is seen by the pod under its own address.
//!
//! One batch is one transaction: the kernel takes all of it or nothing. Installing states the whole
//! table anew, so it may be repeated, and mends what others have flushed.
#![deny(clippy::disallowed_methods)]

mod attribute;
mod chain;
mod expression;
mod foreign;
mod message;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};

use super::cidr::Cidr;
use super::host_ports::HostPort;
use super::netlink::Request;
use attribute::Attributes;
pub(super) use attribute::find;
use chain::Chain;
use expression::Expressions;
pub(super) use foreign::{Dropping, RULES, list_chains, read_dropping};
use message::{change, list, transaction};

const TABLE_NAME: u16 = 1;
const RULE_EXPRESSIONS: u16 = 4;

/// The table of one bridge.
pub(super) struct Table<'a> {
    /// Name of the bridge.
    pub(super) bridge: &'a str,
    /// The pods behind it.
    pub(super) pods: Vec<Cidr>,
    /// The host ports that lead to them.
    pub(super) ports: Vec<HostPort>,
}

impl Table<'_> {
    /// Adds the table and its chains where they are missing, and makes our rules their only ones.
    pub(super) fn install(&self) -> Vec<Request> {
        let table = self.name();
        let chains = Chain::ALL.into_iter().flat_map(|chain| {
            [
                change(
                    "add an nft chain",
                    libc::NFT_MSG_NEWCHAIN,
                    NLM_F_CREATE,
                    &chain.definition(&table),
                ),
                change(
                    "flush an nft chain",
                    libc::NFT_MSG_DELRULE,
                    0,
                    &chain.rules(&table),
                ),
            ]
        });
        let rules = self.rules().into_iter().map(|(chain, expressions)| {
            let rule = chain.rules(&table);
            let rule = rule.nest(RULE_EXPRESSIONS, &expressions.into_attributes());
            let flags = NLM_F_CREATE | NLM_F_APPEND;
            change("add an nft rule", libc::NFT_MSG_NEWRULE, flags, &rule)
        });
        transaction([self.add_table()].into_iter().chain(chains).chain(rules))
    }

    /// Removes the table with everything in it.
    pub(super) fn remove(&self) -> Vec<Request> {
        let kind = libc::NFT_MSG_DELTABLE;
        let named = Attributes::new().name(TABLE_NAME, &self.name());
        transaction([change("remove the nft table", kind, 0, &named)])
    }

    /// Asks for all rules that are there.
    pub(super) fn list(&self) -> Request {
        let table = Attributes::new().name(TABLE_NAME, &self.name());
        list("list the rules for pods", libc::NFT_MSG_GETRULE, &table)
    }

    /// How many rules it has when nobody has taken any away.
    pub(super) fn size(&self) -> usize {
        self.rules().len()
    }

    fn name(&self) -> String {
        format!("podling_{}", self.bridge)
    }

    fn add_table(&self) -> Request {
        let kind = libc::NFT_MSG_NEWTABLE;
        let named = Attributes::new().name(TABLE_NAME, &self.name());
        change("add the nft table", kind, NLM_F_CREATE, &named)
    }

    fn rules(&self) -> Vec<(Chain, Expressions)> {
        let mut rules = vec![(Chain::Guard, self.guard())];
        for port in &self.ports {
            rules.push((Chain::Prerouting, redirection(port)));
            rules.push((Chain::Output, redirection(port)));
        }
        for pods in &self.pods {
            rules.push((Chain::Postrouting, self.way_out(*pods)));
            rules.push((Chain::Postrouting, self.way_back(*pods)));
        }
        for loopback in [Cidr::LOOPBACK, Cidr::LOOPBACK_V6] {
            rules.push((Chain::Postrouting, self.way_back_to(loopback)));
        }
        rules
    }

    /// CVE-2020-8558: where packets to 127.0.0.0/8 are routed, neighbours reach what listens there.
    fn guard(&self) -> Expressions {
        Expressions::new()
            .came_through(self.bridge)
            .destination_within(Cidr::LOOPBACK)
            .drop_packet()
    }

    fn way_out(&self, pods: Cidr) -> Expressions {
        Expressions::new()
            .source_within(pods)
            .leaves_not_through(self.bridge)
            .masquerade()
    }

    fn way_back(&self, pods: Cidr) -> Expressions {
        Expressions::new()
            .source_within(pods)
            .leaves_through(self.bridge)
            .was_redirected()
            .masquerade()
    }

    fn way_back_to(&self, loopback: Cidr) -> Expressions {
        Expressions::new()
            .source_within(loopback)
            .leaves_through(self.bridge)
            .masquerade()
    }
}

fn redirection(port: &HostPort) -> Expressions {
    let expressions = match port.host_ip {
        Some(address) => Expressions::new().destination_is(address),
        None => Expressions::new().destination_is_local(port.address),
    };
    expressions
        .destination_port(port.protocol, port.host_port)
        .redirect_to(port.address, port.port)
}
