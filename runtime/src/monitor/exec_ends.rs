//! Ending execs that nobody waits for any more, with everything that they have started.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::container::Container;
use super::execs::{Exec, Word};
use super::server::Monitor;
use crate::sys::process::{self, Signal};
use crate::sys::subgroup::Subgroup;

/// How long a session may go on after its hangup.
pub(super) const HANGUP: Duration = Duration::from_millis(200);
/// How soon after a kill it is looked whether everything has ended; doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// How many times that is done, nearly a minute: what does not end then never will, or only with
/// its container.
const LOOKS: u32 = 16;

/// Everything of an exec is being ended.
#[derive(Debug)]
pub(super) struct Killing {
    due: Instant,
    looks: u32,
}

impl Exec {
    /// When something is to be done about it though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.killing.as_ref().map(|killing| killing.due)
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
    /// The client of an exec has left: nobody waits for it any more.
    pub(super) fn on_exec_client_gone(&mut self, key: u64) {
        self.end_exec(key, HANGUP);
    }

    /// Ends an exec with everything that it has started. A session on a terminal is hung up, and has
    /// `grace` to save what it must.
    pub(super) fn end_exec(&mut self, key: u64, grace: Duration) {
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

    /// Forgets an exec of which nothing is left but what it left running on purpose.
    pub(super) fn forget_exec(&mut self, key: u64) {
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
    pub(super) fn make_subgroup(&mut self, begun: &mut u64) -> Option<Subgroup> {
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
