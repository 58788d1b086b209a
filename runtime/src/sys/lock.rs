//! Advisory locks that say whether a process lives.
//!
//! The lock belongs to the open file description: a child that inherits the descriptor holds it
//! after its parent has died, and the kernel lets go of it with the last copy.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Takes the lock at `path`, creating the file; `WouldBlock` when another process holds it.
pub fn acquire(path: &Path) -> io::Result<OwnedFd> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file.into())
}

/// Whether some process holds the lock at `path`; a missing file is held by nobody.
pub fn is_held(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match flock(file.as_fd(), FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_its_last_descriptor_closes() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("lock");
        assert!(!is_held(&path).expect("a missing lock is free"));
        let lock = acquire(&path).expect("a free lock");
        let copy = lock.try_clone().expect("a second descriptor");
        drop(lock);
        assert!(is_held(&path).expect("the lock file"));
        assert_eq!(
            acquire(&path).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(copy);
        assert!(!is_held(&path).expect("the lock file"));
    }
}
