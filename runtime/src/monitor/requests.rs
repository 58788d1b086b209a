//! What clients ask for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use super::confine;
use super::container::{Container, LAUNCH, Phase};
use super::endings::launch_failure;
use super::exec::{self, Report, Target};
use super::execs::exec_failure;
use super::launcher;
use super::log::{Lines, LogFile};
use super::protocol::{
    ExecCall, ExecFailure, LaunchFailure, LaunchRequest, Reply, Request, Stream,
};
use super::server::{Exec, Monitor, Role, Source};
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

    fn launch(&mut self, key: u64, request: LaunchRequest) -> Result<(), LaunchFailure> {
        let id = request.container_id.clone();
        if self.stopping.is_some() {
            return Err(launch_failure("the sandbox is being stopped"));
        }
        if self.containers.contains_key(&id) {
            return Err(launch_failure(&format!(
                "container {id} was launched before"
            )));
        }
        if request.tty {
            return Err(launch_failure(
                "terminals (tty: true) are not supported yet",
            ));
        }
        let attempt = |what: &str, error: io::Error| launch_failure(&format!("{what}: {error}"));
        let log = LogFile::open(request.log_path.as_deref())
            .map_err(|error| attempt("opening the log file", error))?;
        let launch = launcher::start(self.surroundings.launch.as_fd(), &request)
            .map_err(|error| attempt("starting podling-launch", error))?;
        let phase = Phase::Launching {
            helper: launch.helper,
            deadline: Instant::now() + LAUNCH,
            asked_by: key,
        };
        let container = Container {
            id: id.clone(),
            bundle: request.bundle,
            cgroup_dirs: request.cgroup_dirs,
            log,
            open_streams: launch.outputs.len(),
            stdin: launch.stdin,
            phase,
        };
        self.containers.insert(id.clone(), container);
        let watched = self.watch_launch(&id, launch.outputs, launch.report);
        if let Err(error) = watched {
            self.kill_container(&id);
            self.drop_streams(&id);
            self.containers.remove(&id);
            return Err(attempt("watching podling-launch", error));
        }
        Ok(())
    }

    fn watch_launch(
        &mut self,
        id: &ContainerId,
        outputs: [OwnedFd; 2],
        report: OwnedFd,
    ) -> io::Result<()> {
        for (pipe, stream) in outputs.into_iter().zip([Stream::Stdout, Stream::Stderr]) {
            let lines = Lines::new(stream);
            self.watch(Source::Output {
                pipe,
                container: id.clone(),
                lines,
            })?;
        }
        self.watch(Source::LaunchReport {
            socket: report,
            container: id.clone(),
        })?;
        Ok(())
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

    fn exec(&mut self, key: u64, call: &ExecCall, fds: Vec<OwnedFd>) -> Result<(), Reply> {
        let id = &call.request.container_id;
        let Some(container) = self.containers.get(id) else {
            return Err(no_container(id));
        };
        let Phase::Running { pid, pidfd, .. } = &container.phase else {
            let message = format!("container {id} is not running");
            return Err(Reply::NoContainer { message });
        };
        let target = Target {
            pidfd: pidfd.as_fd(),
            pid: *pid,
            cgroup_dirs: &container.cgroup_dirs,
            bundle: &container.bundle,
            host_proc: self.surroundings.host_proc.as_fd(),
        };
        let started = begin_exec(&target, call, fds).map_err(Reply::ExecFailed)?;
        let exec = Exec {
            child: None,
            is_announced: false,
            code: None,
        };
        self.execs.insert(key, exec);
        let source = Source::ExecReport {
            pipe: started.report,
            exec: key,
            report: Report::default(),
        };
        self.watch(source).map_err(|error| {
            let _ = process::kill(started.helper.pidfd.as_fd());
            self.execs.remove(&key);
            Reply::ExecFailed(exec_failure(&format!("watching the process: {error}")))
        })?;
        Ok(())
    }
}

fn begin_exec(
    target: &Target<'_>,
    call: &ExecCall,
    fds: Vec<OwnedFd>,
) -> Result<exec::Started, ExecFailure> {
    if call.request.tty {
        return Err(exec_failure("terminals (tty: true) are not supported yet"));
    }
    if call.streams.len() != fds.len() {
        return Err(exec_failure("streams and descriptors do not match"));
    }
    let mut given = [None, None, None];
    for (stream, fd) in call.streams.iter().zip(fds) {
        given[*stream as usize] = Some(fd);
    }
    let streams =
        confine::all_streams(given).map_err(|error| confine::failed("standard streams", &error))?;
    exec::start(target, &call.request.process, &streams)
}

fn no_container(id: &ContainerId) -> Reply {
    Reply::NoContainer {
        message: format!("the sandbox has no container {id}"),
    }
}
