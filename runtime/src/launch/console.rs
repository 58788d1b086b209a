//! The terminal of a container: libcontainer opens it in the container's own devpts, shows it as
//! /dev/console, and sends its master through a socket that it finds by a path.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::sys::{seqpacket, terminal};

/// Longest message that comes with the master.
const LONGEST: usize = 64;

/// Where libcontainer sends the master.
#[derive(Debug)]
pub(super) struct Console {
    listener: UnixListener,
    path: PathBuf,
}

impl Console {
    /// Listens in `scratch`, which nobody else sees.
    pub(super) fn listen(scratch: &Path) -> io::Result<Self> {
        let path = scratch.join("console.sock");
        let listener = UnixListener::bind(&path)?;
        // What is to come has come when libcontainer returns; nothing here is ever waited for.
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    /// The path of the socket.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The master of the terminal that libcontainer has opened for the process `pid`, whose user
    /// becomes its owner.
    pub(super) fn master(&self, pid: i32) -> io::Result<OwnedFd> {
        let (socket, _) = self.listener.accept()?;
        let mut received = seqpacket::receive(socket.as_fd(), &mut [0; LONGEST])?;
        let master = received
            .fds
            .pop()
            .ok_or_else(|| io::Error::other("libcontainer sent no terminal"))?;
        terminal::check_master(master.as_fd())?;
        let slave = terminal::peer(master.as_fd())?;
        terminal::give_to(slave.as_fd(), user(pid)?)?;
        Ok(master)
    }
}

/// The user that a process runs as, in this process's numbers.
fn user(pid: i32) -> io::Result<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other("a process without a user"))
}
