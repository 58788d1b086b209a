//! What clients ask for.

use std::os::fd::{AsFd, OwnedFd};

use super::container::Phase;
use super::protocol::{Reply, Request};
use super::server::Monitor;
use super::source::{Role, Source};
use super::wire;
use crate::model::ContainerId;
use crate::sys::process;

impl Monitor {
    /// Reads the request of a connection and does it, now or in the course of events.
    pub(super) fn on_request(&mut self, key: u64, socket: OwnedFd) {
        let message = match wire::receive::<Request>(socket.as_fd()) {
            Ok(Some(message)) => message,
            // It closed without asking.
            Ok(None) => {
                return self.release(&Source::Connection {
                    socket,
                    role: Role::Fresh,
                });
            }
            Err(error) => {
                let message = format!("the request cannot be understood: {error}");
                self.sources.insert(
                    key,
                    Source::Connection {
                        socket,
                        role: Role::Fresh,
                    },
                );
                return self.answer(key, &Reply::Failed { message });
            }
        };
        let role = match &message.body {
            Request::Exec(_) => Role::Exec,
            Request::Attach(_) => Role::Attachment,
            Request::Subscribe => Role::Subscriber,
            _ => Role::Waiting,
        };
        self.sources
            .insert(key, Source::Connection { socket, role });
        if let Some(reply) = self.carry_out(key, message.body, message.fds) {
            self.answer(key, &reply);
        }
    }

    /// The answer, unless it comes later.
    fn carry_out(&mut self, key: u64, request: Request, fds: Vec<OwnedFd>) -> Option<Reply> {
        match request {
            Request::State => Some(Reply::State(self.state())),
            Request::Launch(request) => self.launch(key, request).err().map(Reply::LaunchFailed),
            Request::Signal {
                container_id,
                signal,
            } => Some(self.signal(&container_id, signal)),
            Request::Kill { container_id } => Some(self.kill(&container_id)),
            Request::ReopenLog { container_id } => Some(self.reopen_log(&container_id)),
            Request::Forget { container_id } => Some(self.forget(&container_id)),
            Request::Exec(call) => self.exec(key, &call, fds).err(),
            Request::Attach(call) => self.attach(key, call, fds).err(),
            Request::Subscribe => {
                self.subscribe(key);
                None
            }
            Request::Shutdown => {
                self.begin_shutdown(Some(key));
                None
            }
        }
    }

    fn signal(&mut self, id: &ContainerId, signal: i32) -> Reply {
        let Some(container) = self.containers.get(id) else {
            return no_container(id);
        };
        match &container.phase {
            Phase::Running { pidfd, .. } => match process::signal(pidfd.as_fd(), signal) {
                Ok(()) => Reply::Done,
                Err(error) => Reply::Failed {
                    message: format!("signal {signal}: {error}"),
                },
            },
            Phase::Launching { .. } => Reply::Failed {
                message: format!("container {id} is being launched"),
            },
            // It ended on its way here: a signal that comes too late is no error.
            Phase::Draining { .. } | Phase::Exited { .. } => Reply::Done,
        }
    }

    fn kill(&mut self, id: &ContainerId) -> Reply {
        if !self.containers.contains_key(id) {
            return no_container(id);
        }
        self.kill_container(id);
        Reply::Done
    }

    fn reopen_log(&mut self, id: &ContainerId) -> Reply {
        let Some(container) = self.containers.get_mut(id) else {
            return no_container(id);
        };
        // Once it has ended its log is complete, and a new file would only stay empty.
        if !container.is_active() {
            return not_running(id);
        }
        match container.log.reopen() {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Failed {
                message: format!("reopening the log file: {error}"),
            },
        }
    }

    fn forget(&mut self, id: &ContainerId) -> Reply {
        match self.containers.get(id) {
            None => return no_container(id),
            Some(container) if container.is_active() => {
                return Reply::Failed {
                    message: format!("container {id} has not ended"),
                };
            }
            Some(_) => {}
        }
        match self.surroundings.exits.remove(id) {
            Ok(()) => {
                self.containers.remove(id);
                Reply::Done
            }
            Err(error) => Reply::Failed {
                message: format!("removing the exit record: {error}"),
            },
        }
    }

    fn subscribe(&mut self, key: u64) {
        if !self.tell(key, &Reply::Done) {
            self.close(key);
        }
    }
}

/// The answer to a request for a container that there is not.
pub(super) fn no_container(id: &ContainerId) -> Reply {
    Reply::NoContainer {
        message: format!("the sandbox has no container {id}"),
    }
}

/// The answer to a request that only a container that runs can fulfil.
pub(super) fn not_running(id: &ContainerId) -> Reply {
    Reply::NoContainer {
        message: format!("container {id} is not running"),
    }
}
