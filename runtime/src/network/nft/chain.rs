//! The chains of our table, and where the kernel calls them.
#![deny(clippy::disallowed_methods)]

use super::attribute::Attributes;

const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;

/// A chain of our table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Sees every packet that comes in, before anything else.
    Guard,
    /// Sees the first packet of a connection that comes in.
    Prerouting,
    /// Sees the first packet of a connection that this machine begins.
    Output,
    /// Sees the first packet of a connection that leaves.
    Postrouting,
}

impl Chain {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [
        Self::Guard,
        Self::Prerouting,
        Self::Output,
        Self::Postrouting,
    ];

    /// What makes it in `table`.
    pub(super) fn definition(self, table: &str) -> Attributes {
        let (kind, hook, priority) = match self {
            Self::Guard => ("filter", libc::NF_INET_PRE_ROUTING, libc::NF_IP_PRI_RAW),
            Self::Prerouting => ("nat", libc::NF_INET_PRE_ROUTING, libc::NF_IP_PRI_NAT_DST),
            Self::Output => ("nat", libc::NF_INET_LOCAL_OUT, libc::NF_IP_PRI_NAT_DST),
            Self::Postrouting => ("nat", libc::NF_INET_POST_ROUTING, libc::NF_IP_PRI_NAT_SRC),
        };
        let hook = Attributes::new()
            .number(HOOK_NUMBER, hook as u32)
            .number(HOOK_PRIORITY, priority as u32);
        Attributes::new()
            .name(CHAIN_TABLE, table)
            .name(CHAIN_NAME, self.name())
            .nest(CHAIN_HOOK, &hook)
            .name(CHAIN_TYPE, kind)
    }

    /// What names its rules in `table`.
    pub(super) fn rules(self, table: &str) -> Attributes {
        Attributes::new()
            .name(RULE_TABLE, table)
            .name(RULE_CHAIN, self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Prerouting => "prerouting",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }
}
