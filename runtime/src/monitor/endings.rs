//! What ends: processes, containers, pause, the monitor's own time.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::container::{DRAIN, Input, Phase};
use super::execs::Exec;
use super::launches::launch_failure;
use super::protocol::{ExitRecord, MonitorEvent};
use super::server::{Monitor, SHUTDOWN, Stopping, now};
use super::source::Fate;
use crate::model::ContainerId;
use crate::sys::process::{self, Reaped};
use crate::sys::subgroup::Subgroup;
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
        if self.execs.values().all(Exec::is_settled)
            && !self
                .containers
                .values()
                .any(|container| is_unsettled(&container.phase))
        {
            self.strays.clear();
        }
        Fate::Stays
    }

    /// Kills everything; the loop ends when it is gone.
    pub(super) fn begin_shutdown(&mut self, asked_by: Option<u64>) {
        let deadline = Instant::now() + SHUTDOWN;
        let stopping = self.stopping.get_or_insert_with(|| Stopping {
            asked_by: Vec::new(),
            deadline,
        });
        stopping.asked_by.extend(asked_by);
        self.end_execs();
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
            Phase::Launching { helper, group, .. } => {
                let _ = process::kill(helper.pidfd.as_fd());
                // Whatever is left is ended once the launch is over.
                let _ = group.as_ref().map(Subgroup::kill);
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
        self.on_exec_deadlines(at);
        self.on_launch_groups(at);
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
        self.detach_all(id);
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
        if !self.on_exec_child_ended(reaped) {
            self.strays.push(reaped);
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
    pub(super) fn begin_drain(&mut self, id: &ContainerId, reaped: Reaped, started_at: i64) {
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
        // Its terminal can only be read to the end once nobody has the slave open.
        container.terminal = None;
        container.input = Input::Closed;
        container.phase = Phase::Draining {
            record,
            deadline: Instant::now() + DRAIN,
        };
        self.drain(id);
        self.announce_if_drained(id);
    }

    /// A child that ended before anybody said what it is.
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
}
