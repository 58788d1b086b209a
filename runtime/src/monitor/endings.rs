//! What ends: launches, processes, containers, pause, the monitor's own time.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::container::{DRAIN, Phase};
use super::launcher::LaunchReport;
use super::protocol::{ExitRecord, LaunchFailure, LaunchStage, Launched, MonitorEvent, Reply};
use super::server::{Fate, Monitor, SHUTDOWN, Source, Stopping, kill_session, now};
use super::wire;
use crate::model::ContainerId;
use crate::sys::process::{self, Reaped};
use crate::sys::{cgroup, signal};

impl Monitor {
    /// SIGCHLD: children have ended. SIGTERM: leave as if asked to.
    pub(super) fn on_signals(&mut self, signals: BorrowedFd<'_>) -> Fate {
        if signal::read(signals).contains(&libc::SIGTERM) {
            self.begin_shutdown(None);
        }
        while let Some(reaped) = process::reap() {
            self.on_reaped(reaped);
        }
        let is_unsettled = |phase: &Phase| matches!(phase, Phase::Launching { .. });
        if self.execs.values().all(|exec| exec.child.is_some())
            && !self
                .containers
                .values()
                .any(|container| is_unsettled(&container.phase))
        {
            self.strays.clear();
        }
        Fate::Stays
    }

    /// podling-launch has reported, or is gone without a word.
    pub(super) fn on_launch_report(&mut self, socket: BorrowedFd<'_>, id: &ContainerId) -> Fate {
        let report = match wire::receive::<LaunchReport>(socket) {
            Ok(Some(message)) => message.body,
            Ok(None) | Err(_) => {
                LaunchReport::Failed(launch_failure("podling-launch ended without a report"))
            }
        };
        match report {
            LaunchReport::Started { pid } => self.on_started(id, pid),
            LaunchReport::Failed(failure) => self.fail_launch(id, failure),
        }
        Fate::Ends
    }

    /// Kills everything; the loop ends when it is gone.
    pub(super) fn begin_shutdown(&mut self, asked_by: Option<u64>) {
        let deadline = Instant::now() + SHUTDOWN;
        let stopping = self.stopping.get_or_insert_with(|| Stopping {
            asked_by: Vec::new(),
            deadline,
        });
        stopping.asked_by.extend(asked_by);
        for exec in self.execs.values() {
            if let Some(child) = &exec.child {
                kill_session(child);
            }
        }
        let ids: Vec<ContainerId> = self.containers.keys().cloned().collect();
        for id in &ids {
            self.kill_container(id);
        }
        if let Some(pause) = &self.pause {
            let _ = process::kill(pause.pidfd.as_fd());
        }
    }

    /// SIGKILL to everything in a container, in whatever phase.
    pub(super) fn kill_container(&mut self, id: &ContainerId) {
        let Some(container) = self.containers.get(id) else {
            return;
        };
        match &container.phase {
            Phase::Launching { helper, .. } => {
                let _ = process::kill(helper.pidfd.as_fd());
            }
            Phase::Running { pidfd, .. } => {
                let _ = process::kill(pidfd.as_fd());
            }
            Phase::Draining { .. } | Phase::Exited { .. } => {}
        }
        if let Err(error) = cgroup::kill(&container.cgroup_dirs) {
            eprintln!("killing what is in {id}: {error}");
        }
    }

