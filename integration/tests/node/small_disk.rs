//! A disk of a story's own, small enough to be full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk in memory, unmounted when it goes; no more than what is written to it is taken.
pub(crate) struct SmallDisk(pub(crate) PathBuf);

impl SmallDisk {
    /// Mounts one of this size, such as `500m`.
    pub(crate) fn mount(at: &Path, size: &str) -> Self {
        fs::create_dir(at).expect("there is room");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .status();
        assert!(
            mount.expect("mount starts").success(),
            "a tmpfs can be mounted"
        );
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever is left on it after a failed test loses it once he has gone.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
