//! RunPodSandbox: from a reserved name to a pause that runs on a working network.
//!
//! Each step is recorded, or leaves a trace that `tear_down` finds by the sandbox's id, before the
//! next is begun.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oci_spec::runtime::LinuxResources;
use tokio::time::sleep;

use super::error::{LifecycleError, chain};
use super::events::EventKind;
use super::pod::Pod;
use super::{labels, nri, paths, scope, stop_sandbox, tear_down};
use crate::failpoint;
use crate::host;
use crate::metrics::Phase;
use crate::model::SandboxState;
use crate::model::config::{NamespaceMode, SandboxSecurity, SecurityProfile};
use crate::monitor::Events as MonitorEvents;
use crate::monitor::protocol::{PauseFilter, PauseLabels, PauseUser, PodNamespace, SandboxSpec};
use crate::monitor::{MonitorClient, Prepared};
use crate::network::{AttachRequest, Wishes};
use crate::spec::{self, HostFacts, files};

/// What pause runs as when the client does not say: the user of every infra image.
const PAUSE_ID: u32 = 65535;
/// Pause is the last to be killed for memory, as upstream has it.
const PAUSE_OOM_SCORE_ADJ: i32 = -998;
/// Before what could not be undone is tried again; twice as long each time.
const UNDO_PAUSE: Duration = Duration::from_secs(1);
/// No longer than this.
const LONGEST_UNDO_PAUSE: Duration = Duration::from_secs(60);
/// Size of a pod's /dev/shm, as everywhere.
const SHM_SIZE: u64 = 64 << 20;

/// Makes the sandbox of `pod`. On an error the caller undoes what exists.
pub(super) async fn bring_up(pod: &mut Pod) -> Result<MonitorEvents, LifecycleError> {
    accept_wishes(pod)?;
    pod.parts
        .store
        .sandboxes
        .create(&pod.sandbox)
        .map_err(|error| LifecycleError::failed("record the sandbox", error))?;
    failpoint::reach("run_sandbox.reserved");
    write_files(pod)?;
    let metrics = pod.parts.metrics.clone();
    let (monitor, cgroup_dirs) = metrics
        .phase(Phase::SandboxCgroup, make_cgroup(pod))
        .await?;
    failpoint::reach("run_sandbox.cgroup");
    let starting = start_monitor(pod, monitor, cgroup_dirs);
    let (monitor, pause_pid) = metrics.phase(Phase::SandboxMonitor, starting).await?;
    failpoint::reach("run_sandbox.monitor");
    let joining = join_network(pod, pause_pid);
    let ips = metrics.phase(Phase::SandboxNetwork, joining).await?;
    let events = monitor
        .subscribe()
        .await
        .map_err(|error| LifecycleError::failed("listen to the monitor", error))?;
    let underway = pod.parts.nri.underway().await;
    nri::run_pod(pod, &ips, pause_pid).await?;
    if let Err(error) = pod.set_sandbox(SandboxState::Ready { ips, pause_pid }) {
        nri::pod_undone(pod).await;
        return Err(error);
    }
    drop(underway);
    failpoint::reach("run_sandbox.ready");
    let id = pod.sandbox.id.clone();
    pod.tell(id.as_str(), EventKind::Created);
    pod.tell(id.as_str(), EventKind::Started);
    Ok(events)
}

/// Refuses what the network cannot give the pod, before anything of it exists.
fn accept_wishes(pod: &Pod) -> Result<(), LifecycleError> {
    let config = &pod.sandbox.config;
    if config.security.namespaces.network == NamespaceMode::Node {
        return Ok(());
    }
    let accepted = pod
        .parts
        .network
        .accept(&pod.sandbox.id, &Wishes::of(config));
    accepted.map_err(|error| match error.is_refusal() {
        true => LifecycleError::Invalid(error.to_string()),
        false => LifecycleError::failed("find a network for the pod", error),
    })
}

/// Ends what `bring_up` began, and forgets the sandbox: to its client it never existed.
pub(super) async fn undo(pod: &Pod) -> Result<(), LifecycleError> {
    let removed = take_away(pod).await;
    pod.parts
        .pods
        .forget(&pod.sandbox.config.metadata, &pod.sandbox.id);
    removed
}

/// Ends what `undo` could not, as often as it takes. The record stays until then, so the next start
/// of the runtime goes on with it.
pub(super) async fn keep_undoing(pod: &Pod, mut error: LifecycleError) {
    let mut pause = UNDO_PAUSE;
    loop {
        tell_not_undone(pod, &error);
        tokio::select! {
            // Cancelling loses nothing: the record is there.
            () = pod.parts.shutdown.cancelled() => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_UNDO_PAUSE);
        match take_away(pod).await {
            Ok(()) => return,
            Err(again) => error = again,
        }
    }
}

