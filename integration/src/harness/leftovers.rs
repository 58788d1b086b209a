//! What is left of a node that has been stopped: nothing must be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::processes;
use super::range::Range;

/// Everything that is still there, a line each.
pub fn of(root: &Path, range: &Range) -> Vec<String> {
    let mut left = Vec::new();
    let processes = processes::of_node(root, &range.cgroup());
    left.extend(
        processes
            .into_iter()
            .map(|p| format!("process {}: {}", p.pid, p.command)),
    );
    left.extend(
        mounts(root)
            .into_iter()
            .map(|mount| format!("mount: {mount}")),
    );
    left.extend(
        cgroups(&range.cgroup())
            .into_iter()
            .map(|c| format!("cgroup: {}", c.display())),
    );
    if Path::new("/sys/class/net").join(range.bridge()).exists() {
        left.push(format!("bridge {}", range.bridge()));
    }
    left.extend(
        tables()
            .into_iter()
            .filter(|table| table.contains(&range.bridge())),
    );
    left.extend(
        records(root)
            .into_iter()
            .map(|path| format!("record: {}", path.display())),
    );
    left
}

/// Mounts below the root, as this process sees them.
pub fn mounts(root: &Path) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    let root = root.to_string_lossy().into_owned();
    text.lines()
        .filter(|line| line.contains(&root))
        .map(str::to_owned)
        .collect()
}

/// Takes away all that is mounted below a directory, the newest first.
pub fn remove_mounts(below: &Path) {
    let mut points: Vec<_> = mounts(below)
        .iter()
        .filter_map(|line| line.split(' ').nth(4).map(PathBuf::from))
        .filter(|point| point.starts_with(below))
        .collect();
    points.reverse();
    for point in points {
        // It may be gone already, which is as good.
        let _ = rustix::mount::unmount(&point, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Every directory of a cgroup, in each hierarchy.
pub fn cgroups(cgroup: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        collect(&hierarchy.join(cgroup.trim_start_matches('/')), &mut found);
    }
    found
}

/// Removes a cgroup, deepest directories first; what is in use stays.
pub fn remove_cgroups(cgroup: &str) {
    for directory in cgroups(cgroup).iter().rev() {
        let _ = fs::remove_dir(directory);
    }
}

/// Takes away what tests have left that were killed before they could.
pub fn sweep() {
    for range in Range::abandoned() {
        // The daemon of a test that was killed goes on, and would make its bridge again.
        for _ in 0..3 {
            processes::kill(&processes::of_lost_node(&range.bridge(), &range.cgroup()));
        }
        remove_network(&range);
        remove_cgroups(&range.cgroup());
        if let Some(folder) = range.folder() {
            remove_mounts(&folder);
        }
    }
}

/// Takes down the network of a node whose daemon could not.
pub fn remove_network(range: &Range) {
    let bridge = range.bridge();
    let table = format!("podling_{bridge}");
    for (program, arguments) in [
        ("ip", ["link", "delete", &bridge].as_slice()),
        ("nft", ["delete", "table", "inet", &table].as_slice()),
    ] {
        // It may be gone already, which is as good.
        let _ = Command::new(program).args(arguments).output();
    }
}

/// The one unified hierarchy, or each controller's own.
fn hierarchies() -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    if top.join("cgroup.controllers").exists() {
        return vec![top.to_owned()];
    }
    let entries = fs::read_dir(top).expect("cgroups are mounted");
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect()
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    found.push(directory.to_owned());
    for path in entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
    {
        collect(&path, found);
    }
}

fn tables() -> Vec<String> {
    let output = Command::new("nft").args(["list", "tables"]).output();
    let output = output.expect("nft is needed to look for rules: run `make deps`");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Directories of sandboxes, containers and attachments to networks that were not removed.
fn records(root: &Path) -> Vec<PathBuf> {
    let places = [
        "run/podling/sandboxes",
        "var/lib/podling/sandboxes",
        "var/lib/podling/containers",
        "var/lib/podling/network/cni",
    ];
    let entries = places
        .iter()
        .filter_map(|place| fs::read_dir(root.join(place)).ok())
        .flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}
