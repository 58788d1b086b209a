//! Facts of the machine that the kubelet asks for once, when it starts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Bytes of memory the machine has; 0 when it does not say.
pub(crate) fn memory_capacity() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    total_memory(&text).unwrap_or(0)
}

/// `MemTotal:  16303984 kB`
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The address that packets to the outside would come from; loopback on a machine without a route.
pub(crate) fn address() -> IpAddr {
    outward_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Connecting a datagram socket chooses a route and sends nothing.
fn outward_address() -> Option<IpAddr> {
    // An address for documentation: it belongs to no machine.
    let outside = SocketAddr::from(([192, 0, 2, 1], 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(outside).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

/// The version of the machine's cgroups.
pub(crate) fn cgroup_version() -> i64 {
    if cgroups_rs::fs::hierarchies::is_cgroup2_unified_mode() {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_machine_is_read() {
        let text = "MemFree: 1 kB\nMemTotal:       16303984 kB\n";
        assert_eq!(total_memory(text), Some(16_303_984 * 1024));
        assert_eq!(total_memory("MemFree: 1 kB\n"), None);
    }
}
