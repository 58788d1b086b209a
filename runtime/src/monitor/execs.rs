//! Execs under way: from the request to the last of what they started.
//!
//! ```text
//! begun ──► forked ──► announced ──► ended: what it left running stays
//!   └──────────┴───────────┴──► killing (its client has left): until its cgroup is empty
//! ```
//!
//! Each has a cgroup of its own below the container's, because a process can leave its parent, its
//! group and its session, but not its cgroup.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::confine;
use super::container::{Container, Phase};
use super::exec::{self, Report, Stdio, Target};
use super::protocol::{ExecCall, ExecFailure, Reply};
use super::requests::{no_container, not_running};
use super::server::Monitor;
use super::source::{Fate, Source};
use crate::model::ContainerId;
use crate::sys::process::{self, Child, Reaped, Signal};
use crate::sys::subgroup::Subgroup;

/// How long a session may go on after its hangup.
const HANGUP: Duration = Duration::from_millis(200);
/// How soon after a kill it is looked whether everything has ended; doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// How many times that is done, nearly a minute: what does not end then never will, or only with
/// its container.
const LOOKS: u32 = 16;

/// One process that was asked for by `Exec`, and what it has started.
#[derive(Debug)]
pub(super) struct Exec {
    container: ContainerId,
    /// Where it runs; nowhere of its own if that could not be made.
    group: Option<Subgroup>,
    /// The helper, until it was waited for.
    helper: Option<Child>,
    /// Pid of the process, once known.
    pid: Option<i32>,
    /// The process, until it was waited for.
    process: Option<Child>,
    /// Whether helper and process have nothing more to report.
    has_reported: bool,
    /// Whether a hangup is something that its session understands.
    is_on_terminal: bool,
    /// The terminal's master on its way to the client.
    terminal: Option<OwnedFd>,
    word: Word,
    /// Its code, once it has ended.
    code: Option<i32>,
    killing: Option<Killing>,
}

/// What the client has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Nothing.
    Awaited,
    /// That it runs.
    Announced,
    /// How it ended, or why it did not begin.
    Last,
}

/// Everything of an exec is being ended.
#[derive(Debug)]
struct Killing {
    due: Instant,
    looks: u32,
}

impl Exec {
    /// When something is to be done about it though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.killing.as_ref().map(|killing| killing.due)
    }

    /// Whether a child that nobody knows cannot be its process.
    pub(super) fn is_settled(&self) -> bool {
        self.pid.is_some() || self.has_reported
    }

    fn is_of(&self, pid: i32) -> bool {
        [&self.helper, &self.process]
            .iter()
            .any(|child| child.as_ref().is_some_and(|child| child.pid == pid))
    }

    fn kill(&self) {
        for child in [&self.helper, &self.process].into_iter().flatten() {
            let _ = process::kill(child.pidfd.as_fd());
        }
        if let Some(process) = &self.process {
            // The pid is not reused while we have not waited for it.
            let _ = process::signal_group(process.pid, Signal::KILL);
        }
        if let Some(group) = &self.group
            && let Err(error) = group.kill()
        {
            eprintln!("killing an exec in {}: {error}", self.container);
        }
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
        let is_over = exec.word == Word::Last && exec.helper.is_none() && exec.process.is_none();
        if is_over && exec.killing.is_none() {
            self.forget_exec(key);
        }
    }

    /// The client of an exec has left: nobody waits for it any more.
    pub(super) fn on_exec_client_gone(&mut self, key: u64) {
        self.end_exec(key, HANGUP);
    }

    /// Ends an exec with everything that it has started. A session on a terminal is hung up, and has
    /// `grace` to save what it must.
    fn end_exec(&mut self, key: u64, grace: Duration) {
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        if exec.word == Word::Last || exec.killing.is_some() {
            return;
        }
        exec.word = Word::Last;
        let mut due = Instant::now();
        if let (true, Some(process)) = (exec.is_on_terminal, &exec.process)
            && process::signal_group(process.pid, Signal::HUP).is_ok()
        {
            due += grace;
        }
        exec.killing = Some(Killing { due, looks: 0 });
        self.on_exec_deadlines(Instant::now());
    }

    /// Ends every exec at once.
    pub(super) fn end_execs(&mut self) {
        let keys: Vec<u64> = self.execs.keys().copied().collect();
        for key in keys {
            self.end_exec(key, Duration::ZERO);
        }
    }

    /// Goes on with the execs that are being ended.
    pub(super) fn on_exec_deadlines(&mut self, at: Instant) {
        let is_due = |exec: &Exec| exec.deadline().is_some_and(|due| due <= at);
        let due = self.execs.iter().filter(|(_, exec)| is_due(exec));
        let keys: Vec<u64> = due.map(|(key, _)| *key).collect();
        for key in keys {
            self.kill_exec(key);
        }
    }

    fn kill_exec(&mut self, key: u64) {
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        exec.kill();
        let Some(killing) = &mut exec.killing else {
            return;
        };
        killing.due = Instant::now() + FIRST_LOOK * 2u32.pow(killing.looks);
        killing.looks += 1;
        let is_given_up = killing.looks > LOOKS;
        let has_ended = exec.helper.is_none() && exec.process.is_none();
        let is_gone = |group: &Subgroup| matches!(group.remove(), Ok(true));
        if is_given_up || has_ended && exec.group.as_ref().is_none_or(is_gone) {
            self.forget_exec(key);
        }
    }

    fn forget_exec(&mut self, key: u64) {
        let Some(exec) = self.execs.remove(&key) else {
            return;
        };
        if let (Some(group), Some(container)) =
            (exec.group, self.containers.get_mut(&exec.container))
        {
            container.subgroups.push(group);
            container.remove_subgroups();
        }
    }
}

impl Container {
    /// A cgroup for an exec, numbered on from `begun`.
    fn make_subgroup(&mut self, begun: &mut u64) -> Option<Subgroup> {
        self.remove_subgroups();
        loop {
            *begun += 1;
            match Subgroup::make(&self.cgroup_dirs, &format!("exec-{begun}")) {
                Ok(group) => return Some(group),
                // The container has made one of this name.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    eprintln!("no cgroup for an exec in {}: {error}", self.id);
                    return None;
                }
            }
        }
    }

    /// Removes the cgroups of ended execs that are empty by now.
    fn remove_subgroups(&mut self) {
        self.subgroups
            .retain(|group| matches!(group.remove(), Ok(false)));
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
