//! Descriptors of a monitor, as streams of a session.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::unix::pipe;
use tracing::debug;

use crate::streaming::{Sink, Source, TerminalSize};
use crate::sys::terminal;

/// A descriptor to be read: a pipe or a terminal, which does not block.
pub(super) fn source(fd: OwnedFd) -> io::Result<Source> {
    // Unchecked is only that it is a pipe; whatever can be polled will do.
    Ok(Box::new(pipe::Receiver::from_owned_fd_unchecked(fd)?))
}

/// A descriptor to be written: a pipe or a terminal, which does not block.
pub(super) fn sink(fd: OwnedFd) -> io::Result<Sink> {
    Ok(Box::new(pipe::Sender::from_owned_fd_unchecked(fd)?))
}

/// Changes the size of the terminal whose master this is.
pub(super) fn resize(master: OwnedFd) -> Box<dyn Fn(TerminalSize) + Send> {
    Box::new(move |size| {
        if let Err(error) = terminal::resize(master.as_fd(), size.height, size.width) {
            debug!(%error, "a terminal was not resized");
        }
    })
}