fn tell_not_undone(pod: &Pod, error: &LifecycleError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(sandbox = %pod.sandbox.id, error, "a failed sandbox was not undone");
}

async fn take_away(pod: &Pod) -> Result<(), LifecycleError> {
    tear_down::tear_down(&pod.parts, &pod.sandbox, &[]).await?;
    stop_sandbox::remove_run_dir(pod)?;
    let store = &pod.parts.store.sandboxes;
    let removed = store.discard(&pod.sandbox.id).and_then(|()| store.sweep());
    removed.map_err(|error| LifecycleError::failed("forget the sandbox", error))
}

/// The run directory, and the files that containers are shown.
fn write_files(pod: &Pod) -> Result<(), LifecycleError> {
    let config = &pod.sandbox.config;
    let dir = pod.parts.layout.sandbox_dir(&pod.sandbox.id);
    let run_dir = pod.parts.layout.sandbox_run_dir(&pod.sandbox.id);
    let bad_text = |error| LifecycleError::failed("make the sandbox's files", error);
    let hostname = match config.hostname.as_str() {
        "" => &pod.parts.host.hostname,
        given => given,
    };
    let hostname = files::hostname(hostname).map_err(bad_text)?;
    let resolv_conf = config
        .dns
        .as_ref()
        .map(files::resolv_conf)
        .transpose()
        .map_err(bad_text)?;
    let written = make_run_dir(&run_dir)
        .and_then(|()| fs::write(dir.join("hostname"), hostname))
        .and_then(|()| match resolv_conf {
            Some(text) => fs::write(dir.join("resolv.conf"), text),
            None => copy_or_empty("/etc/resolv.conf", &dir.join("resolv.conf")),
        })
        .and_then(|()| copy_or_empty("/etc/hosts", &dir.join("hosts")));
    written.map_err(|error| LifecycleError::failed("write the sandbox's files", error))?;
    label_files(pod, &dir)
}

/// They are the pod's to SELinux too.
fn label_files(pod: &Pod, dir: &Path) -> Result<(), LifecycleError> {
    let Some(labels) = &pod.sandbox.selinux else {
        return Ok(());
    };
    let files = ["hostname", "resolv.conf", "hosts"].map(|name| dir.join(name));
    let labelled = files
        .iter()
        .try_for_each(|file| host::label_tree(file, &labels.mount));
    labelled.map_err(|error| LifecycleError::failed("label the sandbox's files", error))
}

/// A copy of a file of the host, which a host may also lack.
fn copy_or_empty(from: &str, to: &Path) -> io::Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::write(to, ""),
        copied => copied.map(|_| ()),
    }
}

fn make_run_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// A monitor comes with the cgroup where systemd wants a process to begin it with.
async fn make_cgroup(pod: &Pod) -> Result<(Option<Prepared>, Vec<PathBuf>), LifecycleError> {
    let monitor = scope::begin(pod).await?;
    failpoint::reach("run_sandbox.scope");
    let path = paths::cgroup(&pod.parts, &pod.sandbox, pod.sandbox.id.as_str())?;
    let cgroups = pod.parts.cgroups.clone();
    let made = paths::blocking(format!("make cgroup {path}"), move || {
        cgroups.create(&path, &LinuxResources::default())
    });
    Ok((monitor, made.await?))
}

async fn start_monitor(
    pod: &Pod,
    prepared: Option<Prepared>,
    cgroup_dirs: Vec<PathBuf>,
) -> Result<(MonitorClient, i32), LifecycleError> {
    let run_dir = pod.parts.layout.sandbox_run_dir(&pod.sandbox.id);
    let spec = sandbox_spec(pod, cgroup_dirs)?;
    let started = match prepared {
        Some(monitor) => monitor.begin(&spec).await,
        None => MonitorClient::spawn(&run_dir, &pod.parts.programs.monitor, &spec).await,
    };
    let (client, pause) =
        started.map_err(|error| LifecycleError::failed("start the pod's monitor", error))?;
    Ok((client, pause.pid))
}

