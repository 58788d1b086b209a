//! Launches: from the request to a container that runs, or to the failure.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

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
    pub(super) fn launch(
        &mut self,
        key: u64,
        mut request: LaunchRequest,
    ) -> Result<(), LaunchFailure> {
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
        let group = self
            .make_launch_group(&mut request)
            .map_err(|error| attempt("making a cgroup for the OCI runtime", error))?;
        let Surroundings {
            launch,
            host_mounts,
            ..
        } = &self.surroundings;
        let launch = match launcher::start(launch.as_fd(), host_mounts.as_fd(), &request) {
            Ok(launch) => launch,
            Err(error) => {
                self.end_launch_group(group);
                return Err(attempt("starting podling-launch", error));
            }
        };
        let phase = Phase::Launching {
            helper: launch.helper,
            deadline: Instant::now() + time_limit(&request),
            asked_by: key,
            group,
        };
        let oci_state = request.oci.as_ref();
        let oci_state = oci_state.map(|oci| oci.state.join(id.as_str()));
        let container = Container {
            id: id.clone(),
            bundle: request.bundle,
            cgroup_dirs: request.cgroup_dirs,
            log,
            open_streams: 0,
            input: launch.input,
            terminal: None,
            subgroups: Vec::new(),
            oci_state,
            phase,
        };
        self.containers.insert(id.clone(), container);
        let watched = self.watch_launch(&id, launch.outputs, launch.report);
        if let Err(error) = watched {
            self.kill_container(&id);
            self.drop_streams(&id);
            if let Some(mut container) = self.containers.remove(&id) {
                self.end_launch_group(container.phase.take_group());
            }
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
        let group = container.phase.take_group();
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
        self.end_launch_group(group);
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
        let Some(mut container) = self.containers.remove(id) else {
            return;
        };
        self.end_launch_group(container.phase.take_group());
        if let Some(state) = &container.oci_state
            && let Err(error) = remove(state)
        {
            eprintln!("removing {}: {error}", state.display());
        }
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

/// How long a launch may take: with an OCI runtime, what its commands may take besides.
fn time_limit(request: &LaunchRequest) -> Duration {
    let oci = request.oci.as_ref();
    // create, start, and delete after a failure.
    LAUNCH + oci.map_or(Duration::ZERO, |oci| oci.runtime.time_limit() * 3)
}

/// Removes a directory, if there is one.
fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
