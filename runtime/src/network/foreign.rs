//! Firewalls of others that drop what pods send outside.
//!
//! In nf_tables every chain at a hook is asked, and one that drops has the last word, so accepting in
//! our table would be no help. Where the chain is FORWARD of iptables, which Docker has drop by its policy,
//! pods are let through by rules at its head, as the CNI plugins do. Any other chain is somebody's own
//! affair: he is told of it.

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::netlink::{Connection, NetlinkError};
use super::nft::{self, Dropping};

/// Lets the pods of `bridge` through FORWARD of iptables, where that drops.
pub(super) fn let_through(bridge: &str) -> Result<(), NetlinkError> {
    let mut nft = Connection::open(NETLINK_NETFILTER)?;
    for chain in dropping(&mut nft)? {
        if !chain.is_of_iptables() {
            continue;
        }
        let rules = nft.ask(&chain.list_rules())?;
        let ours = chain.ours(bridge, &rules);
        if ours.len() != nft::RULES {
            nft.transact(&chain.let_through(bridge, &ours))?;
            tracing::info!("pods are let through {chain}, which drops by its policy");
        }
    }
    Ok(())
}

/// Takes our rules out again.
pub(super) fn forget(bridge: &str) -> Result<(), NetlinkError> {
    let mut nft = Connection::open(NETLINK_NETFILTER)?;
    for chain in dropping(&mut nft)? {
        let rules = nft.ask(&chain.list_rules())?;
        let ours = chain.ours(bridge, &rules);
        if !ours.is_empty() {
            nft.transact(&chain.forget(&ours))?;
        }
    }
    Ok(())
}

/// What drops packets of pods, or may: the first chain of iptables without our rules, and all others.
pub(super) fn look(bridge: &str) -> Result<Firewalls, NetlinkError> {
    let mut nft = Connection::open(NETLINK_NETFILTER)?;
    let mut firewalls = Firewalls::default();
    for chain in dropping(&mut nft)? {
        if !chain.is_of_iptables() {
            firewalls.others.push(chain.to_string());
            continue;
        }
        let rules = nft.ask(&chain.list_rules())?;
        if chain.ours(bridge, &rules).len() != nft::RULES {
            firewalls.closed.get_or_insert(chain.to_string());
        }
    }
    Ok(firewalls)
}

/// Chains that drop by their policy.
#[derive(Debug, Default)]
pub(super) struct Firewalls {
    /// One of iptables that lacks our rules.
    pub(super) closed: Option<String>,
    /// Those that are nobody's but their owner's.
    pub(super) others: Vec<String>,
}

impl Firewalls {
    /// What an administrator should know; nothing when there is nothing.
    pub(super) fn remark(&self, bridge: &str) -> String {
        match self.others.as_slice() {
            [] => String::new(),
            others => format!(
                "nft chain {} drops what it does not accept: pods reach the outside if its rules let bridge {bridge} through",
                others.join(", "),
            ),
        }
    }
}

fn dropping(nft: &mut Connection) -> Result<Vec<Dropping>, NetlinkError> {
    let chains = nft.ask(&nft::list_chains())?;
    Ok(chains
        .iter()
        .filter_map(|body| nft::read_dropping(body))
        .collect())
}
