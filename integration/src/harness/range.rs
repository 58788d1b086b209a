//! What a node needs of the machine that no other node may have.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

/// What the names of links to folders of nodes begin with.
const PLACE: &str = "podling-range-";

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

    /// Those whose bridge or folder is there although their test has ended: it was killed. They are this
    /// test's now, to be taken away.
    pub fn abandoned() -> Vec<Self> {
        let bridges = numbers(Path::new("/sys/class/net"), "plt-");
        let folders = numbers(&std::env::temp_dir(), PLACE);
        let all = bridges.union(&folders).copied();
        all.filter_map(|(x, y)| Self::mark(x, y)).collect()
    }

    /// Writes down in which folder the node with this range is, for who takes away what is left of it.
    pub fn keep(&self, folder: &Path) {
        // One that a test has left before is of no use; without any, nothing is taken away later.
        let _ = fs::remove_file(self.place());
        let _ = std::os::unix::fs::symlink(folder, self.place());
    }

    /// The folder of a node that was killed, if it is there.
    pub fn folder(&self) -> Option<PathBuf> {
        let folder = fs::read_link(self.place()).ok()?;
        let is_a_tests = folder.to_string_lossy().contains("/podling-test-");
        is_a_tests.then_some(folder)
    }

    fn place(&self) -> PathBuf {
        std::env::temp_dir().join(format!("{PLACE}{}-{}", self.x, self.y))
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

impl Drop for Range {
    fn drop(&mut self) {
        // There is none when the range was only looked at.
        let _ = fs::remove_file(self.place());
    }
}

/// The numbers of ranges that names in a directory speak of.
fn numbers(directory: &Path, prefix: &str) -> BTreeSet<(u8, u8)> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let numbers = names.filter_map(|name| {
        let (x, y) = name.strip_prefix(prefix)?.split_once('-')?;
        Some((x.parse().ok()?, y.parse().ok()?))
    });
    numbers.collect()
}