fn sandbox_spec(pod: &Pod, cgroup_dirs: Vec<PathBuf>) -> Result<SandboxSpec, LifecycleError> {
    let config = &pod.sandbox.config;
    let security = &config.security;
    let sysctls = spec::sysctls(&config.sysctls, &security.namespaces)
        .map_err(|error| LifecycleError::failed("set the pod's sysctls", error))?;
    Ok(SandboxSpec {
        id: pod.sandbox.id.clone(),
        pause: pod.parts.programs.pause.clone(),
        launch: pod.parts.programs.launch.clone(),
        hostname: config.hostname.clone(),
        network: pod_namespace(&security.namespaces.network),
        ipc: pod_namespace(&security.namespaces.ipc),
        pid: pod_namespace(&security.namespaces.pid),
        sysctls,
        user: pause_user(security),
        cgroup_dirs,
        oom_score_adj: PAUSE_OOM_SCORE_ADJ,
        shm_size: SHM_SIZE,
        filter: pause_filter(&security.seccomp)?,
        user_namespace: security.namespaces.user,
        labels: pause_labels(pod),
    })
}

fn pause_labels(pod: &Pod) -> Option<PauseLabels> {
    let process = labels::of_pause(&pod.sandbox, &pod.parts.host)?;
    Some(PauseLabels {
        process: process.to_string(),
        mount: pod.sandbox.selinux.as_ref()?.mount.to_string(),
    })
}

/// A profile of the node must exist and be one, as for a container. Pause gets its own filter all
/// the same, which allows less than any profile that pause could run under.
fn pause_filter(profile: &SecurityProfile) -> Result<PauseFilter, LifecycleError> {
    match profile {
        SecurityProfile::Unconfined => Ok(PauseFilter::None),
        SecurityProfile::RuntimeDefault => Ok(PauseFilter::Own),
        SecurityProfile::Localhost(path) => {
            let invalid = |error: &dyn std::error::Error| LifecycleError::Invalid(chain(error));
            let text = host::seccomp_profile(profile).map_err(|error| invalid(&error))?;
            spec::check_seccomp_profile(profile, text.as_deref())
                .map_err(|error| invalid(&error))?;
            tracing::info!(
                path,
                "pause runs under its own seccomp filter, which allows less"
            );
            Ok(PauseFilter::Own)
        }
    }
}

/// Pause's own id is the last one of a user namespace that is too short to have it.
fn pause_user(security: &SandboxSecurity) -> PauseUser {
    let own = match security.namespaces.user {
        Some(namespace) => PAUSE_ID.min(namespace.length - 1),
        None => PAUSE_ID,
    };
    PauseUser {
        uid: security.run_as_user.unwrap_or(own),
        gid: security.run_as_group.unwrap_or(own),
        groups: security.supplemental_groups.clone(),
    }
}

/// Refuses a user namespace that this machine cannot make, or in which pause would be nobody.
pub(super) fn check_user_namespace(
    security: &SandboxSecurity,
    host: &HostFacts,
) -> Result<(), LifecycleError> {
    let Some(namespace) = security.namespaces.user else {
        return Ok(());
    };
    if !host.user_namespaces {
        let why =
            "user namespaces are not possible on this machine: see the runtime's log at its start";
        return Err(LifecycleError::Invalid(why.to_owned()));
    }
    let user = pause_user(security);
    let mut ids = [user.uid, user.gid].into_iter().chain(user.groups);
    match ids.find(|&id| !namespace.has(id)) {
        Some(id) => Err(LifecycleError::Invalid(format!(
            "user or group {id} of the sandbox does not exist in its user namespace, which has {} ids",
            namespace.length
        ))),
        None => Ok(()),
    }
}

fn pod_namespace(mode: &NamespaceMode) -> PodNamespace {
    match mode {
        NamespaceMode::Node => PodNamespace::Host,
        // Pause has a pid namespace of its own also when no container shares it.
        NamespaceMode::Pod | NamespaceMode::Container | NamespaceMode::Target(_) => {
            PodNamespace::New
        }
    }
}

/// Sets apart what the pod needs of its network, records that, and attaches the pod. Nothing on the
/// host's network.
async fn join_network(pod: &mut Pod, pause_pid: i32) -> Result<Vec<IpAddr>, LifecycleError> {
    let config = &pod.sandbox.config;
    if config.security.namespaces.network == NamespaceMode::Node {
        return Ok(Vec::new());
    }
    let request = AttachRequest {
        id: pod.sandbox.id.clone(),
        pause_pid,
        wishes: Wishes::of(config),
    };
    let network = Arc::clone(&pod.parts.network);
    let reserved = network
        .reserve(&request.id)
        .map_err(|error| LifecycleError::failed("find a network for the pod", error))?;
    let ips = reserved.addresses().to_vec();
    pod.set_sandbox(SandboxState::Networked { ips })?;
    failpoint::reach("run_sandbox.networked");
    let ips = paths::blocking("connect the pod to the network".to_owned(), move || {
        network.attach(reserved, &request)
    })
    .await?;
    failpoint::reach("run_sandbox.attached");
    Ok(ips)
}
