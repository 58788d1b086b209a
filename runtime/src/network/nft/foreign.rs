//! Chains of others that drop what is forwarded, and our rules in those of iptables.
//!
//! ```text
//! table ip filter {
//!     chain FORWARD        # policy drop, as Docker sets it
//!         iifname "<bridge>" accept
//!         oifname "<bridge>" ct state established,related,dnat accept
//! }
//! ```
#![deny(clippy::disallowed_methods)]

use std::fmt;

use netlink_packet_core::NLM_F_CREATE;

use super::attribute::{Attributes, find};
use super::expression::Expressions;
use super::message::{change_in, list_in, transaction};
use crate::network::netlink::Request;

/// The header of every netfilter message: family, version, resource.
const HEADER: usize = 4;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_ABOUT: u16 = 7;
/// `NFTNL_UDATA_RULE_COMMENT`.
const COMMENT: u8 = 0;

/// A chain through which all forwarded packets go, and that drops what none of its rules accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network) struct Dropping {
    family: u8,
    table: String,
    chain: String,
}

/// Asks for every chain of the machine.
pub(in crate::network) fn list_chains() -> Request {
    let all = Attributes::new();
    list_in(
        libc::NFPROTO_UNSPEC as u8,
        "list nft chains",
        libc::NFT_MSG_GETCHAIN,
        &all,
    )
}

/// Reads one message of the answer, if it is about such a chain.
pub(in crate::network) fn read_dropping(body: &[u8]) -> Option<Dropping> {
    let (header, attributes) = body.split_at_checked(HEADER)?;
    let hook = find(find(attributes, CHAIN_HOOK)?, HOOK_NUMBER)?;
    let policy = find(attributes, CHAIN_POLICY)?;
    let family = i32::from(*header.first()?);
    let of_packets = [libc::NFPROTO_IPV4, libc::NFPROTO_IPV6, libc::NFPROTO_INET];
    let is_dropping = number(hook)? == libc::NF_INET_FORWARD as u32
        && number(policy)? == libc::NF_DROP as u32
        && of_packets.contains(&family);
    is_dropping.then_some(())?;
    Some(Dropping {
        family: *header.first()?,
        table: text(find(attributes, CHAIN_TABLE)?),
        chain: text(find(attributes, CHAIN_NAME)?),
    })
}

impl Dropping {
    /// Whether it is where everybody puts the rules of what is his.
    pub(in crate::network) fn is_of_iptables(&self) -> bool {
        i32::from(self.family) != libc::NFPROTO_INET
            && self.table == "filter"
            && self.chain == "FORWARD"
    }

    /// Asks for its rules.
    pub(in crate::network) fn list_rules(&self) -> Request {
        let kind = libc::NFT_MSG_GETRULE;
        list_in(
            self.family,
            "list the rules of FORWARD",
            kind,
            &self.named(),
        )
    }

    /// Which of the rules that answer are for `bridge`, by their handles.
    pub(in crate::network) fn ours(&self, bridge: &str, rules: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let comment = comment(bridge);
        let is_ours = |attributes: &&[u8]| find(attributes, RULE_ABOUT) == Some(&comment);
        let rules = rules.iter().filter_map(|rule| rule.get(HEADER..));
        let handles = rules
            .filter(is_ours)
            .filter_map(|rule| find(rule, RULE_HANDLE));
        handles.map(<[u8]>::to_vec).collect()
    }

    /// Puts our rules before all others, instead of those with these handles.
    pub(in crate::network) fn let_through(&self, bridge: &str, old: &[Vec<u8>]) -> Vec<Request> {
        let new = [answers(bridge), everything_of_pods(bridge)].map(|expressions| {
            let rule = self
                .named()
                .nest(RULE_EXPRESSIONS, &expressions.into_attributes())
                .bytes(RULE_ABOUT, &comment(bridge));
            let kind = (libc::NFT_MSG_NEWRULE, NLM_F_CREATE);
            change_in(self.family, "let pods through FORWARD", kind, &rule)
        });
        transaction(self.deletions(old).chain(new))
    }

