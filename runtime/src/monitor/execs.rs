//! Execs under way: from the request to the process's code.
//!
//! ```text
//! begun ──► forked ──► announced ──► ended: what it left running stays
//!   └──────────┴───────────┴──► killing (its client has left): until its cgroup is empty
//! ```
//!
//! Each has a cgroup of its own below the container's, because a process can leave its parent, its
//! group and its session, but not its cgroup.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::confine;
use super::container::Phase;
use super::exec::{self, Report, Stdio, Target};
use super::exec_ends::{HANGUP, Killing};
use super::protocol::{ExecCall, ExecFailure, Reply};
use super::requests::{no_container, not_running};
use super::server::Monitor;
use super::source::{Fate, Source};
use crate::model::ContainerId;
use crate::sys::process::{self, Child, Reaped};
use crate::sys::subgroup::Subgroup;

/// One process that was asked for by `Exec`, and what it has started.
#[derive(Debug)]
pub(super) struct Exec {
    /// The container that it runs in.
    pub(super) container: ContainerId,
    /// Where it runs; nowhere of its own if that could not be made.
    pub(super) group: Option<Subgroup>,
    /// The helper, until it was waited for.
    pub(super) helper: Option<Child>,
    /// Pid of the process, once known.
    pid: Option<i32>,
    /// The process, until it was waited for.
    pub(super) process: Option<Child>,
    /// Whether helper and process have nothing more to report.
    has_reported: bool,
    /// Whether a hangup is something that its session understands.
    pub(super) is_on_terminal: bool,
    /// The terminal's master on its way to the client.
    terminal: Option<OwnedFd>,
    /// What its client knows.
    pub(super) word: Word,
    /// Its code, once it has ended.
    code: Option<i32>,
    /// How far its end is, once nobody waits for it.
    pub(super) killing: Option<Killing>,
}

/// What the client has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing.
    Awaited,
    /// That it runs.
    Announced,
    /// How it ended, or why it did not begin.
    Last,
}

impl Exec {
    /// Whether a child that nobody knows cannot be its process.
    pub(super) fn is_settled(&self) -> bool {
        self.pid.is_some() || self.has_reported
    }

    fn is_of(&self, pid: i32) -> bool {
        [&self.helper, &self.process]
            .iter()
            .any(|child| child.as_ref().is_some_and(|child| child.pid == pid))
    }
}

