//! Applying a `ProcessSpec` to this process, field by field, and executing its program.
//!
//! Runs in a fork of the monitor that is already in the container's cgroup and namespaces. The
//! order matters: what needs privileges comes before they go, and a filter that would forbid the
//! steps comes after them where the kernel allows (with no_new_privs).

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::protocol::ExecFailure;
use crate::model::process::{DEFAULT_UMASK, ProcessSpec};
use crate::sys::{credentials, label, program, rlimit, seccomp, signal, stdio, terminal};

/// A process to become.
#[derive(Debug)]
pub(super) struct Confinement<'a> {
    /// What to become.
    pub(super) process: &'a ProcessSpec,
    /// The container's compiled filter, when `process` asks for it.
    pub(super) filter: Option<Vec<u8>>,
    /// A directory of the host's procfs: the container's own may be covered by anything.
    pub(super) host_proc: BorrowedFd<'a>,
}

/// Descriptors 0, 1 and 2.
#[derive(Clone, Copy, Debug)]
pub(super) enum Streams<'a> {
    /// Those.
    Given(&'a [OwnedFd; 3]),
    /// All three the slave of this terminal, which also controls the process's session.
    Terminal(&'a OwnedFd),
}

impl Confinement<'_> {
    /// Becomes the process; returns only when that failed.
    pub(super) fn enter(&self, streams: Streams<'_>) -> Result<Infallible, ExecFailure> {
        let process = self.process;
        self.prepare(streams)?;
        let at_cwd = self.enter_cwd();
        let ids = credentials::Ids {
            uid: process.uid,
            gid: process.gid,
            groups: &process.groups,
        };
        if !process.no_new_privs {
            self.load_filter()?;
        }
        credentials::become_user(ids, &process.capabilities)
            .map_err(|error| failed("setting user and capabilities", &error))?;
        // A change of credentials clears it, so it can only come now.
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|errno| failed("parent death signal", &errno.into()))?;
        // As root first, as the first process of a container does; what root may not enter (a file
        // system of another machine, say) the user may.
        at_cwd.or_else(|_| self.enter_cwd())?;
        let path = program::search_path(process.env.iter().map(Vec::as_slice));
        let name = process.args.first().map_or("", String::as_str);
        let file = program::find(name, path).map_err(|error| not_executed(&error))?;
        stdio::close_others_on_exec().map_err(|error| failed("closing descriptors", &error))?;
        if process.no_new_privs {
            rustix::thread::set_no_new_privs(true)
                .map_err(|errno| failed("no_new_privs", &errno.into()))?;
            self.load_filter()?;
        }
        Err(not_executed(&program::execute(
            &file,
            &process.args,
            &process.env,
        )))
    }

    /// Session, streams, limits, labels: what needs the monitor's privileges.
    fn prepare(&self, streams: Streams<'_>) -> Result<(), ExecFailure> {
        let process = self.process;
        signal::reset().map_err(|error| failed("signals", &error))?;
        rustix::process::setsid().map_err(|errno| failed("setsid", &errno.into()))?;
        streams.install()?;
        for limit in &process.rlimits {
            rlimit::set(limit).map_err(|error| failed("resource limit", &error))?;
        }
        let mask = process.umask.unwrap_or(DEFAULT_UMASK);
        rustix::process::umask(Mode::from_raw_mode(mask & 0o777));
        if let Some(profile) = &process.apparmor_profile {
            label::set_apparmor_profile(self.host_proc, profile)
                .map_err(|error| failed(&format!("AppArmor profile {profile:?}"), &error))?;
        }
        if let Some(label) = &process.selinux_label {
            label::set_selinux_label(self.host_proc, label)
                .map_err(|error| failed(&format!("SELinux label {label:?}"), &error))?;
        }
        Ok(())
    }

    fn load_filter(&self) -> Result<(), ExecFailure> {
        match &self.filter {
            Some(filter) => {
                seccomp::load(filter).map_err(|error| failed("loading the seccomp filter", &error))
            }
            None => Ok(()),
        }
    }

    /// Goes to the working directory and makes sure that it lies within the container's root: a descriptor of the host that leaked into a container
    /// must not serve as a way out (the class of CVE-2024-21626).
    fn enter_cwd(&self) -> Result<(), ExecFailure> {
        let cwd = match self.process.cwd.as_str() {
            "" => "/",
            cwd => cwd,
        };
        let to_cwd = |error: io::Error| ExecFailure {
            message: format!("chdir to cwd ({cwd:?}) failed: {error}"),
            code: 128,
        };
        rustix::process::chdir(cwd).map_err(|errno| to_cwd(errno.into()))?;
        let reached = rustix::process::getcwd(Vec::new()).map_err(|errno| to_cwd(errno.into()))?;
        match reached.as_bytes().first() {
            Some(b'/') => Ok(()),
            _ => Err(to_cwd(io::Error::other("it is outside of the container"))),
        }
    }
}

impl Streams<'_> {
    fn install(self) -> Result<(), ExecFailure> {
        let streams = match self {
            Self::Given([stdin, stdout, stderr]) => [stdin, stdout, stderr],
            Self::Terminal(slave) => {
                terminal::control(slave.as_fd())
                    .map_err(|error| failed("controlling terminal", &error))?;
                [slave; 3]
            }
        };
        stdio::install(streams.map(AsFd::as_fd)).map_err(|error| failed("standard streams", &error))
    }
}

/// Streams for a process: those given, /dev/null for the rest.
pub(super) fn all_streams(given: [Option<OwnedFd>; 3]) -> io::Result<[OwnedFd; 3]> {
    let null = stdio::null()?;
    let [stdin, stdout, stderr] = given;
    // Above 2 all of them, so that putting one into place never overwrites another.
    let or_null = |fd: Option<OwnedFd>| match fd {
        Some(fd) => stdio::out_of_the_way(fd),
        None => stdio::out_of_the_way(null.as_fd()),
    };
    Ok([or_null(stdin)?, or_null(stdout)?, or_null(stderr)?])
}

/// A failure that is not the program's.
pub(super) fn failed(what: &str, error: &io::Error) -> ExecFailure {
    ExecFailure {
        message: format!("exec failed: {what}: {error}"),
        code: 128,
    }
}

fn not_executed(error: &program::ProgramError) -> ExecFailure {
    ExecFailure {
        message: error.to_string(),
        code: error.code(),
    }
}