    /// Removes the rules with these handles.
    pub(in crate::network) fn forget(&self, old: &[Vec<u8>]) -> Vec<Request> {
        transaction(self.deletions(old))
    }

    fn deletions(&self, handles: &[Vec<u8>]) -> impl Iterator<Item = Request> {
        handles.iter().map(|handle| {
            let rule = self.named().bytes(RULE_HANDLE, handle);
            let kind = (libc::NFT_MSG_DELRULE, 0);
            change_in(self.family, "remove a rule of FORWARD", kind, &rule)
        })
    }

    fn named(&self) -> Attributes {
        Attributes::new()
            .name(RULE_TABLE, &self.table)
            .name(RULE_CHAIN, &self.chain)
    }
}

impl fmt::Display for Dropping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match i32::from(self.family) {
            libc::NFPROTO_IPV4 => "ip",
            libc::NFPROTO_IPV6 => "ip6",
            _ => "inet",
        };
        write!(f, "{family} {} {}", self.table, self.chain)
    }
}

/// How many rules let pods through.
pub(in crate::network) const RULES: usize = 2;

fn everything_of_pods(bridge: &str) -> Expressions {
    Expressions::new().came_through(bridge).count().accept()
}

fn answers(bridge: &str) -> Expressions {
    Expressions::new()
        .leaves_through(bridge)
        .answers_or_was_redirected()
        .count()
        .accept()
}

/// What `nft list` shows as `comment "podling_<bridge>"`.
fn comment(bridge: &str) -> Vec<u8> {
    let text = format!("podling_{bridge}\0");
    let length = u8::try_from(text.len()).expect("a bridge has at most 15 characters");
    [&[COMMENT, length], text.as_bytes()].concat()
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(family: i32, hook: i32, policy: i32) -> Vec<u8> {
        let hook = Attributes::new().number(HOOK_NUMBER, hook as u32);
        let attributes = Attributes::new()
            .name(CHAIN_TABLE, "filter")
            .name(CHAIN_NAME, "FORWARD")
            .nest(CHAIN_HOOK, &hook)
            .number(CHAIN_POLICY, policy as u32);
        [&[family as u8, 0, 0, 0], attributes.as_bytes()].concat()
    }

    #[test]
    fn chains_that_drop_what_is_forwarded_are_found_among_all() {
        let forward = libc::NF_INET_FORWARD;
        let found = read_dropping(&chain(libc::NFPROTO_IPV4, forward, libc::NF_DROP)).unwrap();
        assert!(found.is_of_iptables());
        assert_eq!(found.to_string(), "ip filter FORWARD");
        let inet = read_dropping(&chain(libc::NFPROTO_INET, forward, libc::NF_DROP)).unwrap();
        assert!(!inet.is_of_iptables());
        for other in [
            chain(libc::NFPROTO_IPV4, forward, libc::NF_ACCEPT),
            chain(libc::NFPROTO_IPV4, libc::NF_INET_LOCAL_IN, libc::NF_DROP),
            chain(libc::NFPROTO_BRIDGE, forward, libc::NF_DROP),
            vec![2, 0, 0, 0],
            vec![],
        ] {
            assert_eq!(read_dropping(&other), None);
        }
    }

    #[test]
    fn our_rules_are_told_by_the_name_of_the_bridge() {
        let dropping = read_dropping(&chain(
            libc::NFPROTO_IPV4,
            libc::NF_INET_FORWARD,
            libc::NF_DROP,
        ));
        let dropping = dropping.unwrap();
        let rule = |bridge: &str, handle: u64| {
            let attributes = Attributes::new()
                .bytes(RULE_HANDLE, &handle.to_be_bytes())
                .bytes(RULE_ABOUT, &comment(bridge));
            [&[2, 0, 0, 0], attributes.as_bytes()].concat()
        };
        let rules = [rule("podling0", 7), rule("podling1", 8), vec![2, 0, 0, 0]];
        assert_eq!(dropping.ours("podling0", &rules), [7u64.to_be_bytes()]);
    }
}
