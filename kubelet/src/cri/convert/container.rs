//! Containers on the wire.

use std::collections::BTreeMap;

use podling_proto::runtime::v1;

use super::{
    ConvertError, app_armor_name, app_armor_to_wire, groups_policy_to_wire,
    image_reference_to_wire, int64, namespaces_to_wire, optional_time, seccomp_to_wire,
    selinux_to_wire, time,
};
use crate::cri::{
    Container, ContainerConfig, ContainerMetadata, ContainerPhase, ContainerSecurity,
    ContainerStatus, Device, EnvVar, ExecOutput, Mount, MountPropagation, Resources, Scope,
};
use crate::labels;
use crate::model::{ContainerState, Exit, LinuxUser, Told};

pub(in crate::cri) fn container_to_wire(config: ContainerConfig) -> v1::ContainerConfig {
    let ContainerConfig {
        metadata,
        image,
        command,
        args,
        working_dir,
        env,
        mounts,
        devices,
        cdi_devices,
        labels,
        annotations,
        log_path,
        stdin,
        stdin_once,
        tty,
        resources,
        security,
    } = config;
    v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata {
            name: metadata.name,
            attempt: metadata.attempt,
        }),
        image: Some(image_reference_to_wire(image)),
        command,
        args,
        working_dir,
        envs: env.into_iter().map(env_to_wire).collect(),
        mounts: mounts.into_iter().map(mount_to_wire).collect(),
        devices: devices.into_iter().map(device_to_wire).collect(),
        labels,
        annotations,
        log_path,
        stdin,
        stdin_once,
        tty,
        linux: Some(v1::LinuxContainerConfig {
            resources: Some(resources_to_wire(resources)),
            security_context: Some(security_to_wire(security)),
        }),
        windows: None,
        cdi_devices: cdi_devices
            .into_iter()
            .map(|name| v1::CdiDevice { name })
            .collect(),
        stop_signal: v1::Signal::RuntimeDefault.into(),
    }
}

fn env_to_wire(env: EnvVar) -> v1::KeyValue {
    v1::KeyValue {
        key: env.name,
        value: env.value.into_bytes(),
    }
}

fn device_to_wire(device: Device) -> v1::Device {
    v1::Device {
        container_path: device.container_path,
        host_path: device.host_path,
        permissions: device.permissions,
    }
}

fn mount_to_wire(mount: Mount) -> v1::Mount {
    let propagation = match mount.propagation {
        MountPropagation::Private => v1::MountPropagation::PropagationPrivate,
        MountPropagation::HostToContainer => v1::MountPropagation::PropagationHostToContainer,
        MountPropagation::Bidirectional => v1::MountPropagation::PropagationBidirectional,
    };
    let (image, image_sub_path) = match mount.image {
        Some(of) => (Some(image_reference_to_wire(of.image)), of.sub_path),
        None => (None, String::new()),
    };
    v1::Mount {
        container_path: mount.container_path,
        host_path: mount.host_path,
        readonly: mount.read_only,
        selinux_relabel: mount.selinux_relabel,
        propagation: propagation.into(),
        uid_mappings: Vec::new(),
        gid_mappings: Vec::new(),
        recursive_read_only: mount.recursive_read_only,
        image,
        image_sub_path,
        mount_options: Vec::new(),
    }
}

pub(in crate::cri) fn resources_to_wire(resources: Resources) -> v1::LinuxContainerResources {
    v1::LinuxContainerResources {
        cpu_period: resources.cpu_period,
        cpu_quota: resources.cpu_quota,
        cpu_shares: resources.cpu_shares,
        memory_limit_in_bytes: resources.memory_limit,
        oom_score_adj: resources.oom_score_adj,
        cpuset_cpus: resources.cpuset_cpus,
        cpuset_mems: resources.cpuset_mems,
        hugepage_limits: resources
            .huge_pages
            .into_iter()
            .map(|(page_size, limit)| v1::HugepageLimit { page_size, limit })
            .collect(),
        unified: resources.unified,
        memory_swap_limit_in_bytes: resources.memory_swap_limit,
    }
}

fn security_to_wire(security: ContainerSecurity) -> v1::LinuxContainerSecurityContext {
    v1::LinuxContainerSecurityContext {
        capabilities: Some(v1::Capability {
            add_capabilities: security.capabilities.add,
            drop_capabilities: security.capabilities.drop,
            add_ambient_capabilities: Vec::new(),
        }),
        privileged: security.privileged,
        namespace_options: Some(namespaces_to_wire(&security.namespaces)),
        selinux_options: security.selinux.map(selinux_to_wire),
        run_as_user: int64(security.run_as_user),
        run_as_username: security.run_as_username,
        readonly_rootfs: security.read_only_root,
        supplemental_groups: security.supplemental_groups,
        apparmor_profile: app_armor_name(security.app_armor.as_ref()),
        seccomp_profile_path: String::new(),
        no_new_privs: security.no_new_privs,
        run_as_group: int64(security.run_as_group),
        masked_paths: security.masked_paths,
        readonly_paths: security.read_only_paths,
        seccomp: Some(seccomp_to_wire(security.seccomp.as_ref())),
        apparmor: security.app_armor.map(app_armor_to_wire),
        supplemental_groups_policy: groups_policy_to_wire(security.supplemental_groups_policy),
    }
}

