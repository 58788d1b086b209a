//! Removing the node's own cgroup once its pods have gone.

use std::fs;
use std::path::{Path, PathBuf};

const TOP: &str = "/sys/fs/cgroup";

/// Removes what is empty of the cgroup and below it, in every hierarchy. What somebody still uses
/// stays: the kernel refuses to remove it.
pub(super) fn remove_empty(cgroup: &str) {
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
