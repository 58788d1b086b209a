//! The floor: the bare syscalls of a pod's life, in one small process.
//!
//! ```text
//! podling-bench ──"pod\n"──► podling-bench --floor-worker DIR    one thread; network, mount and uts
//!               ◄─ 9 numbers ─                                   namespaces of its own
//!                                 ├─ pause       new net, ipc, uts, pid, mnt; veth, address, route
//!                                 ├─ container   new pid, mnt; joins the others; overlay, pivot_root
//!                                 └─ exec        joins the container
//! ```
//!
//! It is a process of its own because a fork costs by the size of what forks, and so that its
//! mounts and its bridge go away with it whatever happens.

mod cgroup;
mod network;
mod program;
mod root;

use std::ffi::CString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use tempfile::TempDir;

use super::options::Network;
use super::step::{Cycle, Step};
use super::sys::{Child, Namespaces, execute, exit, leave_namespaces};
use cgroup::{Cgroup, Parent};
use network::Bridge;
use program::Program;
use root::Root;

/// Why the floor cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// Its process does not start.
    #[error("cannot start the worker process (root is needed)")]
    Start(#[source] io::Error),
    /// Its process ended or made no sense.
    #[error("the worker process did not answer (its error stands above)")]
    Answer(#[source] io::Error),
    /// A syscall failed.
    #[error("cannot {attempt}")]
    Work {
        /// What was tried.
        attempt: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The worker process, as the bench sees it.
pub struct Floor {
    worker: process::Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _scratch: TempDir,
}

impl Floor {
    /// Starts the worker.
    pub fn start(network: Network) -> Result<Self, FloorError> {
        let scratch = TempDir::with_prefix("podling-bench-").map_err(FloorError::Start)?;
        let mut worker = Command::new("/proc/self/exe")
            .arg("--floor-worker")
            .arg(scratch.path())
            .args(["--network", network.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(FloorError::Start)?;
        let answers = worker
            .stdout
            .take()
            .expect("stdout was asked for as a pipe");
        Ok(Self {
            ask: worker.stdin.take(),
            worker,
            answers: BufReader::new(answers),
            _scratch: scratch,
        })
    }

    /// One whole life of a pod.
    pub fn cycle(&mut self) -> Result<Cycle, FloorError> {
        let mut ask = self.ask.as_ref().expect("stdin is open until the end");
        ask.write_all(b"pod\n").map_err(FloorError::Answer)?;
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(FloorError::Answer)?;
        decode(&line).ok_or_else(|| FloorError::Answer(io::ErrorKind::UnexpectedEof.into()))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // The worker ends, and cleans up, when nobody can ask any more.
        self.ask.take();
        let _ = self.worker.wait();
    }
}

/// The worker's side: measures one pod for each line on stdin.
pub fn serve(scratch: &Path, network: Network) -> Result<(), FloorError> {
    let floor = Worker::new(scratch, network).map_err(|source| FloorError::Work {
        attempt: "prepare the floor",
        source,
    })?;
    for line in io::stdin().lines() {
        line.map_err(FloorError::Answer)?;
        let cycle = floor.cycle()?;
        println!("{}", encode(&cycle));
    }
    Ok(())
}

fn encode(cycle: &Cycle) -> String {
    let times = Step::ALL.map(|step| cycle.took(step).as_nanos().to_string());
    times.join(" ")
}

fn decode(line: &str) -> Option<Cycle> {
    let mut cycle = Cycle::default();
    let mut times = line.split_whitespace();
    for step in Step::ALL {
        let nanoseconds = times.next()?.parse().ok()?;
        cycle.record(step, Duration::from_nanos(nanoseconds));
    }
    Some(cycle)
}

struct Worker {
    image: PathBuf,
    container: PathBuf,
    pause: CString,
    bridge: Option<Bridge>,
    parent: Parent,
}

/// Where programs are in the image.
const PAUSE: &str = "pause";
const TRUE: &str = "true";

impl Worker {
    fn new(scratch: &Path, network: Network) -> io::Result<Self> {
        leave_namespaces()?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private)?;
        let image = scratch.join("image");
        Root::image(&image)?;
        for (name, program) in [(PAUSE, Program::Pause), (TRUE, Program::True)] {
            let path = image.join(name);
            fs::write(&path, program.elf())?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let pause = image.join(PAUSE);
        Ok(Self {
            pause: CString::new(pause.as_os_str().as_bytes()).map_err(io::Error::other)?,
            image,
            container: scratch.join("container"),
            bridge: (network == Network::Pod).then(Bridge::new).transpose()?,
            parent: Parent::new(format!("podling-bench-floor-{}", process::id()))?,
        })
    }

    fn cycle(&self) -> Result<Cycle, FloorError> {
        let mut cycle = Cycle::default();
        let (pause, pod_group) = timed(&mut cycle, Step::RunPodSandbox, || self.run_sandbox())?;
        let root = timed(&mut cycle, Step::CreateContainer, || {
            Root::create(&self.image, self.container.clone())
        })?;
        let (container, group) = timed(&mut cycle, Step::StartContainer, || {
            self.start_container(&pause, &root)
        })?;
        timed(&mut cycle, Step::ExecSync, || exec(&container, &group))?;
        timed(&mut cycle, Step::StopContainer, || container.kill())?;
        timed(&mut cycle, Step::RemoveContainer, || {
            group.remove().and_then(|()| root.remove())
        })?;
        timed(&mut cycle, Step::StopPodSandbox, || pause.kill())?;
        timed(&mut cycle, Step::RemovePodSandbox, || pod_group.remove())?;
        Ok(cycle)
    }

    fn run_sandbox(&self) -> io::Result<(Child, Cgroup)> {
        let group = self.parent.group("pod")?;
        let own_network = match self.bridge {
            Some(_) => libc::CLONE_NEWNET,
            None => 0,
        };
        let others =
            libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWPID | libc::CLONE_NEWNS;
        let pause = Child::start(Namespaces(own_network | others), || {
            group.join()?;
            Err(execute(&self.pause))
        })?;
        if let Some(bridge) = &self.bridge {
            bridge.connect(pause.pidfd())?;
        }
        Ok((pause, group))
    }

    fn start_container(&self, pause: &Child, root: &Root) -> io::Result<(Child, Cgroup)> {
        let group = self.parent.limited_group("container")?;
        let own = Namespaces(libc::CLONE_NEWPID | libc::CLONE_NEWNS);
        let container = Child::start(own, || {
            group.join()?;
            let shared = ThreadNameSpaceType::NETWORK
                | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
                | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME;
            move_into_thread_name_spaces(pause.pidfd(), shared)?;
            root.enter()?;
            Err(execute(c"/pause"))
        })?;
        Ok((container, group))
    }
}

/// A pid namespace is entered by the children of who enters it, so there are two processes.
fn exec(container: &Child, group: &Cgroup) -> io::Result<()> {
    let all = ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::PROCESS_ID;
    let entered = Child::start(Namespaces::default(), || {
        group.join()?;
        move_into_thread_name_spaces(container.pidfd(), all)?;
        let inner = Child::start(Namespaces::default(), || Err(execute(c"/true")))?;
        let code = inner.wait()?;
        exit(code.unwrap_or(1))
    })?;
    match entered.wait()? {
        Some(0) => Ok(()),
        _ => Err(io::Error::other("the exec'd program failed")),
    }
}

fn timed<T>(
    cycle: &mut Cycle,
    step: Step,
    work: impl FnOnce() -> io::Result<T>,
) -> Result<T, FloorError> {
    let started = Instant::now();
    let done = work().map_err(|source| FloorError::Work {
        attempt: step.name(),
        source,
    })?;
    cycle.record(step, started.elapsed());
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_travels_from_the_worker_to_the_bench() {
        let mut cycle = Cycle::default();
        for (n, step) in (1..).zip(Step::ALL) {
            cycle.record(step, Duration::from_nanos(n));
        }
        assert_eq!(decode(&encode(&cycle)), Some(cycle));
        assert_eq!(decode("1 2 3"), None);
        assert_eq!(decode(""), None);
    }
}
