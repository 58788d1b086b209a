//! Whether pods can be connected, by the built-in bridge or by CNI.

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::kernel::needed;

pub(super) fn verdict(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    if uses_cni(facts) {
        all.push(cni(facts));
    } else {
        all.push(needed(
            "network bridge",
            &facts.kernel.network,
            "bridge, veth, addresses and nf_tables with NAT worked in namespaces of their own",
            "load the modules (modprobe -a bridge veth nf_tables nft_chain_nat nft_masq), or configure CNI",
        ));
        all.push(cni(facts));
        all.push(conntrack(facts));
    }
    all.push(forwarding(facts));
    all.push(bridge_netfilter(facts));
    all.extend(addresses(facts));
    all
}

fn uses_cni(facts: &Facts) -> bool {
    facts.cni.is_required || !facts.cni.configurations.is_empty()
}

fn cni(facts: &Facts) -> Finding {
    let (check, cni) = ("network CNI", &facts.cni);
    let dir = cni.conf_dir.display();
    match (cni.configurations.first(), cni.is_required) {
        (None, false) => Finding::ok(
            check,
            format!("nothing in {dir}: the built-in bridge is used"),
        ),
        (None, true) => Finding::missing(
            check,
            format!("nothing in {dir}"),
            "put a configuration there, or leave out confDir (--cni-conf-dir)",
        ),
        (Some(first), _) if cni.missing_plugins.is_empty() => Finding::ok(check, first),
        (Some(first), _) => Finding::missing(
            check,
            format!("{first} names {}", cni.missing_plugins.join(", ")),
            "install these plugins, or say where they are (--cni-bin-dir)",
        ),
    }
}

fn conntrack(facts: &Facts) -> Finding {
    let check = "network conntrack";
    match facts.kernel.conntrack {
        true => Finding::ok(check, "connections are tracked"),
        false => Finding::limited(
            check,
            "connections are not tracked yet",
            "modprobe nf_conntrack: NAT and host ports need it",
        ),
    }
}

fn forwarding(facts: &Facts) -> Finding {
    let check = "net.ipv4.ip_forward";
    match facts.sysctls.get(check).map(String::as_str) {
        Some("1") => Finding::ok(check, "1"),
        Some(other) if uses_cni(facts) => {
            Finding::limited(check, other, "sysctl -w net.ipv4.ip_forward=1")
        }
        Some(other) => Finding::ok(check, format!("{other}: the built-in bridge turns it on")),
        None => Finding::missing(check, "no IPv4", "use a kernel with IPv4"),
    }
}

/// Only matters when the module is there: then frames of the bridge pass the host's rules.
fn bridge_netfilter(facts: &Facts) -> Finding {
    let check = "net.bridge.bridge-nf-call-iptables";
    let found = facts.sysctls.get(check).map(String::as_str);
    Finding::ok(check, found.unwrap_or("not loaded, and not needed"))
}

fn addresses(facts: &Facts) -> Vec<Finding> {
    let check = "network addresses";
    let of = |(address, free): &(String, Result<(), String>)| match free {
        Ok(()) => Finding::ok(check, format!("{address} is free")),
        Err(_) if facts.is_running => Finding::ok(check, format!("{address} is this node's")),
        Err(why) => Finding::missing(
            check,
            format!("{address}: {why}"),
            "end who listens there (ss -ltnp shows it), or choose another address",
        ),
    };
    facts.addresses.iter().map(of).collect()
}
