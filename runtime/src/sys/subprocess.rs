//! A program run to its end, within a time: what it reads is given at once, what it writes is
//! collected, and nobody waits for it longer than told. Or one that goes on, and talks over its stdin.
//!
//! The program leads a process group of its own, so that what it started can be killed with it, and
//! inherits no descriptor besides its three streams. It dies when the thread that runs it does: a
//! daemon that is killed leaves none behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open};

use super::process;

/// Where a program that is run looks for others.
pub const PATH: &str = super::program::DEFAULT_PATH;

/// What is kept of each stream; the rest is read and forgotten.
const KEPT: usize = 1 << 20;

/// A program to be run.
#[derive(Debug)]
pub struct Order<'a> {
    /// Its file.
    pub program: &'a Path,
    /// Its arguments, without its name.
    pub arguments: &'a [OsString],
    /// Its whole environment.
    pub environment: &'a [(&'static str, String)],
    /// What it reads.
    pub stdin: &'a [u8],
    /// When it is killed.
    pub deadline: Instant,
    /// What makes it be killed before.
    pub stop: &'a Stop,
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The beginning of its stdout.
    pub stdout: Vec<u8>,
    /// The beginning of its stderr.
    pub stderr: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed at its deadline.
    TimedOut,
    /// It was killed because everything ends.
    Stopped,
}

/// Ends every program that runs under it, now and later.
#[derive(Debug)]
pub struct Stop(OwnedFd);

