//! The processes in a cgroup.
//!
//! Read here and not through cgroups-rs, whose `procs` answers an unreadable file with an empty
//! list and an unreadable line with pid 0.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The processes in the directories and below them, each once.
pub(super) fn all(directories: &[PathBuf]) -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    for directory in directories {
        for folder in tree(directory)? {
            pids.extend(direct(&folder)?);
        }
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// A directory and all below it, outermost first; nothing when it does not exist.
pub(super) fn tree(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![directory.to_owned()];
    let mut at = 0;
    while let Some(folder) = folders.get(at) {
        match fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        folders.push(entry.path());
                    }
                }
                at += 1;
            }
            Err(error) if is_gone(&error) => {
                folders.remove(at);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(folders)
}

/// Sends SIGKILL to every process in the directories and below them.
///
/// A pid that was read can be another process's a moment later, so each is opened as a pidfd and
/// then looked for again: a process that is in the list and behind the pidfd is the one meant.
pub(super) fn kill(directories: &[PathBuf]) -> io::Result<()> {
    let own = rustix::process::getpid();
    let mut open = Vec::new();
    for pid in all(directories)? {
        let Some(pid) = Pid::from_raw(pid).filter(|&pid| pid != own) else {
            return Err(io::Error::other("this process itself is in the cgroup"));
        };
        if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) {
            open.push((pid, pidfd));
        }
    }
    let members = all(directories)?;
    for (pid, pidfd) in open {
        if members.contains(&pid.as_raw_pid()) {
            match pidfd_send_signal(&pidfd, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Whether an error says that the cgroup does not exist (any more).
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

/// Pids of processes that this pid namespace cannot see are given as 0, and left out.
fn direct(directory: &Path) -> io::Result<Vec<i32>> {
    match fs::read_to_string(directory.join("cgroup.procs")) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter(|&pid| pid > 0)
            .collect()),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
