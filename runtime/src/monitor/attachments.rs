//! Clients that see what a container prints, and write to its stdin.
//!
//! ```text
//! container ──► pipe or terminal ──► log
//!                                └──► a pipe of every client ──► the daemon
//! container's stdin ◄─────────────────────────────────────────── the daemon, directly
//! ```
//!
//! The log comes first, and nobody is waited for: a client whose pipe is full is cut off.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::container::{Container, Input, Phase};
use super::protocol::{AttachCall, Detached, Reply, Stream};
use super::requests::{no_container, not_running};
use super::server::Monitor;
use crate::model::ContainerId;

/// How much of a container's output may wait for a client; the most that the kernel grants without
/// privileges. Only what waits takes memory.
const BACKLOG: usize = 1 << 20;

/// One client.
#[derive(Debug)]
pub(super) struct Attachment {
    container: ContainerId,
    outputs: Vec<(Stream, OwnedFd)>,
}

/// What a client gets beside output.
#[derive(Debug, Default)]
struct Given {
    /// The terminal's master, or the pipe to stdin.
    fd: Option<OwnedFd>,
    terminal: bool,
    stdin: bool,
}

impl Monitor {
    /// Connects a client to the streams of a container.
    pub(super) fn attach(
        &mut self,
        key: u64,
        call: AttachCall,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Reply> {
        let id = &call.container_id;
        let Some(container) = self.containers.get_mut(id) else {
            return Err(no_container(id));
        };
        if !matches!(container.phase, Phase::Running { .. }) {
            return Err(not_running(id));
        }
        let failed = |error: io::Error| Reply::Failed {
            message: format!("attaching to container {id}: {error}"),
        };
        let outputs = outputs(&call.outputs, fds).map_err(failed)?;
        let given = container.give(call.stdin).map_err(failed)?;
        let reply = Reply::Attached {
            terminal: given.terminal,
            stdin: given.stdin,
        };
        let fds: Vec<BorrowedFd<'_>> = given.fd.iter().map(AsFd::as_fd).collect();
        if self.tell_with(key, &reply, &fds) {
            let container = call.container_id;
            self.attachments
                .insert(key, Attachment { container, outputs });
        } else {
            self.close(key);
        }
        Ok(())
    }

    /// Copies what a container has printed to every client that wants it.
    pub(super) fn copy_to_clients(&mut self, id: &ContainerId, stream: Stream, chunk: &[u8]) {
        let mut slow = Vec::new();
        for (key, attachment) in &self.attachments {
            let mut outputs = attachment.outputs.iter();
            let wanted = outputs.find(|(output, _)| *output == stream);
            if let (true, Some((_, pipe))) = (attachment.container == *id, wanted)
                && !matches!(rustix::io::write(pipe, chunk), Ok(count) if count == chunk.len())
            {
                slow.push(*key);
            }
        }
        for key in slow {
            self.detach(key, Detached::TooSlow);
        }
    }

    /// Ends every attachment of a container.
    pub(super) fn detach_all(&mut self, id: &ContainerId) {
        let of = self.attachments.iter();
        let keys: Vec<u64> = of
            .filter(|(_, attachment)| attachment.container == *id)
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.detach(key, Detached::ContainerEnded);
        }
    }

    fn detach(&mut self, key: u64, why: Detached) {
        self.attachments.remove(&key);
        self.answer(key, &Reply::Detached(why));
    }
}

impl Container {
    /// What a client gets, with a way to write if it asks for one and there is one.
    fn give(&mut self, wants_stdin: bool) -> io::Result<Given> {
        if let Some(terminal) = &self.terminal {
            return Ok(Given {
                fd: Some(terminal.master.try_clone()?),
                terminal: true,
                stdin: wants_stdin && matches!(self.input, Input::Terminal),
            });
        }
        if !wants_stdin {
            return Ok(Given::default());
        }
        let fd = match std::mem::replace(&mut self.input, Input::Closed) {
            Input::Once(pipe) => Some(pipe),
            Input::Pipe(pipe) => {
                let copy = pipe.try_clone();
                self.input = Input::Pipe(pipe);
                Some(copy?)
            }
            Input::Terminal | Input::Closed => None,
        };
        Ok(Given {
            stdin: fd.is_some(),
            terminal: false,
            fd,
        })
    }
}

/// The pipes of a client, ready to be written to without waiting.
fn outputs(streams: &[Stream], fds: Vec<OwnedFd>) -> io::Result<Vec<(Stream, OwnedFd)>> {
    if streams.len() != fds.len() {
        return Err(io::Error::other("streams and descriptors do not match"));
    }
    for pipe in &fds {
        rustix::io::ioctl_fionbio(pipe, true)?;
        // Where the machine grants less, it stays as it is.
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, BACKLOG);
    }
    Ok(streams.iter().copied().zip(fds).collect())
}
