//! Containers.

use podling_proto::runtime::v1 as cri;

use super::super::signal;
use super::ids;
use crate::model::config::{Mount, Propagation, Resources};
use crate::model::{ContainerRecord, ContainerState, ExitStatus};

/// Created, running or exited. `UNKNOWN` never: an end that nobody saw is an end all the same.
pub(crate) fn container_state(container: &ContainerRecord) -> cri::ContainerState {
    match container.state {
        ContainerState::Reserved | ContainerState::Created | ContainerState::Starting => {
            cri::ContainerState::ContainerCreated
        }
        ContainerState::Running { .. } => cri::ContainerState::ContainerRunning,
        ContainerState::Exited { .. } => cri::ContainerState::ContainerExited,
    }
}

/// As `ListContainers` shows it.
pub(crate) fn container(record: &ContainerRecord) -> cri::Container {
    cri::Container {
        id: record.id.to_string(),
        pod_sandbox_id: record.sandbox_id.to_string(),
        metadata: Some(metadata(record)),
        image: Some(image_spec(record)),
        image_ref: record.image_ref.clone(),
        state: container_state(record).into(),
        created_at: record.created_at,
        labels: record.config.labels.clone(),
        annotations: record.config.annotations.clone(),
        image_id: record.image_id.clone(),
    }
}

/// As `ContainerStatus` shows it; `log_directory` is the sandbox's.
pub(crate) fn container_status(
    record: &ContainerRecord,
    log_directory: &str,
) -> cri::ContainerStatus {
    let end = End::of(&record.state);
    cri::ContainerStatus {
        id: record.id.to_string(),
        metadata: Some(metadata(record)),
        state: container_state(record).into(),
        created_at: record.created_at,
        started_at: started_at(&record.state),
        finished_at: end.finished_at,
        exit_code: end.code,
        image: Some(image_spec(record)),
        image_ref: record.image_ref.clone(),
        reason: end.reason.to_owned(),
        message: end.message,
        labels: record.config.labels.clone(),
        annotations: record.config.annotations.clone(),
        mounts: record
            .config
            .mounts
            .iter()
            .map(|asked| mount(asked, record))
            .collect(),
        log_path: log_path(log_directory, &record.config.log_path),
        resources: Some(cri::ContainerResources {
            linux: Some(resources(&record.config.resources)),
            windows: None,
        }),
        image_id: record.image_id.clone(),
        user: Some(cri::ContainerUser {
            linux: Some(user(record)),
        }),
        stop_signal: signal::from_number(record.stop_signal).into(),
    }
}

/// How a container ended, in the contract's words.
struct End {
    finished_at: i64,
    code: i32,
    reason: &'static str,
    message: String,
}

impl End {
    fn of(state: &ContainerState) -> Self {
        let ContainerState::Exited {
            finished_at, exit, ..
        } = state
        else {
            return Self {
                finished_at: 0,
                code: 0,
                reason: "",
                message: String::new(),
            };
        };
        let (code, reason, message) = match exit {
            ExitStatus::Code {
                code,
                oom_killed: true,
            } => (*code, "OOMKilled", String::new()),
            ExitStatus::Code { code: 0, .. } => (0, "Completed", String::new()),
            ExitStatus::Code { code, .. } => (*code, "Error", String::new()),
            ExitStatus::StartFailed { code, message } => (*code, "StartError", message.clone()),
            // 255 is what containerd says too; the reason makes it explicit.
            ExitStatus::Unknown { message } => (255, "ContainerStatusUnknown", message.clone()),
        };
        Self {
            finished_at: *finished_at,
            code,
            reason,
            message,
        }
    }
}

fn started_at(state: &ContainerState) -> i64 {
    match state {
        ContainerState::Running { started_at, .. } | ContainerState::Exited { started_at, .. } => {
            *started_at
        }
        _ => 0,
    }
}

fn metadata(record: &ContainerRecord) -> cri::ContainerMetadata {
    let metadata = &record.config.metadata;
    cri::ContainerMetadata {
        name: metadata.name.clone(),
        attempt: metadata.attempt,
    }
}

fn image_spec(record: &ContainerRecord) -> cri::ImageSpec {
    cri::ImageSpec {
        image: record.config.image.clone(),
        user_specified_image: record.config.user_specified_image.clone(),
        ..Default::default()
    }
}

fn user(record: &ContainerRecord) -> cri::LinuxContainerUser {
    cri::LinuxContainerUser {
        uid: record.user.uid.into(),
        gid: record.user.gid.into(),
        supplemental_groups: record
            .user
            .groups
            .iter()
            .map(|group| (*group).into())
            .collect(),
    }
}

fn log_path(directory: &str, path: &str) -> String {
    if directory.is_empty() || path.is_empty() {
        return String::new();
    }
    format!("{}/{path}", directory.trim_end_matches('/'))
}

fn mount(mount: &Mount, record: &ContainerRecord) -> cri::Mount {
    let propagation = match mount.propagation {
        Propagation::Private => cri::MountPropagation::PropagationPrivate,
        Propagation::HostToContainer => cri::MountPropagation::PropagationHostToContainer,
        Propagation::Bidirectional => cri::MountPropagation::PropagationBidirectional,
    };
    let mapping = mount.mapping.as_ref();
    let image = mount.image.as_ref();
    cri::Mount {
        container_path: mount.container_path.clone(),
        host_path: mount.host_path.clone(),
        readonly: mount.readonly,
        selinux_relabel: mount.selinux_relabel,
        propagation: propagation.into(),
        uid_mappings: mapping.map(|all| ids(all.uid, all)).into_iter().collect(),
        gid_mappings: mapping.map(|all| ids(all.gid, all)).into_iter().collect(),
        recursive_read_only: mount.recursive_read_only,
        image: image.map(|image| cri::ImageSpec {
            image: image.image.clone(),
            user_specified_image: image.user_specified_image.clone(),
            image_ref: image_ref(mount, record),
            ..Default::default()
        }),
        image_sub_path: image.map_or_else(String::new, |image| image.sub_path.clone()),
        mount_options: mount
            .options
            .iter()
            .map(|option| option.name().to_owned())
            .collect(),
    }
}

/// The image that a mount shows, by the name that PullImage answers with.
fn image_ref(mount: &Mount, record: &ContainerRecord) -> String {
    let volumes = &record.image_volumes;
    volumes
        .iter()
        .find(|volume| volume.container_path == mount.container_path)
        .map_or_else(String::new, |volume| volume.image_id.clone())
}

fn resources(resources: &Resources) -> cri::LinuxContainerResources {
    let count = |value: Option<u64>| {
        value
            .and_then(|value| i64::try_from(value).ok())
            .unwrap_or(0)
    };
    cri::LinuxContainerResources {
        cpu_period: count(resources.cpu_period),
        cpu_quota: resources.cpu_quota.unwrap_or(0),
        cpu_shares: count(resources.cpu_shares),
        memory_limit_in_bytes: resources.memory_limit.unwrap_or(0),
        oom_score_adj: resources.oom_score_adj.into(),
        cpuset_cpus: resources.cpuset_cpus.clone(),
        cpuset_mems: resources.cpuset_mems.clone(),
        hugepage_limits: resources
            .hugepage_limits
            .iter()
            .map(|(page_size, limit)| cri::HugepageLimit {
                page_size: page_size.clone(),
                limit: *limit,
            })
            .collect(),
        unified: resources.unified.clone(),
        memory_swap_limit_in_bytes: resources.memory_swap_limit.unwrap_or(0),
    }
}
