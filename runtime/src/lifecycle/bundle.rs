//! What CreateContainer prepares for StartContainer and for execs, in the container's directory.
//!
//! ```text
//! config.json    the OCI spec                           read by podling-launch
//! launch.json    cgroup limits, request to the monitor  read at StartContainer
//! process.json   what an exec in it must run as         read at each exec
//! upper/ work/   the writable layer                   rootfs/ is where it gets mounted
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxResources, Spec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::LifecycleError;
use super::pod::Pod;
use super::{device_edits, labels, paths};
use crate::cdi::{self, Edits, LookUpError, NameError};
use crate::cgroup::CgroupPath;
use crate::host::{self, DeviceError, LabelError, MountError, ProfileError};
use crate::image::ImageRecord;
use crate::model::config::{ContainerConfig, NamespaceMode, Resources};
use crate::model::container::User;
use crate::model::process::ProcessSpec;
use crate::model::{ContainerRecord, ContainerState};
use crate::monitor::protocol::{LaunchFailure, LaunchRequest, OciLaunch};
use crate::nri::{AdjustError, Adjustment};
use crate::snapshot::{self, ImageTree, Overlay, SnapshotError};
use crate::spec::{
    self, Accounts, ContainerSpec, ExecCommand, ExecError, HostFacts, ImageFacts, SandboxFacts,
    SpecError, SpecInput,
};

