//! Cgroups as a member sees them: join, kill what is inside, count OOM kills.
//!
//! Directories are made and limited by the daemon. A container's directories are one of every v1
//! hierarchy, or the single one of v2. On v1 a process joins by writing `0` to `tasks`: a pid in
//! `cgroup.procs` costs 7 ms of waiting for a grace period, this 0.03 ms.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::process;

/// The `cgroup2` directory among `dirs`, when that is the only hierarchy.
pub fn unified(dirs: &[PathBuf]) -> io::Result<Option<OwnedFd>> {
    let [dir] = dirs else { return Ok(None) };
    if dir.join("tasks").exists() {
        return Ok(None);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(Some(rustix::fs::open(dir, flags, Mode::empty())?))
}

/// Moves this process, which has one thread, into every one of `dirs`.
pub fn join(dirs: &[PathBuf]) -> io::Result<()> {
    for dir in dirs {
        match write(&dir.join("tasks"), b"0") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write(&dir.join("cgroup.procs"), b"0")?;
            }
            result => result?,
        }
    }
    Ok(())
}

/// Sends SIGKILL to everything in the cgroup and below it.
///
/// Without `cgroup.kill` (v1), the members are killed one by one until none is left that has not
/// been: a process with SIGKILL pending cannot fork, so this ends.
pub fn kill(dirs: &[PathBuf]) -> io::Result<()> {
    let Some(dir) = dirs.first() else {
        return Ok(());
    };
    match write(&dir.join("cgroup.kill"), b"1") {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut killed: Vec<i32> = Vec::new();
    loop {
        let fresh: Vec<i32> = members(dir)?
            .into_iter()
            .filter(|pid| !killed.contains(pid))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        for pid in fresh {
            if let Ok(pidfd) = process::open(pid) {
                // Between the reading and the opening the pid may have become another's.
                if members(dir)?.contains(&pid) {
                    process::kill(std::os::fd::AsFd::as_fd(&pidfd))?;
                }
            }
            killed.push(pid);
        }
    }
}

/// How many times the OOM killer has struck in the cgroup and below it.
///
/// The kernel counts before it sends the signal: whoever has seen the victim's end sees the count.
/// v2 counts what is below in `memory.events`; v1 counts each cgroup for itself.
pub fn oom_kills(dirs: &[PathBuf]) -> u64 {
    let count = |path: PathBuf| oom_kill_line(&fs::read_to_string(path).ok()?);
    if let Some(kills) = dirs.iter().find_map(|dir| count(dir.join("memory.events"))) {
        return kills;
    }
    let below = |dir: &PathBuf| -> u64 {
        let counts = tree(dir).into_iter();
        counts
            .filter_map(|dir| count(dir.join("memory.oom_control")))
            .sum()
    };
    let has_counter = |dir: &&PathBuf| dir.join("memory.oom_control").exists();
    dirs.iter().find(has_counter).map_or(0, below)
}

/// A cgroup directory and all below it, outermost first; what cannot be read is left out.
pub(super) fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut at = 0;
    while let Some(dir) = found.get(at) {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        let below: Vec<PathBuf> = entries.filter(is_dir).map(|entry| entry.path()).collect();
        found.extend(below);
        at += 1;
    }
    found
}

fn oom_kill_line(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

fn members(dir: &Path) -> io::Result<Vec<i32>> {
    let mut members = Vec::new();
    for dir in tree(dir) {
        members.extend(direct_members(&dir)?);
    }
    Ok(members)
}

fn direct_members(dir: &Path) -> io::Result<Vec<i32>> {
    match fs::read_to_string(dir.join("cgroup.procs")) {
        // What another pid namespace hides is given as 0.
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter(|pid| *pid > 0)
            .collect()),
        // The cgroup is gone, and with it everything that was inside.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Writes to a file that exists.
pub(super) fn write(path: &Path, what: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| named(path, &errno.into()))?;
    rustix::io::write(&file, what).map_err(|errno| named(path, &errno.into()))?;
    Ok(())
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oom_kills_are_read_from_v1_and_v2_files() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let v2 = "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(oom_kill_line(v1), Some(3));
        assert_eq!(oom_kill_line(v2), Some(1));
        assert_eq!(oom_kill_line("oom_kill_disable 0\n"), None);
    }
}
