//! Starting pause: PID 1 of the pod's namespaces, in an empty root, with no privileges.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::MountFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::pause_filter;
use super::protocol::{PauseFilter, PauseLabels, PodNamespace, SandboxSpec};
use crate::model::process::CapabilityMasks;
use crate::sys::process::{Child, Clone3, Forked, clone3, exit_now};
use crate::sys::{
    cgroup, credentials, label, mount, oom, program, seccomp, signal, stdio, user_namespace,
};

/// What pause is made from.
#[derive(Debug)]
pub(super) struct Pause<'a> {
    /// What was asked.
    pub(super) spec: &'a SandboxSpec,
    /// The pause program.
    pub(super) program: BorrowedFd<'a>,
    /// A directory of the host's procfs.
    pub(super) host_proc: BorrowedFd<'a>,
    /// A directory that may be mounted over, in pause's own mount namespace.
    pub(super) mount_point: &'a Path,
}

impl Pause<'_> {
    /// Starts it; it executes its program when this returns.
    pub(super) fn start(&self) -> io::Result<Child> {
        let cgroup = cgroup::unified(&self.spec.cgroup_dirs)?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let (waiting, gate) = self.gate()?.unzip();
        let request = Clone3 {
            namespaces: namespaces(self.spec),
            cgroup: cgroup.as_ref().map(AsFd::as_fd),
            ..Clone3::default()
        };
        match clone3(request)? {
            Forked::Child => {
                drop(gate);
                self.fail(writer, waiting, cgroup.is_some())
            }
            Forked::Parent(child) => {
                drop((writer, waiting));
                self.open(gate, child.pid)?;
                let mut message = String::new();
                File::from(reader).read_to_string(&mut message)?;
                match message.is_empty() {
                    true => Ok(child),
                    false => Err(io::Error::other(message)),
                }
            }
        }
    }

    /// What a process with a user namespace of its own waits at until it has ids there.
    fn gate(&self) -> io::Result<Option<(OwnedFd, OwnedFd)>> {
        match self.spec.user_namespace {
            Some(_) => Ok(Some(pipe_with(PipeFlags::CLOEXEC)?)),
            None => Ok(None),
        }
    }

    /// Gives the new process its ids, and what it cannot take itself any more, and lets it go on.
    fn open(&self, gate: Option<OwnedFd>, pid: i32) -> io::Result<()> {
        if let (Some(ids), Some(gate)) = (&self.spec.user_namespace, gate) {
            user_namespace::map(self.host_proc, pid, ids).map_err(at("writing its ids"))?;
            oom::set_score_of(self.host_proc, pid, self.spec.oom_score_adj)
                .map_err(at("oom_score_adj"))?;
            File::from(gate).write_all(b"!")?;
        }
        Ok(())
    }

    /// Becomes pause or says why not.
    fn fail(&self, report: OwnedFd, waiting: Option<OwnedFd>, in_cgroup: bool) -> ! {
        let error = match self.become_pause(waiting, in_cgroup) {
            Ok(never) => match never {},
            Err(error) => error,
        };
        let _ = write!(File::from(report), "pause: {error}");
        exit_now(1)
    }

    fn become_pause(
        &self,
        waiting: Option<OwnedFd>,
        in_cgroup: bool,
    ) -> io::Result<std::convert::Infallible> {
        let spec = self.spec;
        let has_own_ids = waiting.is_some();
        if let Some(waiting) = waiting {
            File::from(waiting)
                .read_exact(&mut [0])
                .map_err(at("waiting for its ids"))?;
        }
        if !in_cgroup {
            cgroup::join(&spec.cgroup_dirs).map_err(at("joining the cgroup"))?;
        }
        let root = self
            .mount_empty_root()
            .map_err(at("mounting an empty root"))?;
        match has_own_ids {
            // From here on the host's files are anybody else's, and the namespaces its own.
            true => credentials::become_root().map_err(at("becoming root"))?,
            false => {
                oom::set_score(self.host_proc, spec.oom_score_adj).map_err(at("oom_score_adj"))?;
            }
        }
        if spec.network == PodNamespace::New && !spec.hostname.is_empty() {
            rustix::system::sethostname(spec.hostname.as_bytes())
                .map_err(|errno| at("setting the hostname")(errno.into()))?;
        }
        for (path, value) in &spec.sysctls {
            set_sysctl(path, value).map_err(at(&format!("sysctl {}", path.replace('/', "."))))?;
        }
        let null = stdio::null()?;
        stdio::install([null.as_fd(); 3])?;
        mount::pivot_into(root.as_fd()).map_err(at("entering an empty root"))?;
        self.execute()
    }

    /// Drops every privilege and executes the program.
    fn execute(&self) -> io::Result<std::convert::Infallible> {
        signal::reset()?;
        rustix::process::setsid()?;
        if let Some(PauseLabels { process, .. }) = &self.spec.labels {
            label::set_selinux_label(self.host_proc, process)
                .map_err(at(&format!("SELinux label {process:?}")))?;
        }
        let user = &self.spec.user;
        let ids = credentials::Ids {
            uid: user.uid,
            gid: user.gid,
            groups: &user.groups,
        };
        credentials::become_user(ids, &CapabilityMasks::default())
            .map_err(at("dropping privileges"))?;
        rustix::thread::set_no_new_privs(true)?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        stdio::close_others_on_exec()?;
        if self.spec.filter == PauseFilter::Own {
            seccomp::load(&pause_filter::filter()).map_err(at("loading its seccomp filter"))?;
        }
        Err(at("executing it")(program::execute_fd(
            self.program,
            &[c"/pause"],
        )))
    }

    /// Pause opens no file, so its root is an empty, read-only directory that holds nothing of
    /// the host for a container to find under `/proc/1/root`.
    fn mount_empty_root(&self) -> io::Result<OwnedFd> {
        let flags = mount::PLAIN | MountFlags::RDONLY;
        let labels = self.spec.labels.as_ref();
        let context = labels.map_or_else(String::new, PauseLabels::mount_option);
        let options = format!("mode=555,size=4k,nr_inodes=1{context}");
        mount::tmpfs(self.mount_point, flags, &options)?;
        mount::open_dir(self.mount_point)
    }
}

fn namespaces(spec: &SandboxSpec) -> u64 {
    let mut flags = libc::CLONE_NEWNS;
    if spec.user_namespace.is_some() {
        // Made first by the kernel, so that it owns all the others.
        flags |= libc::CLONE_NEWUSER;
    }
    if spec.network == PodNamespace::New {
        flags |= libc::CLONE_NEWNET | libc::CLONE_NEWUTS;
    }
    if spec.ipc == PodNamespace::New {
        flags |= libc::CLONE_NEWIPC;
    }
    if spec.pid == PodNamespace::New {
        flags |= libc::CLONE_NEWPID;
    }
    flags as u64
}

/// Sets a sysctl of the pod's namespaces, by its path below `/proc/sys`, which shows those of
/// whoever looks: so the host's procfs serves.
fn set_sysctl(path: &str, value: &str) -> io::Result<()> {
    File::options()
        .write(true)
        .open(Path::new("/proc/sys").join(path))?
        .write_all(value.as_bytes())
}

fn at(what: &str) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}
