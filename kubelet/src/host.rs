//! Facts of the machine that the kubelet asks for once, when it starts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use crate::resource::{Capacity, Machine, Version, kernel_name};

/// Bytes of memory the machine has; 0 when it does not say.
pub(crate) fn memory_capacity() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    total_memory(&text).unwrap_or(0)
}

/// What the machine's cgroups can do.
pub(crate) fn cgroup_machine() -> Machine {
    let version = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        Version::V2
    } else {
        Version::V1
    };
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Machine {
        version,
        swap: has_swap_controller().then(|| kibibytes(&meminfo, "SwapTotal:").unwrap_or(0)),
        memory: memory_capacity(),
        page_sizes: page_limits().into_keys().collect(),
    }
}

/// What the machine has that cgroups can be limited to.
pub(crate) fn capacity() -> Capacity {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpus = u64::try_from(cpus).unwrap_or(u64::MAX);
    let number = |path: &str| -> Option<u64> {
        let text = std::fs::read_to_string(path).ok()?;
        text.trim().parse().ok()
    };
    let pids = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"].map(number);
    Capacity {
        cpu_millis: cpus.saturating_mul(1000),
        memory: memory_capacity(),
        pids: pids.into_iter().flatten().min().unwrap_or(0),
        huge_pages: page_limits(),
    }
}

/// Whether this process's own cgroup has a limit of swap.
fn has_swap_controller() -> bool {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.strip_prefix("0::"));
    let file = |path: &str| {
        let below = path.trim_matches('/');
        Path::new("/sys/fs/cgroup")
            .join(below)
            .join("memory.swap.max")
    };
    path.is_some_and(|path| file(path).exists())
}

/// Bytes of huge pages of each size, where cgroups can limit them.
fn page_limits() -> BTreeMap<String, u64> {
    let has_controller = cgroups_rs::fs::hierarchies::auto()
        .subsystems()
        .iter()
        .any(|one| matches!(one, cgroups_rs::fs::Subsystem::HugeTlb(_)));
    if !has_controller {
        return BTreeMap::new();
    }
    let pages = crate::node::huge_pages().into_iter();
    pages
        .map(|(size, bytes)| (kernel_name(size), bytes))
        .collect()
}

/// `MemTotal:  16303984 kB`
fn total_memory(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemTotal:")
}

/// Such a line in bytes.
fn kibibytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The address that packets to the outside would come from; loopback on a machine without a route.
pub(crate) fn address() -> IpAddr {
    outward_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Connecting a datagram socket chooses a route and sends nothing.
fn outward_address() -> Option<IpAddr> {
    let towards = |outside: SocketAddr| {
        let any: IpAddr = match outside {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(outside).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    // Addresses for documentation: they belong to no machine.
    let old = SocketAddr::from(([192, 0, 2, 1], 9));
    let new = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9));
    towards(old).or_else(|| towards(new))
}

/// Whether an address is this machine's, and others may reach it by that.
pub(crate) fn is_own(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_special = address.is_loopback() || address.is_multicast() || address.is_unspecified();
    // Only an address that it has can be listened on.
    !is_special && !is_link_local && UdpSocket::bind((address, 0)).is_ok()
}

/// The version of the machine's cgroups.
pub(crate) fn cgroup_version() -> i64 {
    if cgroups_rs::fs::hierarchies::is_cgroup2_unified_mode() {
        2
    } else {
        1
    }
}

/// Whether files and processes have labels of SELinux. Without a policy every process is what the
/// kernel itself is, by a word that is no label.
pub(crate) fn has_selinux() -> bool {
    let is_there = Path::new("/sys/fs/selinux/context").exists();
    let own = std::fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    is_there && own.contains(':')
}

/// When the machine was started, if it says so.
pub(crate) fn booted_at() -> Option<jiff::Timestamp> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    jiff::Timestamp::from_second(seconds.trim().parse().ok()?).ok()
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
