//! What a node holds at a moment, to be compared with another moment.

use std::fs;
use std::path::Path;

use super::leftovers;
use super::node::Node;
use super::processes;

/// How many of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Processes of the node, the daemon among them.
    pub processes: usize,
    /// Mounts below the node's root that the daemon sees.
    pub mounts: usize,
    /// Pods' ends on the bridge.
    pub links: usize,
    /// Reserved addresses.
    pub addresses: usize,
    /// Directories of cgroups.
    pub cgroups: usize,
    /// File descriptors of the daemon.
    pub descriptors: usize,
    /// Directories of sandboxes and containers.
    pub records: usize,
}

impl Census {
    /// Whether there is no more of anything than `before`.
    pub fn is_within(&self, before: &Self) -> bool {
        self.processes <= before.processes
            && self.mounts <= before.mounts
            && self.links <= before.links
            && self.addresses <= before.addresses
            && self.cgroups <= before.cgroups
            && self.descriptors <= before.descriptors
            && self.records <= before.records
    }

    /// Counts.
    pub fn of(node: &Node) -> Self {
        let pid = node.daemon_pid();
        let mountinfo = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let bridge = Path::new("/sys/class/net")
            .join(node.range().bridge())
            .join("brif");
        let root = node.root();
        let root_text = root.display().to_string();
        let places = [
            "run/podling/sandboxes",
            "var/lib/podling/sandboxes",
            "var/lib/podling/containers",
        ];
        Self {
            processes: processes::of_node(root, &node.range().cgroup()).len(),
            mounts: mountinfo
                .lines()
                .filter(|line| line.contains(&root_text))
                .count(),
            links: entries(&bridge),
            addresses: entries(&root.join("var/lib/podling/network/addresses")),
            cgroups: leftovers::cgroups(&node.range().cgroup()).len(),
            descriptors: processes::descriptors(pid),
            records: places.iter().map(|place| entries(&root.join(place))).sum(),
        }
    }
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}
