//! Network namespaces: work done inside one without moving the caller.
//!
//! A thread that fails to move back from a namespace would do everybody else's work in the wrong
//! one, so nobody moves back: a thread is started for the work and ends with it.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// The network namespace of the calling thread.
pub fn current() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
}

/// A new network namespace that lives as long as the returned descriptor (or anything in it).
pub fn create() -> io::Result<OwnedFd> {
    in_a_thread(|| {
        // SAFETY: a network namespace shares nothing with memory or descriptors of this process.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
        current()
    })?
}

/// Does `work` in `netns`, on a thread of its own.
pub fn within<T: Send>(netns: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    in_a_thread(|| {
        move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?;
        Ok(work())
    })?
}

fn in_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .stack_size(256 * 1024)
            .spawn_scoped(scope, work)?;
        thread
            .join()
            .map_err(|_| io::Error::other("the thread in the network namespace panicked"))
    })
}