/// Why a container's directory could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(super) enum BundleError {
    /// A mount of the request cannot be made.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A device of the request cannot be given.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A CDI device of the request has no proper name.
    #[error(transparent)]
    CdiName(#[from] NameError),
    /// A CDI device of the request cannot be given.
    #[error(transparent)]
    CdiDevice(#[from] LookUpError),
    /// The descriptions of CDI devices cannot be read.
    #[error("read the descriptions of CDI devices")]
    CdiDirectory(#[source] io::Error),
    /// A profile that the request names cannot be had.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Something cannot have its SELinux label.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The writable layer cannot be made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The request makes no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// What plugins want of the container cannot be.
    #[error(transparent)]
    Adjust(#[from] AdjustError),
    /// The spec cannot be carried over to execs.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A file cannot be written.
    #[error("write {path}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl BundleError {
    /// Whether another request could be carried out.
    pub(super) fn is_of_the_request(&self) -> bool {
        match self {
            Self::Mount(_)
            | Self::Device(_)
            | Self::CdiName(_)
            | Self::CdiDevice(_)
            | Self::Profile(_)
            | Self::Label(_)
            | Self::Spec(_)
            | Self::Adjust(_)
            | Self::Exec(_) => true,
            Self::CdiDirectory(_) | Self::Snapshot(_) | Self::Write { .. } => false,
        }
    }
}

/// Everything a container's directory is made from.
pub(super) struct Bundle {
    dir: PathBuf,
    container: ContainerRecord,
    layers: Vec<PathBuf>,
    image: ImageFacts,
    accounts: Accounts,
    sandbox: SandboxFacts,
    host: HostFacts,
    cgroup_path: CgroupPath,
    log_path: Option<PathBuf>,
    seccomp_cache: PathBuf,
    cdi_dirs: Vec<PathBuf>,
    image_volumes: Vec<ImageTree>,
    oci: Option<OciLaunch>,
}

/// A container that is described, and of which only its layer is on disk.
pub(super) struct Draft {
    bundle: Bundle,
    overlay: Overlay,
    described: ContainerSpec,
}

/// What turned out while the directory was prepared.
pub(super) struct Prepared {
    pub(super) stop_signal: i32,
    pub(super) user: User,
    pub(super) resources: Resources,
}

impl Bundle {
    pub(super) fn of(
        pod: &Pod,
        container: ContainerRecord,
        image: ImageRecord,
        accounts: Accounts,
        pause_pid: i32,
    ) -> Result<Self, LifecycleError> {
        Ok(Self {
            dir: pod.parts.layout.container_dir(&container.id),
            layers: image.layers.clone(),
            image: image_facts(image),
            accounts,
            sandbox: sandbox_facts(pod, &container.config, pause_pid)?,
            host: paths::host(&pod.parts, &pod.sandbox)?,
            oci: paths::oci_launch(&pod.parts, &pod.sandbox)?,
            cgroup_path: paths::cgroup(&pod.parts, &pod.sandbox, container.id.as_str())?,
            log_path: log_path(
                &pod.sandbox.config.log_directory,
                &container.config.log_path,
            ),
            seccomp_cache: pod.parts.layout.seccomp_cache(),
            cdi_dirs: pod.parts.layout.cdi_dirs(),
            image_volumes: Vec::new(),
            container,
        })
    }

    /// The same with the images that its mounts show.
    pub(super) fn with_images(self, image_volumes: Vec<ImageTree>) -> Self {
        Self {
            image_volumes,
            ..self
        }
    }

    /// Makes the layer and describes the container. Blocks.
    pub(super) fn draft(self) -> Result<Draft, BundleError> {
        let user_namespace = self.sandbox.user_namespace.as_ref();
        let overlay = snapshot::create(&self.layers, &self.dir, user_namespace)?;
        let described = self.describe(&overlay.target)?;
        Ok(Draft {
            bundle: self,
            overlay,
            described,
        })
    }

    /// Prepares the directory. Blocks.
    fn write(self, overlay: Overlay, described: &ContainerSpec) -> Result<Prepared, BundleError> {
        let user_namespace = self.sandbox.user_namespace.as_ref();
        for note in &described.notes {
            tracing::info!(container = %self.container.id, "{note}");
        }
        labels::give_volumes(&described.spec, &self.container.config)?;
        let template = exec_template(&described.spec)?;
        let user = User {
            uid: template.uid,
            gid: template.gid,
            groups: template.groups.clone(),
        };
        let request = LaunchRequest {
            container_id: self.container.id.clone(),
            bundle: self.dir.clone(),
            overlay,
            directories: described.directories.clone(),
            cgroup_dirs: Vec::new(),
            log_path: self.log_path.clone(),
            tty: self.container.config.tty,
            stdin: self.container.config.stdin,
            stdin_once: self.container.config.stdin_once,
            seccomp_cache: Some(self.seccomp_cache),
            shm_dir: self.sandbox.own_shm_dir(),
            image_volumes: self.image_volumes,
            owner: user_namespace
                .and_then(|namespace| namespace.on_host(0, 0))
                .unwrap_or_default(),
            oci: self.oci,
        };
        write_json(&self.dir.join("config.json"), &described.spec)?;
        let limits = cgroup_limits(&described.spec);
        write_json(&self.dir.join("launch.json"), &Launch { limits, request })?;
        write_json(&self.dir.join("process.json"), &template)?;
        Ok(Prepared {
            stop_signal: described.stop_signal,
            user,
            resources: self.container.config.resources,
        })
    }

    fn describe(&self, rootfs: &Path) -> Result<ContainerSpec, BundleError> {
        let edits = self.edits()?;
        let config = &device_edits::request(&self.container.config, &edits);
        let mounts = host::resolve_mounts(&config.mounts)?;
        let devices = device_edits::devices(config, &edits)?;
        let device_mounts = device_edits::mounts(edits);
        let profile = host::seccomp_profile(&config.security.seccomp)?;
        host::check_apparmor_profile(config.security.apparmor.as_ref())?;
        let described = spec::container_spec(&SpecInput {
            id: &self.container.id,
            config,
            mounts: &mounts,
            devices: &devices,
            device_mounts: &device_mounts,
            seccomp_profile: profile.as_deref(),
            image: &self.image,
            accounts: &self.accounts,
            sandbox: &self.sandbox,
            host: &self.host,
            rootfs,
            cgroup_path: self.cgroup_path.as_str(),
        })?;
        labels::check(&described.spec)?;
        Ok(described)
    }

    /// What the container's CDI devices make of it.
    fn edits(&self) -> Result<Edits, BundleError> {
        let config = &self.container.config;
        let names = cdi::requested(&config.cdi_devices, &config.annotations)?;
        if names.is_empty() {
            return Ok(Edits::default());
        }
        let registry = cdi::read(&self.cdi_dirs).map_err(BundleError::CdiDirectory)?;
        Ok(registry.edits(&names)?)
    }
}

impl Draft {
    /// What the container is to be made from.
    pub(super) fn spec(&self) -> &Spec {
        &self.described.spec
    }

    /// The same as plugins want it. Blocks.
    pub(super) fn adjusted(mut self, wanted: &Adjustment) -> Result<Self, BundleError> {
        if !wanted.is_empty() {
            wanted.change_request(&mut self.bundle.container.config)?;
            self.described = self.bundle.describe(&self.overlay.target)?;
            wanted.change_spec(&mut self.described.spec)?;
        }
        Ok(self)
    }

    /// Prepares the directory. Blocks.
    pub(super) fn write(self) -> Result<Prepared, BundleError> {
        self.bundle.write(self.overlay, &self.described)
    }
}

fn cgroup_limits(spec: &Spec) -> LinuxResources {
    let linux = spec.linux().as_ref();
    linux
        .and_then(|linux| linux.resources().clone())
        .unwrap_or_default()
}

/// What any exec in the container must run as; only its arguments are still to be replaced.
fn exec_template(spec: &Spec) -> Result<ProcessSpec, BundleError> {
    let args = spec
        .process()
        .as_ref()
        .and_then(|process| process.args().clone());
    let command = ExecCommand {
        args: &args.unwrap_or_default(),
        tty: false,
    };
    Ok(spec::exec_process(spec, &command)?)
}

fn image_facts(image: ImageRecord) -> ImageFacts {
    let config = image.config;
    ImageFacts {
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        env: config.env,
        working_dir: config.working_dir,
        user: config.user,
        stop_signal: config.stop_signal,
        volumes: config.volumes.into_iter().collect(),
    }
}

fn sandbox_facts(
    pod: &Pod,
    config: &ContainerConfig,
    pause_pid: i32,
) -> Result<SandboxFacts, LifecycleError> {
    let dir = pod.parts.layout.sandbox_dir(&pod.sandbox.id);
    let run_dir = pod.parts.layout.sandbox_run_dir(&pod.sandbox.id);
    let is_on_host_ipc = config.security.namespaces.ipc == NamespaceMode::Node;
    Ok(SandboxFacts {
        id: pod.sandbox.id.clone(),
        pause_pid,
        target_pid: target_pid(pod, config)?,
        user_namespace: pod.sandbox.config.security.namespaces.user,
        selinux: pod.sandbox.selinux.clone(),
        hostname: pod.sandbox.config.hostname.clone(),
        hostname_file: Some(dir.join("hostname")),
        hosts_file: Some(dir.join("hosts")),
        resolv_conf: Some(dir.join("resolv.conf")),
        shm_dir: if is_on_host_ipc {
            "/dev/shm".into()
        } else {
            run_dir.join("shm")
        },
    })
}

/// The process whose pid namespace is joined, when the request names a container.
fn target_pid(pod: &Pod, config: &ContainerConfig) -> Result<Option<i32>, LifecycleError> {
    let NamespaceMode::Target(target) = &config.security.namespaces.pid else {
        return Ok(None);
    };
    let named = pod
        .containers
        .values()
        .find(|container| container.id.as_str() == target);
    match named.map(|container| &container.state) {
        Some(ContainerState::Running { pid, .. }) => Ok(Some(*pid)),
        Some(_) => Err(LifecycleError::WrongState(format!(
            "target container {target} does not run"
        ))),
        None => Err(LifecycleError::NotFound {
            kind: "container",
            id: target.clone(),
        }),
    }
}

fn log_path(directory: &str, path: &str) -> Option<PathBuf> {
    (!directory.is_empty() && !path.is_empty()).then(|| Path::new(directory).join(path))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), BundleError> {
    let failed = |source| BundleError::Write {
        path: path.to_owned(),
        source,
    };
    let text = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
    fs::write(path, text).map_err(failed)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// What StartContainer needs.
#[derive(Serialize, Deserialize)]
pub(super) struct Launch {
    /// For the container's cgroup.
    pub(super) limits: LinuxResources,
    /// For the monitor; the directories of the cgroup are still to be filled in.
    pub(super) request: LaunchRequest,
}

/// Reads what StartContainer needs.
pub(super) fn read_launch(dir: &Path) -> io::Result<Launch> {
    read_json(&dir.join("launch.json"))
}

/// The OCI spec, as what it is.
pub(super) fn read_described(dir: &Path) -> io::Result<Spec> {
    read_json(&dir.join("config.json"))
}

/// The OCI spec, for whoever wants to see it.
pub(super) fn read_spec(dir: &Path) -> io::Result<serde_json::Value> {
    read_json(&dir.join("config.json"))
}

/// `command` as it must run in the container with this directory.
pub(super) fn read_exec_process(dir: &Path, command: Vec<String>) -> io::Result<ProcessSpec> {
    let template: ProcessSpec = read_json(&dir.join("process.json"))?;
    Ok(ProcessSpec {
        args: command,
        ..template
    })
}

/// The exit code that a failed start shows: the launch helper's, else 128 as runc has it.
pub(super) fn start_failure_code(error: &LifecycleError) -> i32 {
    match error {
        LifecycleError::Failed { source, .. } => source
            .downcast_ref::<LaunchFailure>()
            .map_or(128, |failure| failure.code),
        _ => 128,
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