    /// What is due without anything having happened.
    pub(super) fn on_deadlines(&mut self, at: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= at);
        let due: Vec<ContainerId> = self
            .containers
            .values()
            .filter(|container| is_due(container.deadline()))
            .map(|container| container.id.clone())
            .collect();
        for id in due {
            match self
                .containers
                .get_mut(&id)
                .map(|container| &mut container.phase)
            {
                Some(Phase::Launching { .. }) => {
                    self.kill_container(&id);
                    self.fail_launch(&id, launch_failure("podling-launch did not end in time"));
                }
                Some(Phase::Draining { .. }) => self.cut_streams(&id),
                Some(Phase::Exited { record, retry }) => {
                    let record = record.clone();
                    *retry = None;
                    self.save(record);
                }
                Some(Phase::Running { .. }) | None => {}
            }
        }
    }

    /// Announces the exit of a container that drains, once its streams have ended.
    pub(super) fn announce_if_drained(&mut self, id: &ContainerId) {
        let Some(container) = self.containers.get_mut(id) else {
            return;
        };
        let Phase::Draining { record, .. } = &container.phase else {
            return;
        };
        if container.open_streams > 0 {
            return;
        }
        let mut record = record.clone();
        record.log_lines_lost = container.log.lost();
        container.settle();
        self.save(record.clone());
        self.publish(&MonitorEvent::ContainerExited(record));
    }

    fn save(&mut self, record: ExitRecord) {
        let saved = self.surroundings.exits.write(&record);
        if let Err(error) = &saved {
            eprintln!(
                "writing the exit record of {}: {error}",
                record.container_id
            );
        }
        if let Some(container) = self.containers.get_mut(&record.container_id) {
            container.phase = Phase::exited(record, &saved, Instant::now());
        }
    }

    fn on_reaped(&mut self, reaped: Reaped) {
        if self
            .pause
            .as_ref()
            .is_some_and(|pause| pause.pid == reaped.pid)
        {
            self.pause = None;
            self.publish(&MonitorEvent::PauseExited);
            return;
        }
        if let Some(id) = self.container_of(reaped.pid) {
            return self.on_container_ended(&id, reaped);
        }
        if let Some(id) = self.launch_of(reaped.pid) {
            return self.on_helper_ended(&id);
        }
        let of_exec = self
            .execs
            .iter()
            .find_map(|(key, exec)| (exec.child.as_ref()?.pid == reaped.pid).then_some(*key));
        match of_exec {
            Some(key) => self.on_exec_ended(key, reaped.code),
            None => self.strays.push(reaped),
        }
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

    fn on_container_ended(&mut self, id: &ContainerId, reaped: Reaped) {
        let Some(container) = self.containers.get(id) else {
            return;
        };
        if let Phase::Running { started_at, .. } = container.phase {
            self.begin_drain(id, reaped, started_at);
        }
    }

    /// The first process has ended. What it left behind in its cgroup (there can be something only
    /// if the pid namespace is not its own) ends now too.
    fn begin_drain(&mut self, id: &ContainerId, reaped: Reaped, started_at: i64) {
        let Some(container) = self.containers.get_mut(id) else {
            return;
        };
        let record = ExitRecord {
            container_id: id.clone(),
            pid: reaped.pid,
            started_at,
            finished_at: now(),
            code: reaped.code,
            oom_killed: cgroup::oom_kills(&container.cgroup_dirs) > 0,
            log_lines_lost: 0,
        };
        if let Err(error) = cgroup::kill(&container.cgroup_dirs) {
            eprintln!("killing what is left in {id}: {error}");
        }
        container.phase = Phase::Draining {
            record,
            deadline: Instant::now() + DRAIN,
        };
        self.drain(id);
        self.announce_if_drained(id);
    }

    /// podling-launch has ended; what it reported may still be unread.
    fn on_helper_ended(&mut self, id: &ContainerId) {
        let report = self.sources.iter().find_map(|(key, source)| match source {
            Source::LaunchReport { container, .. } if container == id => Some(*key),
            _ => None,
        });
        if let Some(key) = report {
            self.on_ready(key);
        }
    }

    fn fail_launch(&mut self, id: &ContainerId, failure: LaunchFailure) {
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

    pub(super) fn take_stray(&mut self, pid: i32) -> Option<Reaped> {
        let at = self.strays.iter().position(|stray| stray.pid == pid)?;
        Some(self.strays.swap_remove(at))
    }

    fn container_of(&self, reaped: i32) -> Option<ContainerId> {
        self.containers
            .values()
            .find_map(|container| match container.phase {
                Phase::Running { pid, .. } if pid == reaped => Some(container.id.clone()),
                _ => None,
            })
    }

    fn launch_of(&self, reaped: i32) -> Option<ContainerId> {
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
