//! The fast path of exec: two forks instead of a launch.
//!
//! ```text
//! monitor ─fork► helper: joins the cgroup, enters the namespaces (one setns by pidfd)
//!    │             └─fork, CLONE_PARENT► process: confines itself, executes; the monitor's child
//!    └◄─socket── Forked, with the terminal's master, by the helper; Failed, by either;
//!                end of file: executed
//! ```
//!
//! The second fork is what a pid namespace asks for: one that is entered counts for children only.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::ThreadNameSpaceType;
use serde::{Deserialize, Serialize};

use super::confine::{Confinement, Streams, failed};
use super::protocol::ExecFailure;
use super::wire;
use crate::model::process::ProcessSpec;
use crate::sys::process::{Child, Clone3, Forked, Parent, clone3, exit_now};
use crate::sys::{cgroup, mount, oom, seqpacket, terminal};

/// Every namespace that a container may have of its own, but for user and time.
pub(super) const NAMESPACES: ThreadNameSpaceType = ThreadNameSpaceType::MOUNT
    .union(ThreadNameSpaceType::CONTROL_GROUP)
    .union(ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME)
    .union(ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION)
    .union(ThreadNameSpaceType::PROCESS_ID)
    .union(ThreadNameSpaceType::NETWORK);

/// The container that a process is run in.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// Its first process.
    pub(super) pidfd: BorrowedFd<'a>,
    /// The pid of that.
    pub(super) pid: i32,
    /// The namespaces that it may have of its own.
    pub(super) namespaces: ThreadNameSpaceType,
    /// The cgroup directories to join.
    pub(super) cgroup_dirs: &'a [PathBuf],
    /// Its bundle, where the compiled seccomp filter is.
    pub(super) bundle: &'a Path,
    /// A directory of the host's procfs.
    pub(super) host_proc: BorrowedFd<'a>,
}

/// What a process gets as its standard streams.
#[derive(Debug)]
pub(super) enum Stdio {
    /// These.
    Streams([OwnedFd; 3]),
    /// A new terminal of the container.
    Terminal,
}

/// An exec that has begun.
#[derive(Debug)]
pub(super) struct Started {
    /// The helper; reaped like any child.
    pub(super) helper: Child,
    /// The reports come here.
    pub(super) report: OwnedFd,
}

/// What the helper and the process say.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// The process of this pid was forked.
    Forked(i32),
    /// It could not be, or could not execute its program.
    Failed(ExecFailure),
}

/// What is heard of an exec.
#[derive(Debug)]
pub(super) enum Report {
    /// Nothing yet.
    Nothing,
    /// The process of this pid exists, with this terminal if it was to have one.
    Forked(i32, Option<OwnedFd>),
    /// It will not run.
    Failed(ExecFailure),
    /// There will be no more: if the process was forked, it has executed its program.
    End,
}

/// Begins to run `process` in `target`.
pub(super) fn start(
    target: &Target<'_>,
    process: &ProcessSpec,
    stdio: &Stdio,
) -> Result<Started, ExecFailure> {
    let filter = match process.seccomp {
        true => Some(
            std::fs::read(target.bundle.join("seccomp.bpf"))
                .map_err(|error| failed("reading the seccomp filter", &error))?,
        ),
        false => None,
    };
    let cgroup = cgroup::unified(target.cgroup_dirs).map_err(|e| failed("cgroup", &e))?;
    let (ours, theirs) = seqpacket::pair().map_err(|error| failed("socket", &error))?;
    rustix::io::ioctl_fionbio(&ours, true).map_err(|errno| failed("socket", &errno.into()))?;
    let clone = Clone3 {
        cgroup: cgroup.as_ref().map(AsFd::as_fd),
        ..Clone3::default()
    };
    let helper = Helper {
        target,
        confinement: Confinement {
            process,
            filter,
            host_proc: target.host_proc,
        },
        stdio,
        report: theirs,
        is_in_cgroup: cgroup.is_some(),
    };
    match clone3(clone).map_err(|error| failed("fork", &error))? {
        Forked::Child => {
            drop(ours);
            helper.run()
        }
        Forked::Parent(child) => Ok(Started {
            helper: child,
            report: ours,
        }),
    }
}

