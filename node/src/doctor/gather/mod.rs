//! Looks at the machine. What cannot be read is told as it is, and judged later.

mod cni;
mod files;

use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use podling_runtime::host::{can_have_user_namespaces, selinux_state, trial};
use podling_runtime::layout::Layout;
use podling_runtime::spec::Selinux;
use podling_systemd::Systemd;
use rustix::process::{Resource, getrlimit};

use super::facts::{Facts, Kernel, Process, Trial};
use crate::daemon::config::{self, Flags, RuntimeConfiguration};
use crate::daemon::{DEFAULT_CGROUP_PARENT, missing_programs};
use crate::{chain, cri};

/// Sockets of runtimes that kubelets use.
const OTHER_RUNTIMES: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
];
/// systemd answers at once, or is not well.
const SYSTEMD_PATIENCE: Duration = Duration::from_secs(2);
/// Where a kubelet serves on the machine's own node.
const KUBELET: &str = "127.0.0.1:10255";

/// Everything that is judged.
pub(super) async fn facts(layout: &Layout, named: Option<&Path>) -> Facts {
    let (configuration, problems) = configuration(layout, named);
    // A root that was never used is not made only to be looked at.
    let images = nearest(&layout.state_dir());
    let kernel = kernel(&images);
    Facts {
        cgroups: files::cgroups(
            told(trial::cgroup()),
            configuration.cgroup_driver,
            systemd(),
        ),
        sysctls: files::sysctls(),
        cni: cni::look(layout, &configuration.network),
        process: process(),
        disk: files::disk(&images),
        security_modules: files::security_modules(),
        has_apparmor_parser: files::has_program("apparmor_parser"),
        lacks_container_labels: selinux_state() == Selinux::Enabled(None),
        addresses: addresses(layout, &configuration),
        other_runtimes: other_runtimes(),
        is_running: cri::connect(&layout.socket()).await.is_ok(),
        now: now(),
        configuration: problems,
        missing_programs: missing_programs().unwrap_or_default(),
        kernel,
    }
}

fn configuration(layout: &Layout, named: Option<&Path>) -> (RuntimeConfiguration, Trial) {
    let (documents, mut problems) = config::read(layout, named);
    let defaults = RuntimeConfiguration::defaults(layout, DEFAULT_CGROUP_PARENT);
    let document = documents.runtime.as_ref();
    let configuration = config::runtime(defaults, document, Flags::default(), &mut problems);
    (
        configuration,
        problems.none().map_err(|all| all.to_string()),
    )
}

/// The trial of the network comes first: it makes the kernel load what connections are tracked with.
fn kernel(images: &Path) -> Kernel {
    let network = told(trial::network(&std::env::temp_dir()));
    Kernel {
        release: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        overlay: trial::overlay(images).map_err(|error| chain(&error)),
        user_namespaces: can_have_user_namespaces(images).map_err(|error| chain(&error)),
        seccomp: trial::seccomp().map_err(|error| chain(&error)),
        pidfd: trial::pidfd().map_err(|error| chain(&error)),
        network,
        conntrack: Path::new("/proc/sys/net/netfilter/nf_conntrack_max").exists(),
    }
}

/// Whether it answers, if it runs the machine.
fn systemd() -> Option<Trial> {
    let asked = Systemd::of_this_machine().within(SYSTEMD_PATIENCE);
    Systemd::runs_this_machine().then(|| asked.greet().map_err(|error| chain(&error)))
}

fn told(trial: Result<(), Box<dyn Error + Send + Sync>>) -> Trial {
    trial.map_err(|error| chain(&*error))
}

fn process() -> Process {
    Process {
        is_root: rustix::process::geteuid().is_root(),
        capabilities: files::capabilities(),
        open_files: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    }
}

/// Those with a port that is known beforehand.
fn addresses(layout: &Layout, configuration: &RuntimeConfiguration) -> Vec<(String, Trial)> {
    let kubelet =
        (layout.root() == Path::new("/")).then(|| KUBELET.parse().expect("it is an address"));
    let all: [Option<SocketAddr>; 3] = [
        kubelet,
        Some(configuration.streaming.address),
        configuration.metrics_address,
    ];
    all.into_iter()
        .flatten()
        .filter(|address| address.port() != 0)
        .map(|address| {
            let free = TcpListener::bind(address).map(drop);
            let why = |error: std::io::Error| match error.kind() {
                ErrorKind::AddrInUse => "somebody listens there".to_owned(),
                _ => error.to_string(),
            };
            (address.to_string(), free.map_err(why))
        })
        .collect()
}

fn other_runtimes() -> Vec<PathBuf> {
    let all = OTHER_RUNTIMES.iter().map(PathBuf::from);
    all.filter(|socket| UnixStream::connect(socket).is_ok())
        .collect()
}

/// The directory, or the nearest above it that is there.
fn nearest(directory: &Path) -> PathBuf {
    let mut above = directory.ancestors();
    let there = above.find(|path| path.is_dir());
    there.unwrap_or(Path::new("/")).to_owned()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