impl Monitor {
    /// Begins an exec; the answers come later.
    pub(super) fn exec(
        &mut self,
        key: u64,
        call: &ExecCall,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Reply> {
        let id = &call.request.container_id;
        let Some(container) = self.containers.get_mut(id) else {
            return Err(no_container(id));
        };
        if !matches!(container.phase, Phase::Running { .. }) {
            return Err(not_running(id));
        }
        let stdio = stdio(call, fds).map_err(Reply::ExecFailed)?;
        let group = container.make_subgroup(&mut self.execs_begun);
        let Phase::Running { pid, pidfd, .. } = &container.phase else {
            return Err(not_running(id));
        };
        let dirs = match &group {
            Some(group) => group.directories(&container.cgroup_dirs),
            None => container.cgroup_dirs.clone(),
        };
        let target = Target {
            pidfd: pidfd.as_fd(),
            pid: *pid,
            namespaces: self.surroundings.namespaces,
            cgroup_dirs: &dirs,
            bundle: &container.bundle,
            host_proc: self.surroundings.host_proc.as_fd(),
        };
        let started = exec::start(&target, &call.request.process, &stdio).map_err(|failure| {
            if let Some(group) = &group {
                let _ = group.remove();
            }
            Reply::ExecFailed(failure)
        })?;
        let exec = Exec {
            container: id.clone(),
            group,
            helper: Some(started.helper),
            pid: None,
            process: None,
            has_reported: false,
            is_on_terminal: call.request.tty,
            terminal: None,
            word: Word::Awaited,
            code: None,
            killing: None,
        };
        self.execs.insert(key, exec);
        let source = Source::ExecReport {
            socket: started.report,
            exec: key,
        };
        if let Err(error) = self.watch(source) {
            self.end_exec(key, Duration::ZERO);
            let failure = exec_failure(&format!("watching the process: {error}"));
            return Err(Reply::ExecFailed(failure));
        }
        Ok(())
    }

    /// The helper or the process of an exec has something to say.
    pub(super) fn on_exec_report(&mut self, socket: BorrowedFd<'_>, key: u64) -> Fate {
        match exec::hear(socket) {
            Report::Nothing => return Fate::Stays,
            Report::Forked(pid, terminal) => {
                self.on_exec_forked(key, pid, terminal);
                return Fate::Stays;
            }
            Report::Failed(failure) => {
                self.refuse_exec(key, failure);
                return Fate::Stays;
            }
            Report::End => self.announce_exec(key),
        }
        Fate::Ends
    }

    fn on_exec_forked(&mut self, key: u64, pid: i32, terminal: Option<OwnedFd>) {
        let ended = self.take_stray(pid);
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        (exec.pid, exec.terminal) = (Some(pid), terminal);
        match (ended, process::open(pid)) {
            (Some(reaped), _) => exec.code = Some(reaped.code),
            (None, Ok(pidfd)) => exec.process = Some(Child { pid, pidfd }),
            (None, Err(error)) => eprintln!("the process {pid} cannot be watched: {error}"),
        }
    }

    fn refuse_exec(&mut self, key: u64, failure: ExecFailure) {
        if let Some(exec) = self.execs.get_mut(&key) {
            exec.word = Word::Last;
            self.answer(key, &Reply::ExecFailed(failure));
        }
    }

    /// There will be no more reports: tells the client that its process runs, or that it does not.
    fn announce_exec(&mut self, key: u64) {
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        exec.has_reported = true;
        if exec.word == Word::Last {
            return self.finish_exec(key);
        }
        let Some(pid) = exec.pid else {
            self.refuse_exec(key, exec_failure("exec failed: the helper was killed"));
            return self.finish_exec(key);
        };
        exec.word = Word::Announced;
        let terminal = exec.terminal.take();
        let fds: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
        if !self.tell_with(key, &Reply::ExecStarted { pid }, &fds) {
            self.end_exec(key, HANGUP);
        }
        self.finish_exec(key);
    }

    /// A child has ended; whether it was one of an exec.
    pub(super) fn on_exec_child_ended(&mut self, reaped: Reaped) -> bool {
        let found = self.execs.iter().find(|(_, exec)| exec.is_of(reaped.pid));
        let Some(key) = found.map(|(key, _)| *key) else {
            return false;
        };
        if let Some(exec) = self.execs.get_mut(&key) {
            if exec.helper.as_ref().is_some_and(|it| it.pid == reaped.pid) {
                exec.helper = None;
            } else {
                exec.process = None;
                exec.code = Some(reaped.code);
            }
        }
        self.finish_exec(key);
        true
    }

    /// Tells how an exec ended once that is known, and forgets it once all of it has been waited
    /// for.
    fn finish_exec(&mut self, key: u64) {
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        if let (Word::Announced, Some(code)) = (exec.word, exec.code) {
            exec.word = Word::Last;
            self.answer(key, &Reply::ExecExited { code });
        }
        let Some(exec) = self.execs.get(&key) else {
            return;
        };
        let has_ended = exec.has_reported && exec.helper.is_none() && exec.process.is_none();
        if has_ended && exec.word == Word::Last && exec.killing.is_none() {
            self.forget_exec(key);
        }
    }
}

/// What the process of `call` gets.
fn stdio(call: &ExecCall, fds: Vec<OwnedFd>) -> Result<Stdio, ExecFailure> {
    if call.streams.len() != fds.len() || call.request.tty && !fds.is_empty() {
        return Err(exec_failure("streams and descriptors do not match"));
    }
    if call.request.tty {
        return Ok(Stdio::Terminal);
    }
    let mut given = [None, None, None];
    for (stream, fd) in call.streams.iter().zip(fds) {
        given[*stream as usize] = Some(fd);
    }
    let streams = confine::all_streams(given);
    Ok(Stdio::Streams(streams.map_err(|error| {
        confine::failed("standard streams", &error)
    })?))
}

/// A failure of an exec that never began.
fn exec_failure(message: &str) -> ExecFailure {
    ExecFailure {
        message: message.to_owned(),
        code: 128,
    }
}
