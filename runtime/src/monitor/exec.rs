//! The fast path of exec: two forks instead of a launch.
//!
//! ```text
//! monitor ─fork► helper: joins the cgroup, enters the namespaces (one setns by pidfd)
//!    │             └─fork, CLONE_PARENT► process: confines itself, executes; the monitor's child
//!    └◄─pipe── 'P' pid, by the helper; 'F' failure, by either; end of file: executed
//! ```
//!
//! The second fork is what a pid namespace asks for: one that is entered counts for children only.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::ThreadNameSpaceType;

use super::confine::{Confinement, failed};
use super::protocol::ExecFailure;
use crate::model::process::ProcessSpec;
use crate::sys::process::{Child, Clone3, Forked, Parent, clone3, exit_now};
use crate::sys::{cgroup, mount, oom};

const PID: u8 = b'P';
const FAILURE: u8 = b'F';

/// Every namespace that a container may have of its own, but for user and time.
const NAMESPACES: ThreadNameSpaceType = ThreadNameSpaceType::MOUNT
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
    /// Its cgroup directories.
    pub(super) cgroup_dirs: &'a [PathBuf],
    /// Its bundle, where the compiled seccomp filter is.
    pub(super) bundle: &'a Path,
    /// A directory of the host's procfs.
    pub(super) host_proc: BorrowedFd<'a>,
}

/// An exec that has begun.
#[derive(Debug)]
pub(super) struct Started {
    /// The helper; reaped like any child.
    pub(super) helper: Child,
    /// The report comes here.
    pub(super) report: OwnedFd,
}

/// Begins to run `process` in `target`.
pub(super) fn start(
    target: &Target<'_>,
    process: &ProcessSpec,
    streams: &[OwnedFd; 3],
) -> Result<Started, ExecFailure> {
    let filter = match process.seccomp {
        true => Some(
            std::fs::read(target.bundle.join("seccomp.bpf"))
                .map_err(|error| failed("reading the seccomp filter", &error))?,
        ),
        false => None,
    };
    let cgroup = cgroup::unified(target.cgroup_dirs).map_err(|e| failed("cgroup", &e))?;
    let (reader, writer) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed("pipe", &errno.into()))?;
    let clone = Clone3 {
        cgroup: cgroup.as_ref().map(AsFd::as_fd),
        ..Clone3::default()
    };
    let [stdin, stdout, stderr] = streams;
    let confinement = Confinement {
        process,
        filter,
        host_proc: target.host_proc,
        streams: [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
    };
    match clone3(clone).map_err(|error| failed("fork", &error))? {
        Forked::Child => help(
            target,
            &confinement,
            &mut File::from(writer),
            cgroup.is_some(),
        ),
        Forked::Parent(helper) => {
            rustix::io::ioctl_fionbio(&reader, true)
                .map_err(|errno| failed("pipe", &errno.into()))?;
            Ok(Started {
                helper,
                report: reader,
            })
        }
    }
}

/// What the report pipe of an exec has said so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    bytes: Vec<u8>,
}

/// How an exec went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The program has been executed in the process of this pid.
    Executed(i32),
    /// Nothing runs.
    Failed(ExecFailure),
}

impl Report {
    /// Reads on; the outcome once the pipe has ended.
    pub(super) fn read(&mut self, pipe: &OwnedFd) -> Option<Outcome> {
        let mut pipe = File::from(pipe.try_clone().ok()?);
        match pipe.read_to_end(&mut self.bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(_) | Err(_) => Some(self.outcome()),
        }
    }

    /// The pid of the process, once it is known.
    pub(super) fn pid(&self) -> Option<i32> {
        match self.bytes.split_first() {
            Some((&PID, rest)) => Some(i32::from_ne_bytes(rest.get(..4)?.try_into().ok()?)),
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        let rest = match self.pid() {
            Some(pid) if self.bytes.len() == 5 => return Outcome::Executed(pid),
            Some(_) => &self.bytes[5..],
            None => &self.bytes,
        };
        let failure = rest
            .strip_prefix(&[FAILURE])
            .and_then(|json| serde_json::from_slice(json).ok())
            .unwrap_or_else(|| ExecFailure {
                message: "exec failed: the helper was killed".to_owned(),
                code: 128,
            });
        Outcome::Failed(failure)
    }
}

fn help(target: &Target<'_>, process: &Confinement<'_>, report: &mut File, in_cgroup: bool) -> ! {
    let failure = match enter_container(target, process.process, in_cgroup) {
        Ok(()) => {
            let sibling = Clone3 {
                parent: Parent::Grandparent,
                ..Clone3::default()
            };
            match clone3(sibling) {
                Ok(Forked::Child) => match process.enter() {
                    Ok(never) => match never {},
                    Err(failure) => failure,
                },
                Ok(Forked::Parent(child)) => {
                    let mut message = vec![PID];
                    message.extend(child.pid.to_ne_bytes());
                    exit_now(i32::from(report.write_all(&message).is_err()))
                }
                Err(error) => failed("fork", &error),
            }
        }
        Err(failure) => failure,
    };
    let mut message = vec![FAILURE];
    message.extend(serde_json::to_vec(&failure).unwrap_or_default());
    // With nobody left to read it there is nothing more to do.
    let _ = report.write_all(&message);
    exit_now(1)
}

/// Joins the cgroup first, while its files can be seen, and the namespaces all at once.
fn enter_container(
    target: &Target<'_>,
    process: &ProcessSpec,
    in_cgroup: bool,
) -> Result<(), ExecFailure> {
    if !in_cgroup {
        cgroup::join(target.cgroup_dirs).map_err(|error| failed("joining the cgroup", &error))?;
    }
    // Before any process of the container can see this one: it must not reach our program or
    // memory through /proc.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| failed("dumpable", &errno.into()))?;
    let score = match process.oom_score_adj {
        Some(score) => score,
        None => oom::score_of(target.pid).map_err(|error| failed("oom_score_adj", &error))?,
    };
    oom::set_score(target.host_proc, score).map_err(|error| failed("oom_score_adj", &error))?;
    mount::enter_namespaces(target.pidfd, NAMESPACES)
        .map_err(|error| failed("entering the namespaces", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(bytes: &[u8]) -> Outcome {
        Report {
            bytes: bytes.to_vec(),
        }
        .outcome()
    }

    #[test]
    fn a_report_is_a_pid_then_nothing_or_a_failure() {
        let pid = [&b"P"[..], &7i32.to_ne_bytes()].concat();
        assert_eq!(outcome(&pid), Outcome::Executed(7));
        let failure = ExecFailure {
            message: "no".to_owned(),
            code: 127,
        };
        let json = [b"F", &serde_json::to_vec(&failure).expect("JSON")[..]].concat();
        assert_eq!(outcome(&json), Outcome::Failed(failure.clone()));
        assert_eq!(
            outcome(&[&pid[..], &json].concat()),
            Outcome::Failed(failure)
        );
        assert!(matches!(outcome(b""), Outcome::Failed(_)));
        assert!(matches!(outcome(b"P12"), Outcome::Failed(_)));
    }
}