/// The next report.
pub(super) fn hear(socket: BorrowedFd<'_>) -> Report {
    match wire::receive::<Word>(socket) {
        Ok(None) => Report::End,
        Ok(Some(mut message)) => match message.body {
            Word::Forked(pid) => Report::Forked(pid, message.fds.pop()),
            Word::Failed(failure) => Report::Failed(failure),
        },
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Report::Nothing,
        Err(error) => Report::Failed(failed("its report", &error)),
    }
}

/// What the helper works with.
struct Helper<'a> {
    target: &'a Target<'a>,
    confinement: Confinement<'a>,
    stdio: &'a Stdio,
    report: OwnedFd,
    is_in_cgroup: bool,
}

impl Helper<'_> {
    fn run(&self) -> ! {
        let failure = match self.fork() {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        // With nobody left to hear it there is nothing more to do.
        let _ = self.say(&Word::Failed(failure), &[]);
        exit_now(1)
    }

    fn fork(&self) -> Result<Infallible, ExecFailure> {
        self.enter_container()?;
        match self.stdio {
            Stdio::Streams(streams) => self.split(Streams::Given(streams), &[]),
            Stdio::Terminal => {
                let terminal = terminal::open(self.confinement.process.uid)
                    .map_err(|error| failed("opening a terminal", &error))?;
                self.split(
                    Streams::Terminal(&terminal.slave),
                    &[terminal.master.as_fd()],
                )
            }
        }
    }

    /// Returns only a failure, in the helper or in the process.
    fn split(
        &self,
        streams: Streams<'_>,
        master: &[BorrowedFd<'_>],
    ) -> Result<Infallible, ExecFailure> {
        let sibling = Clone3 {
            parent: Parent::Grandparent,
            ..Clone3::default()
        };
        match clone3(sibling).map_err(|error| failed("fork", &error))? {
            Forked::Child => self.confinement.enter(streams),
            Forked::Parent(child) => {
                let said = self.say(&Word::Forked(child.pid), master);
                exit_now(i32::from(said.is_err()))
            }
        }
    }

    fn say(&self, word: &Word, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        wire::send(self.report.as_fd(), word, fds)
    }

    /// Joins the cgroup first, while its files can be seen, and the namespaces all at once.
    fn enter_container(&self) -> Result<(), ExecFailure> {
        let target = self.target;
        if !self.is_in_cgroup {
            cgroup::join(target.cgroup_dirs)
                .map_err(|error| failed("joining the cgroup", &error))?;
        }
        // Before any process of the container can see this one: it must not reach our program or
        // memory through /proc.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|errno| failed("dumpable", &errno.into()))?;
        let score = match self.confinement.process.oom_score_adj {
            Some(score) => score,
            None => oom::score_of(target.pid).map_err(|error| failed("oom_score_adj", &error))?,
        };
        oom::set_score(target.host_proc, score).map_err(|error| failed("oom_score_adj", &error))?;
        mount::enter_namespaces(target.pidfd, target.namespaces)
            .map_err(|error| failed("entering the namespaces", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_heard_one_by_one_and_end_when_everybody_has_executed() {
        let (ours, theirs) = seqpacket::pair().expect("a socket pair");
        rustix::io::ioctl_fionbio(&ours, true).expect("a socket that does not block");
        assert!(matches!(hear(ours.as_fd()), Report::Nothing));
        let say = |word: &Word, fds: &[BorrowedFd<'_>]| {
            wire::send(theirs.as_fd(), word, fds).expect("a send");
        };
        say(&Word::Forked(7), &[]);
        say(&Word::Forked(8), &[ours.as_fd()]);
        say(
            &Word::Failed(failed("x", &io::ErrorKind::NotFound.into())),
            &[],
        );
        assert!(matches!(hear(ours.as_fd()), Report::Forked(7, None)));
        assert!(matches!(hear(ours.as_fd()), Report::Forked(8, Some(_))));
        assert!(matches!(hear(ours.as_fd()), Report::Failed(_)));
        drop(theirs);
        assert!(matches!(hear(ours.as_fd()), Report::End));
    }
}
