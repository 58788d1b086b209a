//! Removing the node's own cgroup once its pods have gone.

use std::fs;
use std::path::{Path, PathBuf};

use podling_runtime::cgroup::CgroupDriver;
use podling_systemd::{Systemd, path_of_slice};

const TOP: &str = "/sys/fs/cgroup";

/// Removes what is empty of the cgroup and below it, in every hierarchy. What somebody still uses
/// stays: the kernel refuses to remove it, and systemd is not asked.
pub(super) fn remove_empty(driver: CgroupDriver, cgroup: &str) {
    match driver {
        CgroupDriver::Cgroupfs => remove_directories(cgroup),
        CgroupDriver::Systemd => end_slice(&driver.parent(cgroup)),
    }
}

/// A slice that was begun for pods ends only when it is asked to.
fn end_slice(slice: &str) {
    let Ok(path) = path_of_slice(slice) else {
        return;
    };
    let events = fs::read_to_string(format!("{TOP}{path}/cgroup.events"));
    let is_empty = events.is_ok_and(|text| text.lines().any(|line| line == "populated 0"));
    if path.is_empty() || !is_empty {
        return;
    }
    if let Err(error) = Systemd::of_this_machine().stop(slice) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(slice, error, "cannot end");
    }
}

fn remove_directories(cgroup: &str) {
    let below = cgroup.trim_matches('/');
    if below.is_empty() {
        return;
    }
    for hierarchy in hierarchies() {
        remove_tree(&hierarchy.join(below));
    }
}

/// The unified hierarchy, or each controller's own.
fn hierarchies() -> Vec<PathBuf> {
    let top = Path::new(TOP);
    if top.join("cgroup.controllers").exists() {
        return vec![top.to_owned()];
    }
    folders(top)
}

fn remove_tree(folder: &Path) {
    for child in folders(folder) {
        remove_tree(&child);
    }
    match fs::remove_dir(folder) {
        Err(error) if folder.exists() => {
            tracing::warn!(cgroup = %folder.display(), %error, "cannot remove");
        }
        _ => {}
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        .map(|e| e.path())
        .collect()
}