impl Stop {
    /// One that has not been given.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    /// Gives it.
    pub fn give(&self) {
        // Cannot fail: the counter is far from full.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// Runs a program. Blocks until it has ended, or has been killed with its whole group.
pub fn run(order: &Order<'_>) -> io::Result<Outcome> {
    let mut child = spawn(order)?;
    let watched = watch(&mut child, order);
    let ending = match &watched {
        Ok((Ended::ByItself, ..)) => None,
        Ok((Ended::DeadlineCame, ..)) => Some(Ending::TimedOut),
        Ok((Ended::StopCame, ..)) => Some(Ending::Stopped),
        Err(_) => Some(Ending::Stopped),
    };
    if ending.is_some() {
        // Not waited for yet, so the number is still its own.
        process::kill_group(child.id().cast_signed())?;
    }
    let status = child.wait()?;
    let (_, stdout, stderr) = watched?;
    Ok(Outcome {
        ending: ending.unwrap_or(Ending::Exited(status)),
        stdout,
        stderr,
    })
}

/// Starts a program that goes on, with `stdin` to talk over; what it writes goes where this process
/// writes. Its whole group is to be killed by who has the child.
pub fn start(
    program: &Path,
    environment: &[(&'static str, String)],
    stdin: OwnedFd,
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::from(stdin));
    begin(&mut command)
}

/// Runs a program whose streams, arguments and environment `command` has. Blocks until it has ended, or
/// has been killed with its whole group at the deadline.
pub fn run_attached(mut command: Command, deadline: Instant) -> io::Result<Ending> {
    let mut child = begin(&mut command)?;
    // What it was given is its own now: nobody here keeps a stream of it open.
    drop(command);
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // Not waited for yet, so the number is still its own.
            process::kill_group(child.id().cast_signed())?;
            child.wait()?;
            return Ok(Ending::TimedOut);
        }
        if has_ended(pidfd.as_fd(), left)? {
            return Ok(Ending::Exited(child.wait()?));
        }
    }
}

fn has_ended(pidfd: BorrowedFd<'_>, time: Duration) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    match poll(&mut polled, Some(&timespec(time))) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!polled[0].revents().is_empty()),
        Err(errno) => Err(errno.into()),
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

fn spawn(order: &Order<'_>) -> io::Result<Child> {
    let mut command = Command::new(order.program);
    command
        .args(order.arguments)
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::from(content(order.stdin)?))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    begin(&mut command)
}

/// Starts a program in a process group of its own.
fn begin(command: &mut Command) -> io::Result<Child> {
    let parent = rustix::process::getpid();
    command.process_group(0);
    // SAFETY: only system calls, which allocate nothing and take no locks.
    unsafe { command.pre_exec(move || confine(parent)) };
    command.spawn()
}

/// In the new process, before its program is executed.
fn confine(parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    // Whatever somebody has left open for this daemon is no business of a program that it runs.
    // SAFETY: numbers only; descriptors are marked, not closed, so nobody's is taken away.
    match unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A file in memory: a program that reads nothing keeps nobody waiting.
fn content(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"stdin", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

enum Ended {
    ByItself,
    DeadlineCame,
    StopCame,
}

/// Collects what the program writes until it has ended or is to be killed. What a process that
/// outlives it holds of its streams is not waited for.
fn watch(child: &mut Child, order: &Order<'_>) -> io::Result<(Ended, Vec<u8>, Vec<u8>)> {
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let mut stdout = Stream::of(child.stdout.take().map(OwnedFd::from))?;
    let mut stderr = Stream::of(child.stderr.take().map(OwnedFd::from))?;
    let ended = loop {
        let left = order.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Ended::DeadlineCame;
        }
        let ready = wait_for(
            &[&stdout, &stderr],
            [pidfd.as_fd(), order.stop.0.as_fd()],
            left,
        )?;
        stdout.read()?;
        stderr.read()?;
        match ready {
            [true, _] => break Ended::ByItself,
            [_, true] => break Ended::StopCame,
            _ => {}
        }
    };
    Ok((ended, stdout.kept, stderr.kept))
}

/// Waits until anything can be read; says which of `ends` can.
fn wait_for(
    streams: &[&Stream],
    ends: [BorrowedFd<'_>; 2],
    time: Duration,
) -> io::Result<[bool; 2]> {
    let open = streams.iter().filter_map(|stream| stream.fd.as_ref());
    let mut polled: Vec<PollFd<'_>> = ends
        .iter()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .chain(open.map(|fd| PollFd::new(fd, PollFlags::IN)))
        .collect();
    match poll(&mut polled, Some(&timespec(time))) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok([
        !polled[0].revents().is_empty(),
        !polled[1].revents().is_empty(),
    ])
}

/// One of the program's streams, as far as it was read.
struct Stream {
    fd: Option<File>,
    kept: Vec<u8>,
}

impl Stream {
    fn of(fd: Option<OwnedFd>) -> io::Result<Self> {
        let fd = fd.map(File::from);
        if let Some(fd) = &fd {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        let kept = Vec::new();
        Ok(Self { fd, kept })
    }

    /// Reads what is there, at most so much that the deadline is still looked at.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        for _ in 0..64 {
            let Some(fd) = &mut self.fd else {
                return Ok(());
            };
            match fd.read(&mut buffer) {
                Ok(0) => self.fd = None,
                Ok(count) => {
                    let room = KEPT.saturating_sub(self.kept.len()).min(count);
                    self.kept.extend_from_slice(&buffer[..room]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: &str = "/bin/sh";

    fn shell(script: &str, stop: &Stop, deadline: Instant) -> Outcome {
        run(&Order {
            program: Path::new(SHELL),
            arguments: &[],
            environment: &[("PATH", "/usr/bin:/bin".to_owned())],
            stdin: script.as_bytes(),
            deadline,
            stop,
        })
        .unwrap()
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_program_reads_and_writes_and_ends() {
        let outcome = shell(
            "echo out; echo err >&2; exit 3",
            &Stop::new().unwrap(),
            far(),
        );
        assert!(matches!(outcome.ending, Ending::Exited(status) if status.code() == Some(3)));
        assert_eq!(
            (&outcome.stdout[..], &outcome.stderr[..]),
            (&b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn a_program_inherits_nothing_but_its_streams() {
        let left_open = memfd_create(c"left-open", MemfdFlags::empty()).unwrap();
        let stop = Stop::new().unwrap();
        let outcome = shell("ls -l /proc/$$/fd", &stop, far());
        let listing = String::from_utf8(outcome.stdout).unwrap();
        assert!(
            listing.contains("stdin") && !listing.contains("left-open"),
            "{listing}"
        );
        drop(left_open);
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let script = format!(
            "mkfifo {0}; (echo open; exec sleep 1000) > {0} & exec sleep 1000",
            fifo.display()
        );
        let running = std::thread::spawn(move || {
            let stop = Stop::new().unwrap();
            shell(&script, &stop, Instant::now() + Duration::from_secs(2))
        });
        // The fifo ends when nobody writes to it any more: the grandchild is gone too.
        let text = loop {
            match std::fs::read_to_string(&fifo) {
                Ok(text) => break text,
                Err(_) => std::thread::yield_now(),
            }
        };
        assert_eq!(text, "open\n");
        assert_eq!(running.join().unwrap().ending, Ending::TimedOut);
    }

    #[test]
    fn a_program_is_killed_when_everything_ends() {
        let stop = Stop::new().unwrap();
        stop.give();
        for _ in 0..2 {
            assert_eq!(
                shell("exec sleep 1000", &stop, far()).ending,
                Ending::Stopped
            );
        }
    }

    #[test]
    fn nobody_waits_for_a_process_that_keeps_the_streams_open() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let script = format!("mkfifo {0}; (read line < {0}) & echo done", fifo.display());
        let outcome = shell(&script, &Stop::new().unwrap(), far());
        assert_eq!(outcome.stdout, b"done\n");
        // It has been there all the time, and goes now.
        std::fs::write(&fifo, "go\n").unwrap();
    }

    #[test]
    fn endless_output_is_read_and_forgotten() {
        let outcome = shell("head -c 3000000 /dev/zero", &Stop::new().unwrap(), far());
        assert!(matches!(outcome.ending, Ending::Exited(status) if status.success()));
        assert_eq!(outcome.stdout.len(), KEPT);
    }
}
