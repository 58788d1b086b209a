//! Execs under way: from the helper's report to the process's code.

use std::os::fd::OwnedFd;

use super::exec::{Outcome, Report};
use super::protocol::{ExecFailure, Reply};
use super::server::{Fate, Monitor, kill_session};
use crate::sys::process::{self, Child};

impl Monitor {
    /// The report of an exec has more to say.
    pub(super) fn on_exec_report(&mut self, pipe: &OwnedFd, key: u64, report: &mut Report) -> Fate {
        let outcome = report.read(pipe);
        if let Some(pid) = report.pid() {
            self.on_exec_pid(key, pid);
        }
        match outcome {
            None => return Fate::Stays,
            Some(Outcome::Executed(pid)) => self.announce_exec(key, pid),
            Some(Outcome::Failed(failure)) => {
                self.answer(key, &Reply::ExecFailed(failure));
                self.execs.remove(&key);
            }
        }
        Fate::Ends
    }

    fn on_exec_pid(&mut self, key: u64, pid: i32) {
        let ended = self.take_stray(pid);
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        if exec.child.is_some() || exec.code.is_some() {
            return;
        }
        match (ended, process::open(pid)) {
            (Some(reaped), _) => exec.code = Some(reaped.code),
            (None, Ok(pidfd)) => exec.child = Some(Child { pid, pidfd }),
            (None, Err(error)) => eprintln!("the process {pid} cannot be watched: {error}"),
        }
    }

    /// Tells the client that its process runs; if the client has left, kills it.
    fn announce_exec(&mut self, key: u64, pid: i32) {
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        exec.is_announced = true;
        let code = exec.code;
        if !self.tell(key, &Reply::ExecStarted { pid })
            && let Some(child) = self.execs.get(&key).and_then(|exec| exec.child.as_ref())
        {
            kill_session(child);
        }
        if let Some(code) = code {
            self.on_exec_ended(key, code);
        }
    }

    /// A process of an exec has ended.
    pub(super) fn on_exec_ended(&mut self, key: u64, code: i32) {
        let Some(exec) = self.execs.get_mut(&key) else {
            return;
        };
        exec.code = Some(code);
        exec.child = None;
        if exec.is_announced {
            self.execs.remove(&key);
            self.answer(key, &Reply::ExecExited { code });
        }
    }
}

/// A failure of an exec that never began.
pub(super) fn exec_failure(message: &str) -> ExecFailure {
    ExecFailure {
        message: message.to_owned(),
        code: 128,
    }
}
