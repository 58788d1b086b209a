//! What a node needs of the machine that no other node may have.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

/// A network range with a bridge and a cgroup named after it.
#[derive(Debug)]
pub struct Range {
    x: u8,
    y: u8,
    // An abstract socket of this name marks the range as taken; the kernel frees it with the test.
    _mark: UnixListener,
}

impl Range {
    /// Takes a range that no other test on this machine has.
    pub fn take() -> Self {
        loop {
            let random = RandomState::new().build_hasher().finish().to_le_bytes();
            // 10.192.0.0/10: away from what docker, podman and Kubernetes use by default.
            if let Some(range) = Self::mark(192 | (random[0] & 63), random[1]) {
                return range;
            }
        }
    }

    /// Those whose bridge is there although their test has ended: it was killed. They are this test's
    /// now, to be taken away.
    pub fn abandoned() -> Vec<Self> {
        let interfaces = fs::read_dir("/sys/class/net").expect("/sys is mounted");
        let names = interfaces.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let numbers = names.filter_map(|name| {
            let (x, y) = name.strip_prefix("plt-")?.split_once('-')?;
            Some((x.parse().ok()?, y.parse().ok()?))
        });
        numbers.filter_map(|(x, y)| Self::mark(x, y)).collect()
    }

    fn mark(x: u8, y: u8) -> Option<Self> {
        let name = format!("range-of-a-test-{x}-{y}");
        let address = SocketAddr::from_abstract_name(name).expect("the name is short");
        let mark = UnixListener::bind_addr(&address).ok()?;
        Some(Self { x, y, _mark: mark })
    }

    /// The addresses of the node's pods.
    pub fn pod_cidr(&self) -> String {
        format!("10.{}.{}.0/24", self.x, self.y)
    }

    /// The IPv6 addresses of the node's pods, when they have some.
    pub fn pod_cidr_v6(&self) -> String {
        format!("fd70:64:{:x}:{:x}::/64", self.x, self.y)
    }

    /// The node's bridge.
    pub fn bridge(&self) -> String {
        format!("plt-{}-{}", self.x, self.y)
    }

    /// A bridge that plugins make for the node, and its addresses.
    pub fn cni_bridge(&self) -> (String, String) {
        // Beside the node's own range: 10.192.0.0/10 is 10.192 to 10.255, this is 10.128 to 10.191.
        let cidr = format!("10.{}.{}.0/24", self.x - 64, self.y);
        (format!("plc-{}-{}", self.x, self.y), cidr)
    }

    /// The cgroup below which everything of the node runs.
    pub fn cgroup(&self) -> String {
        format!("/podling-test-{}-{}", self.x, self.y)
    }
}
