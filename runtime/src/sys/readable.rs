//! Waiting for descriptors that tokio has no type of its own for.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Tells the calling runtime when `descriptor`, which must not block, can be read.
pub fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names the same open descriptor from here until it is dropped.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}
