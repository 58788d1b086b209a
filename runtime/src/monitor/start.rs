//! How a monitor begins: from a fresh process to a serving one.
//!
//! The daemon leaves a socket as descriptor 0, the lock as descriptor 1, and the run directory as
//! the working directory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::Mode;
use rustix::mount::MountFlags;
use rustix::process::{DumpableBehavior, set_child_subreaper, set_dumpable_behavior};
use rustix::thread::ThreadNameSpaceType;

use super::client::SOCKET;
use super::exec;
use super::exits::ExitRecords;
use super::pause::Pause;
use super::protocol::{PauseLabels, PauseStarted, PodNamespace, Reply, SandboxSpec};
use super::server::{Monitor, Surroundings};
use super::wire;
use crate::sys::{mount, seqpacket, signal, stdio};

/// Runs a monitor; returns the exit code of the process.
pub fn main() -> i32 {
    let (socket, lock) = match take_descriptors() {
        Ok(taken) => taken,
        Err(error) => {
            eprintln!("podling-monitor is started by podling, with a socket as stdin: {error}");
            return 2;
        }
    };
    let result = begin(socket);
    drop(lock);
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("podling-monitor: {error}");
            1
        }
    }
}

fn begin(socket: OwnedFd) -> io::Result<()> {
    let started = match wire::receive::<SandboxSpec>(socket.as_fd())? {
        Some(message) => start(&message.body),
        None => return Ok(()),
    };
    let reply = match &started {
        Ok(serving) => Reply::Started(PauseStarted {
            pid: serving.pause_pid,
        }),
        Err(error) => Reply::Failed {
            message: format!("starting the sandbox: {error}"),
        },
    };
    // If the daemon has died meanwhile, the next one finds the sandbox by its lock.
    let _ = wire::send(socket.as_fd(), &reply, &[]);
    drop(socket);
    let mut serving = started?;
    serving.monitor.run(serving.signals, serving.listener)
}

/// A monitor that is ready to serve.
struct Serving {
    monitor: Monitor,
    signals: OwnedFd,
    listener: OwnedFd,
    pause_pid: i32,
}

fn start(spec: &SandboxSpec) -> io::Result<Serving> {
    let run_dir = std::env::current_dir()?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    redirect_errors(&run_dir)?;
    rustix::process::setsid()?;
    set_child_subreaper(Some(rustix::process::getpid()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let host_mounts = mount::own_namespace()?;
    mount::unshare_mounts()?;
    rustix::process::chdir("/")?;
    if spec.ipc == PodNamespace::New {
        mount_shm(&run_dir, spec)?;
    }
    let launch = program(&spec.launch)?;
    let pause = pause_program(spec)?;
    let host_proc = mount::open_dir(Path::new("/proc"))?;
    let exits = ExitRecords::open(&run_dir)?;
    let signals = signal::descriptor(&[libc::SIGCHLD, libc::SIGTERM])?;
    let listener = seqpacket::listen(&run_dir, SOCKET)?;
    let pause = Pause {
        spec,
        program: pause.as_fd(),
        host_proc: host_proc.as_fd(),
        mount_point: &run_dir,
    }
    .start()?;
    let pause_pid = pause.pid;
    let surroundings = Surroundings {
        launch,
        host_proc,
        host_mounts,
        namespaces: namespaces(spec),
        exits,
        run_dir,
        cgroup_dirs: spec.cgroup_dirs.clone(),
    };
    let monitor = Monitor::new(surroundings, pause)?;
    Ok(Serving {
        monitor,
        signals,
        listener,
        pause_pid,
    })
}

/// The daemon's descriptors 0 and 1, with /dev/null in their places.
fn take_descriptors() -> io::Result<(OwnedFd, OwnedFd)> {
    let null = stdio::null()?;
    let socket = stdio::out_of_the_way(rustix::stdio::stdin())?;
    let lock = stdio::out_of_the_way(rustix::stdio::stdout())?;
    rustix::net::sockopt::socket_type(&socket)?;
    stdio::install([null.as_fd(), null.as_fd(), rustix::stdio::stderr()])?;
    Ok((socket, lock))
}

/// Errors go to a file of the run directory: the daemon's stderr must not be held open by a
/// process that outlives it.
fn redirect_errors(run_dir: &Path) -> io::Result<()> {
    let path = run_dir.join("monitor.log");
    let log = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    rustix::stdio::dup2_stderr(&log)?;
    Ok(())
}

/// The namespaces that containers of the pod may have of their own.
fn namespaces(spec: &SandboxSpec) -> ThreadNameSpaceType {
    match spec.user_namespace {
        Some(_) => exec::NAMESPACES | ThreadNameSpaceType::USER,
        // Joining the namespace that one is in already is an error.
        None => exec::NAMESPACES,
    }
}

/// The pod's shared memory belongs to the root of its user namespace.
fn mount_shm(run_dir: &Path, spec: &SandboxSpec) -> io::Result<()> {
    let size = spec.shm_size;
    let (uid, gid) = spec.user_namespace.map_or((0, 0), |user_namespace| {
        (user_namespace.uid, user_namespace.gid)
    });
    let dir = run_dir.join("shm");
    match std::fs::create_dir(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let labels = spec.labels.as_ref();
    let context = labels.map_or_else(String::new, PauseLabels::mount_option);
    let options = format!("mode=1777,size={size},uid={uid},gid={gid}{context}");
    mount::tmpfs(&dir, flags, &options)
}

/// What a label lets a process begin with are files of containers.
fn pause_program(spec: &SandboxSpec) -> io::Result<OwnedFd> {
    match &spec.labels {
        None => program(&spec.pause),
        Some(labels) => mount::labelled_program(&spec.pause, &labels.mount)
            .map_err(|error| named(&spec.pause, &error)),
    }
}

fn program(path: &Path) -> io::Result<OwnedFd> {
    mount::read_only_program(path).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
