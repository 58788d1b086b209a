//! Starting podling-launch, and the pipes of the container that it makes.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

use super::protocol::{LaunchFailure, LaunchRequest};
use super::wire;
use serde::{Deserialize, Serialize};

use crate::sys::process::{Child, Clone3, Forked, clone3, exit_now};
use crate::sys::{cgroup, program, seqpacket, signal, stdio};

/// Where podling-launch finds the socket that its request comes from and its report goes to.
pub(crate) const REPORT_FD: i32 = 3;

/// What podling-launch says when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LaunchReport {
    /// The container's program has been executed.
    Started {
        /// Its pid on the host.
        pid: i32,
    },
    /// Nothing runs.
    Failed(LaunchFailure),
}

/// A launch that has begun.
#[derive(Debug)]
pub(super) struct Launch {
    /// podling-launch.
    pub(super) helper: Child,
    /// The report comes here.
    pub(super) report: OwnedFd,
    /// What the container writes to its stdout and stderr.
    pub(super) outputs: [OwnedFd; 2],
    /// Holds the container's stdin open.
    pub(super) stdin: Option<OwnedFd>,
}

/// Starts podling-launch on `request`. On cgroup v2 it is born in the container's cgroup.
pub(super) fn start(launch: BorrowedFd<'_>, request: &LaunchRequest) -> io::Result<Launch> {
    let cgroup = cgroup::unified(&request.cgroup_dirs)?;
    let (ours, theirs) = seqpacket::pair()?;
    let (stdout, stdout_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, stderr_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stdin_reader, stdin) = match request.stdin {
        true => pipe_with(PipeFlags::CLOEXEC).map(|(reader, writer)| (reader, Some(writer)))?,
        false => (stdio::null()?, None),
    };
    let clone = Clone3 {
        cgroup: cgroup.as_ref().map(AsFd::as_fd),
        ..Clone3::default()
    };
    let helper = match clone3(clone)? {
        Forked::Child => {
            let streams = [
                stdin_reader.as_fd(),
                stdout_writer.as_fd(),
                stderr_writer.as_fd(),
            ];
            // Nobody reads an error here: the monitor sees the socket close without a report.
            let _ = become_launch(launch, streams, theirs);
            exit_now(1)
        }
        Forked::Parent(helper) => helper,
    };
    for fd in [&ours, &stdout, &stderr] {
        rustix::io::ioctl_fionbio(fd, true)?;
    }
    wire::send(ours.as_fd(), request, &[])?;
    Ok(Launch {
        helper,
        report: ours,
        outputs: [stdout, stderr],
        stdin,
    })
}

fn become_launch(
    launch: BorrowedFd<'_>,
    streams: [BorrowedFd<'_>; 3],
    report: OwnedFd,
) -> io::Result<std::convert::Infallible> {
    signal::reset()?;
    stdio::install(streams)?;
    let launch = rustix::io::fcntl_dupfd_cloexec(launch, REPORT_FD + 1)?;
    stdio::inherit_as(report, REPORT_FD)?;
    let name: &CStr = c"podling-launch";
    Err(program::execute_fd(launch.as_fd(), &[name]))
}
