//! Whether a namespace speaks IPv6, and the switches of its interfaces: those of the calling thread's.

use std::fs;
use std::io;

const CONF: &str = "/proc/sys/net/ipv6/conf";

/// The settings of interfaces that are made later.
pub(super) const FUTURE: &str = "default";
/// Whether routers may give an interface addresses and routes.
pub(super) const ACCEPT_ROUTERS: &str = "accept_ra";
/// Whether an interface is without IPv6.
pub(super) const DISABLED: &str = "disable_ipv6";

/// Why there is no IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIpv6 {
    /// The kernel has none.
    #[error(
        "this machine has no IPv6 (/proc/sys/net/ipv6 is missing): load its module, or give pods IPv4 alone (--pod-cidr)"
    )]
    Missing,
    /// An administrator has turned it off.
    #[error(
        "IPv6 is turned off on this machine (net.ipv6.conf.all.disable_ipv6 is 1): turn it on, or give pods IPv4 alone (--pod-cidr)"
    )]
    TurnedOff,
}

/// Whether pods can be given IPv6.
pub(super) fn check() -> Result<(), NoIpv6> {
    match read("all", DISABLED).as_deref() {
        None => Err(NoIpv6::Missing),
        Some("1") => Err(NoIpv6::TurnedOff),
        Some(_) => Ok(()),
    }
}

/// Whether packets between ports of bridges go through ip6tables. Such packets have the addresses of
/// NAT before the kernel looks at them, and one to ::1 that comes from outside is dropped then.
pub(super) fn bridges_ask_netfilter() -> bool {
    let asks = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
    asks.is_ok_and(|value| value.trim() == "1")
}

/// The value of a switch; `None` where the kernel has none.
pub(super) fn read(interface: &str, switch: &str) -> Option<String> {
    let value = fs::read_to_string(path(interface, switch)).ok()?;
    Some(value.trim().to_owned())
}

/// Sets a switch.
pub(super) fn write(interface: &str, switch: &str, value: &str) -> io::Result<()> {
    fs::write(path(interface, switch), value)
}

/// Sets a switch, if the kernel has IPv6 at all.
pub(super) fn write_if_there(interface: &str, switch: &str, value: &str) -> io::Result<()> {
    match write(interface, switch, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    }
}

/// The interfaces that have IPv6, but the loopback.
pub(super) fn interfaces() -> io::Result<Vec<String>> {
    let names = fs::read_dir(CONF)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    let is_one = |name: &String| !["all", FUTURE, "lo"].contains(&name.as_str());
    Ok(names.into_iter().flatten().filter(is_one).collect())
}

fn path(interface: &str, switch: &str) -> String {
    format!("{CONF}/{interface}/{switch}")
}
