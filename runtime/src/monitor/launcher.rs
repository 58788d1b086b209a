//! Starting podling-launch, and the pipes of the container that it makes. A terminal is made within
//! the container, and its master comes back with the report.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};

use super::container::Input;
use super::protocol::{LaunchFailure, LaunchRequest, Stream};
use super::wire;
use crate::sys::process::{Child, Clone3, Forked, clone3, exit_now};
use crate::sys::{cgroup, program, seqpacket, signal, stdio};

/// Where podling-launch finds the socket that its request comes from and its report goes to.
pub(crate) const REPORT_FD: i32 = 3;

/// What podling-launch says when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LaunchReport {
    /// The container's program has been executed. Its terminal's master comes with the message.
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
    /// What the container writes to its stdout and stderr, unless it has a terminal.
    pub(super) outputs: Vec<(Stream, OwnedFd)>,
    /// How its stdin is reached.
    pub(super) input: Input,
}

/// Starts podling-launch on `request`, with the host's mounts at hand. On cgroup v2 it is born in the
/// cgroup that it works in.
pub(super) fn start(
    launch: BorrowedFd<'_>,
    host_mounts: BorrowedFd<'_>,
    request: &LaunchRequest,
) -> io::Result<Launch> {
    let cgroup = cgroup::unified(request.working_cgroup())?;
    let (ours, theirs) = seqpacket::pair()?;
    let (stdin, input) = input(request)?;
    let (outputs, [stdout, stderr]) = outputs(request)?;
    let clone = Clone3 {
        cgroup: cgroup.as_ref().map(AsFd::as_fd),
        ..Clone3::default()
    };
    let helper = match clone3(clone)? {
        Forked::Child => {
            let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
            // Nobody reads an error here: the monitor sees the socket close without a report.
            let _ = become_launch(launch, streams, theirs);
            exit_now(1)
        }
        Forked::Parent(helper) => helper,
    };
    rustix::io::ioctl_fionbio(&ours, true)?;
    for (_, output) in &outputs {
        rustix::io::ioctl_fionbio(output, true)?;
    }
    wire::send(ours.as_fd(), request, &[host_mounts])?;
    Ok(Launch {
        helper,
        report: ours,
        outputs,
        input,
    })
}

/// The container's stdin, and the way to it.
fn input(request: &LaunchRequest) -> io::Result<(OwnedFd, Input)> {
    if request.tty || !request.stdin {
        let input = match request.stdin {
            true => Input::Terminal,
            false => Input::Closed,
        };
        return Ok((stdio::null()?, input));
    }
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let input = match request.stdin_once {
        true => Input::Once(writer),
        false => Input::Pipe(writer),
    };
    Ok((reader, input))
}

/// What is read of the container's stdout and stderr, and what it gets as such.
#[expect(clippy::type_complexity, reason = "two lists of the same two streams")]
fn outputs(request: &LaunchRequest) -> io::Result<(Vec<(Stream, OwnedFd)>, [OwnedFd; 2])> {
    if request.tty {
        return Ok((Vec::new(), [stdio::null()?, stdio::null()?]));
    }
    let (stdout, stdout_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, stderr_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let outputs = vec![(Stream::Stdout, stdout), (Stream::Stderr, stderr)];
    Ok((outputs, [stdout_writer, stderr_writer]))
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
