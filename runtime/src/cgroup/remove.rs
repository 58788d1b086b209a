//! Taking a cgroup away, with what is left in it.
//!
//! Only directories are removed, and rmdir removes a cgroup only when it is empty: a wrong path
//! can do no harm. Most often nothing runs in it any more, so removing is tried before killing.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::members;

const SHORTEST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Removes the directories and all cgroups below them.
pub(super) fn remove(directories: &[PathBuf], patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let mut pause = SHORTEST_PAUSE;
    loop {
        match remove_empty(directories) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                if Instant::now() >= deadline {
                    return Err(still_busy(directories, error));
                }
            }
            result => return result,
        }
        kill(directories)?;
        // A killed process stays a member until it has run its last instructions.
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn remove_empty(directories: &[PathBuf]) -> io::Result<()> {
    let mut busy = None;
    for directory in directories {
        match remove_dir(directory) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                // Members, or cgroups that the container made below its own.
                for folder in members::tree(directory)?.iter().rev() {
                    match remove_dir(folder) {
                        Err(error) if error.kind() == ErrorKind::ResourceBusy => busy = Some(error),
                        result => result?,
                    }
                }
            }
            result => result?,
        }
    }
    busy.map_or(Ok(()), Err)
}

fn remove_dir(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if members::is_gone(&error) => Ok(()),
        result => result,
    }
}

/// Kills all members: by cgroup.kill where there is one, else while they are frozen, so that none
/// of them forks away meanwhile.
fn kill(directories: &[PathBuf]) -> io::Result<()> {
    if let [directory] = directories {
        match write(&directory.join("cgroup.kill"), "1") {
            Err(error) if members::is_gone(&error) => {}
            result => return result,
        }
    }
    let frozen = Frozen::freeze(directories)?;
    let result = members::kill(directories);
    drop(frozen);
    result
}

/// The freezer's directories, frozen until dropped.
struct Frozen(Vec<PathBuf>);

impl Frozen {
    fn freeze(directories: &[PathBuf]) -> io::Result<Self> {
        let mut frozen = Self(Vec::new());
        for directory in directories
            .iter()
            .filter(|path| path.join("freezer.state").exists())
        {
            frozen.0.extend(members::tree(directory)?);
            match write(&directory.join("freezer.state"), "FROZEN") {
                Err(error) if members::is_gone(&error) => {}
                result => result?,
            }
        }
        Ok(frozen)
    }
}

impl Drop for Frozen {
    /// Thaws also what the container froze itself: a frozen process does not die.
    fn drop(&mut self) {
        for directory in &self.0 {
            if let Err(error) = write(&directory.join("freezer.state"), "THAWED")
                && !members::is_gone(&error)
            {
                tracing::warn!(?directory, %error, "cannot thaw a cgroup");
            }
        }
    }
}

fn still_busy(directories: &[PathBuf], error: io::Error) -> io::Error {
    match members::all(directories) {
        Ok(pids) if !pids.is_empty() => {
            io::Error::new(error.kind(), format!("processes {pids:?} do not end"))
        }
        _ => error,
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(text.as_bytes())
}
