//! Source NAT for pods, in an nf_tables table of our own, spoken over netlink.
//!
//! ```text
//! table ip podling_<bridge> {
//!     chain postrouting {
//!         type nat hook postrouting priority srcnat;
//!         ip saddr <pod CIDR> oifname != "<bridge>" masquerade
//!     }
//! }
//! ```
//!
//! One batch is one transaction: the kernel takes all of it or nothing. Installing adds what is
//! missing and replaces the rules of our chain only, so other chains can join the table.
#![deny(clippy::disallowed_methods)]

mod attribute;
mod expression;

use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP};

use super::netlink::Request;
use super::subnet::Ipv4Subnet;
use attribute::Attributes;
use expression::Expressions;

const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;

const POSTROUTING: &str = "postrouting";

/// The source NAT of one bridge.
pub(super) struct Masquerade<'a> {
    /// Name of the bridge.
    pub(super) bridge: &'a str,
    /// The pods behind it.
    pub(super) subnet: Ipv4Subnet,
}

impl Masquerade<'_> {
    /// Adds the table and the chain where they are missing, and makes our rule its only one.
    pub(super) fn install(&self) -> Vec<Request> {
        batch([
            change(
                "add the nft table",
                libc::NFT_MSG_NEWTABLE,
                NLM_F_CREATE,
                &self.named(),
            ),
            change(
                "add the nft chain",
                libc::NFT_MSG_NEWCHAIN,
                NLM_F_CREATE,
                &self.chain(),
            ),
            change(
                "flush the nft chain",
                libc::NFT_MSG_DELRULE,
                0,
                &self.rules(),
            ),
            change(
                "add the masquerade rule",
                libc::NFT_MSG_NEWRULE,
                NLM_F_CREATE | NLM_F_APPEND,
                &self.rule(),
            ),
        ])
    }

    /// Removes the table with everything in it.
    pub(super) fn remove(&self) -> Vec<Request> {
        batch([change(
            "remove the nft table",
            libc::NFT_MSG_DELTABLE,
            0,
            &self.named(),
        )])
    }

    /// Asks for the rules of our chain.
    pub(super) fn list(&self) -> Request {
        request(
            "list the masquerade rule",
            message_type(libc::NFT_MSG_GETRULE),
            NLM_F_DUMP,
            0,
            self.rules().as_bytes(),
        )
    }

    fn table(&self) -> String {
        format!("podling_{}", self.bridge)
    }

    fn named(&self) -> Attributes {
        Attributes::new().name(TABLE_NAME, &self.table())
    }

    fn chain(&self) -> Attributes {
        let hook = Attributes::new()
            .number(HOOK_NUMBER, libc::NF_INET_POST_ROUTING as u32)
            .number(HOOK_PRIORITY, libc::NF_IP_PRI_NAT_SRC as u32);
        Attributes::new()
            .name(CHAIN_TABLE, &self.table())
            .name(CHAIN_NAME, POSTROUTING)
            .nest(CHAIN_HOOK, &hook)
            .name(CHAIN_TYPE, "nat")
    }

    fn rules(&self) -> Attributes {
        Attributes::new()
            .name(RULE_TABLE, &self.table())
            .name(RULE_CHAIN, POSTROUTING)
    }

    fn rule(&self) -> Attributes {
        let expressions = Expressions::new()
            .source_within(self.subnet.network(), self.subnet.mask())
            .leaves_not_through(self.bridge)
            .masquerade();
        self.rules()
            .nest(RULE_EXPRESSIONS, &expressions.into_attributes())
    }
}

/// Frames `changes` as one transaction.
fn batch<const N: usize>(changes: [Request; N]) -> Vec<Request> {
    let frame = |what, kind: libc::c_int| {
        request(what, kind as u16, 0, libc::NFNL_SUBSYS_NFTABLES as u16, &[])
    };
    let mut requests = vec![frame("change nft tables", libc::NFNL_MSG_BATCH_BEGIN)];
    requests.extend(changes);
    requests.push(frame("commit to nft tables", libc::NFNL_MSG_BATCH_END));
    requests
}

fn change(what: &'static str, kind: libc::c_int, flags: u16, attributes: &Attributes) -> Request {
    request(
        what,
        message_type(kind),
        flags | NLM_F_ACK,
        0,
        attributes.as_bytes(),
    )
}

fn message_type(kind: libc::c_int) -> u16 {
    (libc::NFNL_SUBSYS_NFTABLES as u16) << 8 | kind as u16
}

/// Prefixes the header of every netfilter message: family, version, resource.
fn request(what: &'static str, kind: u16, flags: u16, resource: u16, attributes: &[u8]) -> Request {
    let mut body = vec![libc::NFPROTO_IPV4 as u8, libc::NFNETLINK_V0 as u8];
    body.extend(resource.to_be_bytes());
    body.extend(attributes);
    Request {
        what,
        kind,
        flags,
        body,
    }
}
