//! Launches: from the request to a container that runs, or to the failure.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::container::{Container, LAUNCH, Phase};
use super::launcher::{self, LaunchReport};
use super::log::{Lines, LogFile};
use super::protocol::{LaunchFailure, LaunchRequest, LaunchStage, Launched, Reply, Stream};
use super::server::{Monitor, Surroundings, now};
use super::source::{Fate, Source};
use super::wire;
use crate::model::ContainerId;
use crate::sys::terminal::{self, Terminal};
use crate::sys::{cgroup, process};

impl Monitor {
    /// Begins a launch; the answer comes later.
    pub(super) fn launch(&mut self, key: u64, request: LaunchRequest) -> Result<(), LaunchFailure> {
        let id = request.container_id.clone();
        if self.stopping.is_some() {
            return Err(launch_failure("the sandbox is being stopped"));
        }
        if self.containers.contains_key(&id) {
            return Err(launch_failure(&format!(
                "container {id} was launched before"
            )));
        }
        let attempt = |what: &str, error: io::Error| launch_failure(&format!("{what}: {error}"));
        let log = LogFile::open(request.log_path.as_deref())
            .map_err(|error| attempt("opening the log file", error))?;
        let Surroundings {
            launch,
            host_mounts,
            ..
        } = &self.surroundings;
        let launch = launcher::start(launch.as_fd(), host_mounts.as_fd(), &request)
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
            open_streams: 0,
            input: launch.input,
            terminal: None,
            subgroups: Vec::new(),
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
        outputs: Vec<(Stream, OwnedFd)>,
        report: OwnedFd,
    ) -> io::Result<()> {
        for (stream, pipe) in outputs {
            self.watch_output(id, stream, pipe)?;
        }
        self.watch(Source::LaunchReport {
            socket: report,
            container: id.clone(),
        })?;
        Ok(())
    }

    fn watch_output(&mut self, id: &ContainerId, stream: Stream, pipe: OwnedFd) -> io::Result<()> {
        self.watch(Source::Output {
            pipe,
            container: id.clone(),
            stream,
            lines: Lines::new(stream),
        })?;
        if let Some(container) = self.containers.get_mut(id) {
            container.open_streams += 1;
        }
        Ok(())
    }

    /// podling-launch has reported, or is gone without a word.
    pub(super) fn on_launch_report(&mut self, socket: BorrowedFd<'_>, id: &ContainerId) -> Fate {
        let (report, fds) = match wire::receive::<LaunchReport>(socket) {
            Ok(Some(message)) => (message.body, message.fds),
            Ok(None) | Err(_) => {
                let failure = launch_failure("podling-launch ended without a report");
                (LaunchReport::Failed(failure), Vec::new())
            }
        };
        match report {
            LaunchReport::Started { pid } => {
                let taken = fds
                    .into_iter()
                    .try_for_each(|master| self.take_terminal(id, master));
                match taken {
                    Ok(()) => self.on_started(id, pid),
                    Err(error) => {
                        let message = format!("the container's terminal: {error}");
                        self.fail_launch(id, launch_failure(&message));
                    }
                }
            }
            LaunchReport::Failed(failure) => self.fail_launch(id, failure),
        }
        Fate::Ends
    }

    /// What a terminal shows goes to the log as stdout.
    fn take_terminal(&mut self, id: &ContainerId, master: OwnedFd) -> io::Result<()> {
        terminal::check_master(master.as_fd())?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let slave = terminal::peer(master.as_fd())?;
        let shown = master.try_clone()?;
        self.watch_output(id, Stream::Stdout, shown)?;
        if let Some(container) = self.containers.get_mut(id) {
            container.terminal = Some(Terminal { master, slave });
        }
        Ok(())
    }

    fn on_started(&mut self, id: &ContainerId, pid: i32) {
        let ended = self.take_stray(pid);
        let Some(container) = self.containers.get_mut(id) else {
            return;
        };
        let Phase::Launching { asked_by, .. } = container.phase else {
            return;
        };
        let started_at = now();
        let pidfd = match process::open(pid) {
            Ok(pidfd) => Some(pidfd),
            Err(_) if ended.is_some() => None,
            Err(error) => {
                let message = format!("the container's process {pid} cannot be watched: {error}");
                return self.fail_launch(id, launch_failure(&message));
            }
        };
        match pidfd {
            Some(pidfd) if ended.is_none() => {
                container.phase = Phase::Running {
                    pid,
                    pidfd,
                    started_at,
                };
            }
            _ => {}
        }
        self.answer(asked_by, &Reply::Launched(Launched { pid, started_at }));
        if let Some(reaped) = ended {
            self.begin_drain(id, reaped, started_at);
        }
    }

    /// podling-launch has ended; what it reported may still be unread.
    pub(super) fn on_helper_ended(&mut self, id: &ContainerId) {
        let report = self.sources.iter().find_map(|(key, source)| match source {
            Source::LaunchReport { container, .. } if container == id => Some(*key),
            _ => None,
        });
        if let Some(key) = report {
            self.on_ready(key);
        }
    }

    /// Undoes a launch.
    pub(super) fn fail_launch(&mut self, id: &ContainerId, failure: LaunchFailure) {
        self.drop_streams(id);
        let Some(container) = self.containers.remove(id) else {
            return;
        };
        if let Err(error) = cgroup::kill(&container.cgroup_dirs) {
            eprintln!("killing what is left of {id}: {error}");
        }
        if let Phase::Launching { asked_by, .. } = container.phase {
            self.answer(asked_by, &Reply::LaunchFailed(failure));
        }
    }

    /// The container whose launch this child is.
    pub(super) fn launch_of(&self, reaped: i32) -> Option<ContainerId> {
        self.containers
            .values()
            .find_map(|container| match &container.phase {
                Phase::Launching { helper, .. } if helper.pid == reaped => {
                    Some(container.id.clone())
                }
                _ => None,
            })
    }
}

/// A failure of the monitor's part of a launch.
pub(super) fn launch_failure(message: &str) -> LaunchFailure {
    LaunchFailure {
        stage: LaunchStage::Request,
        message: message.to_owned(),
        code: 128,
    }
}