pub(in crate::cri) fn container_from_wire(
    container: v1::Container,
) -> Result<Container, ConvertError> {
    let v1::Container {
        id,
        pod_sandbox_id,
        metadata,
        image,
        image_ref,
        state,
        created_at,
        labels,
        annotations: _,
        image_id,
    } = container;
    let named = image.map_or_else(String::new, |spec| spec.image);
    let image_id = [image_id, image_ref, named]
        .into_iter()
        .find(|name| !name.is_empty());
    Ok(Container {
        id: id.into(),
        sandbox: pod_sandbox_id.into(),
        metadata: metadata_from_wire(metadata)?,
        phase: phase_from_wire(state)?,
        created_at: time("Container.created_at", created_at)?,
        labels,
        image_id: image_id.unwrap_or_default(),
    })
}

pub(in crate::cri) fn container_status_from_wire(
    status: v1::ContainerStatus,
) -> Result<ContainerStatus, ConvertError> {
    let v1::ContainerStatus {
        id,
        metadata,
        state,
        created_at,
        started_at,
        finished_at,
        exit_code,
        image,
        image_ref,
        reason,
        message,
        labels,
        annotations,
        mounts,
        log_path,
        resources: _,
        image_id,
        user,
        stop_signal: _,
    } = status;
    let created = time("ContainerStatus.created_at", created_at)?;
    let state = match phase_from_wire(state)? {
        ContainerPhase::Created => ContainerState::Created,
        ContainerPhase::Running => ContainerState::Running {
            started_at: time("ContainerStatus.started_at", started_at)?,
        },
        ContainerPhase::Exited => ContainerState::Exited(Exit {
            started_at: optional_time("ContainerStatus.started_at", started_at)?,
            // Of a container that never ran, nothing later than its creation is known.
            finished_at: optional_time("ContainerStatus.finished_at", finished_at)?
                .unwrap_or(created),
            code: exit_code,
            reason,
            message,
        }),
        ContainerPhase::Unknown => ContainerState::Unknown,
    };
    Ok(ContainerStatus {
        id: id.into(),
        metadata: metadata_from_wire(metadata)?,
        state,
        created_at: created,
        image: image_name(image),
        image_id: if image_ref.is_empty() {
            image_id
        } else {
            image_ref
        },
        labels,
        annotations,
        log_path,
        told: Told {
            user: user.and_then(|user| user.linux).map(linux_user),
            recursive_read_only: recursive_read_only(&mounts),
        },
        mounted_images: mounts.into_iter().flat_map(image_names).collect(),
    })
}

fn linux_user(user: v1::LinuxContainerUser) -> LinuxUser {
    let v1::LinuxContainerUser {
        uid,
        gid,
        supplemental_groups,
    } = user;
    LinuxUser {
        uid,
        gid,
        supplemental_groups,
    }
}

fn recursive_read_only(mounts: &[v1::Mount]) -> Vec<String> {
    let mounts = mounts.iter().filter(|mount| mount.recursive_read_only);
    mounts.map(|mount| mount.container_path.clone()).collect()
}

/// What the runtime calls the image that a mount shows, if it shows one.
fn image_names(mount: v1::Mount) -> impl Iterator<Item = String> {
    let names = mount.image.map(|spec| [spec.image, spec.image_ref]);
    let names = names.into_iter().flatten();
    names.filter(|name| !name.is_empty())
}

/// The name its author wrote, when the runtime kept it.
fn image_name(image: Option<v1::ImageSpec>) -> String {
    image.map_or_else(String::new, |spec| {
        if spec.user_specified_image.is_empty() {
            spec.image
        } else {
            spec.user_specified_image
        }
    })
}

fn metadata_from_wire(
    metadata: Option<v1::ContainerMetadata>,
) -> Result<ContainerMetadata, ConvertError> {
    let v1::ContainerMetadata { name, attempt } =
        metadata.ok_or(ConvertError::Missing("Container.metadata"))?;
    Ok(ContainerMetadata { name, attempt })
}

fn phase_from_wire(value: i32) -> Result<ContainerPhase, ConvertError> {
    match v1::ContainerState::try_from(value) {
        Ok(v1::ContainerState::ContainerCreated) => Ok(ContainerPhase::Created),
        Ok(v1::ContainerState::ContainerRunning) => Ok(ContainerPhase::Running),
        Ok(v1::ContainerState::ContainerExited) => Ok(ContainerPhase::Exited),
        Ok(v1::ContainerState::ContainerUnknown) => Ok(ContainerPhase::Unknown),
        Err(_) => Err(ConvertError::UnknownValue {
            field: "Container.state",
            value,
        }),
    }
}

pub(in crate::cri) fn exec_output_from_wire(output: v1::ExecSyncResponse) -> ExecOutput {
    let v1::ExecSyncResponse {
        stdout,
        stderr,
        exit_code,
    } = output;
    ExecOutput {
        stdout,
        stderr,
        exit_code,
    }
}

/// An empty selector matches every label.
pub(in crate::cri) fn selector(scope: &Scope) -> BTreeMap<String, String> {
    match scope {
        Scope::All => BTreeMap::new(),
        Scope::Pod(uid) => BTreeMap::from([(labels::POD_UID.to_owned(), uid.to_string())]),
    }
}
