//! A cgroup below a container's, for one process and all that it starts: whatever they fork, and
//! whatever session they make, they stay in it, and can be killed together.
//!
//! On v2 the kernel kills a cgroup at once. On v1 the cgroup lies in the freezer hierarchy: what is
//! frozen does not fork, so killing it round by round comes to an end. That it is the end is told
//! by rmdir, which the kernel refuses while there is a member: a process in the middle of a fork is
//! one until its child is one too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cgroup;

/// Name of the file that freezes a cgroup of v1.
const FREEZER: &str = "freezer.state";

/// A cgroup of its own in one hierarchy of a container's.
#[derive(Debug)]
pub struct Subgroup {
    dir: PathBuf,
}

impl Subgroup {
    /// Makes one of this name in the hierarchy of `dirs` that serves best.
    pub fn make(dirs: &[PathBuf], name: &str) -> io::Result<Self> {
        let can = |file: &str| dirs.iter().find(|dir| dir.join(file).exists());
        let parent = can("cgroup.kill")
            .or_else(|| can(FREEZER))
            .or(dirs.first())
            .ok_or_else(|| io::Error::other("the container has no cgroup"))?;
        let dir = parent.join(name);
        fs::create_dir(&dir)?;
        Ok(Self { dir })
    }

    /// The directories to join instead of the container's `dirs`: its own in its hierarchy.
    pub fn directories(&self, dirs: &[PathBuf]) -> Vec<PathBuf> {
        let parent = self.dir.parent();
        dirs.iter()
            .map(|dir| match parent == Some(dir) {
                true => self.dir.clone(),
                false => dir.clone(),
            })
            .collect()
    }

    /// Sends SIGKILL to every member. On v1 a child that is just being forked may be missed: to be
    /// repeated until `remove` succeeds.
    pub fn kill(&self) -> io::Result<()> {
        let frozen = self.dir.join(FREEZER);
        if !frozen.exists() {
            return cgroup::kill(std::slice::from_ref(&self.dir));
        }
        cgroup::write(&frozen, b"FROZEN")?;
        let killed = cgroup::kill(std::slice::from_ref(&self.dir));
        // A frozen process does not die.
        cgroup::write(&frozen, b"THAWED")?;
        killed
    }

    /// Removes it with what its members made below it; whether it is gone. It stays while it has a
    /// member.
    pub fn remove(&self) -> io::Result<bool> {
        for dir in cgroup::tree(&self.dir).iter().rev() {
            match fs::remove_dir(dir) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Ok(false),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}
