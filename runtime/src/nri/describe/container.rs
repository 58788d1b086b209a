//! A container.

use oci_spec::runtime::{Linux, LinuxNamespaceType, LinuxSeccomp, Process, Spec};
use podling_proto::nri as wire;

use super::{ContainerFacts, resources};
use crate::model::config::SecurityProfile;
use crate::model::{ContainerRecord, ContainerState, ExitStatus};

/// The container as plugins see it.
pub(in crate::nri) fn container(facts: &ContainerFacts) -> wire::Container {
    let ContainerFacts { record, spec } = facts;
    let config = &record.config;
    let mut container = wire::Container {
        id: record.id.to_string(),
        pod_sandbox_id: record.sandbox_id.to_string(),
        name: config.metadata.name.clone(),
        labels: config.labels.clone(),
        annotations: config.annotations.clone(),
        created_at: record.created_at,
        cdi_devices: config
            .cdi_devices
            .iter()
            .map(|name| wire::CdiDevice { name: name.clone() })
            .collect(),
        user: Some(wire::User {
            uid: record.user.uid,
            gid: record.user.gid,
            additional_gids: record.user.groups.clone(),
        }),
        image: Some(image(record)),
        ..Default::default()
    };
    set_state(&mut container, record);
    let mut linux = wire::LinuxContainer {
        seccomp_profile: Some(seccomp_profile(&config.security.seccomp)),
        ..Default::default()
    };
    if let Some(spec) = spec {
        set_spec(&mut container, spec);
        set_linux(&mut linux, spec);
    }
    container.linux = Some(linux);
    container
}

fn image(record: &ContainerRecord) -> wire::Image {
    let name = match record.config.user_specified_image.as_str() {
        "" => &record.config.image,
        name => name,
    };
    let digest = record.image_ref.split_once('@');
    wire::Image {
        name: name.to_owned(),
        digest: digest
            .map(|(_, digest)| digest.to_owned())
            .unwrap_or_default(),
        config_digest: record.image_id.clone(),
    }
}

fn set_state(container: &mut wire::Container, record: &ContainerRecord) {
    use wire::ContainerState::{ContainerCreated, ContainerRunning, ContainerStopped};
    let state = match &record.state {
        ContainerState::Reserved | ContainerState::Created | ContainerState::Starting => {
            ContainerCreated
        }
        ContainerState::Running { started_at, pid } => {
            container.started_at = *started_at;
            container.pid = (*pid).try_into().unwrap_or_default();
            ContainerRunning
        }
        ContainerState::Exited {
            started_at,
            finished_at,
            exit,
        } => {
            container.started_at = *started_at;
            container.finished_at = *finished_at;
            set_exit(container, exit);
            ContainerStopped
        }
    };
    container.state = state.into();
}

fn set_exit(container: &mut wire::Container, exit: &ExitStatus) {
    let (code, reason, message) = match exit {
        ExitStatus::Code { code: 0, .. } => (0, "Completed", ""),
        ExitStatus::Code {
            code,
            oom_killed: true,
        } => (*code, "OOMKilled", ""),
        ExitStatus::Code { code, .. } => (*code, "Error", ""),
        ExitStatus::StartFailed { code, message } => (*code, "StartError", message.as_str()),
        ExitStatus::Unknown { message } => (255, "Unknown", message.as_str()),
    };
    container.exit_code = code;
    container.status_reason = reason.to_owned();
    container.status_message = message.to_owned();
}

fn set_spec(container: &mut wire::Container, spec: &Spec) {
    let annotations = spec.annotations().iter().flatten();
    for (key, value) in annotations {
        container.annotations.insert(key.clone(), value.clone());
    }
    let mounts = spec.mounts().iter().flatten();
    container.mounts = mounts
        .map(|mount| wire::Mount {
            destination: mount.destination().display().to_string(),
            r#type: mount.typ().clone().unwrap_or_default(),
            source: mount
                .source()
                .as_ref()
                .map(|source| source.display().to_string())
                .unwrap_or_default(),
            options: mount.options().clone().unwrap_or_default(),
        })
        .collect();
    if let Some(process) = spec.process() {
        container.args = process.args().clone().unwrap_or_default();
        container.env = process.env().clone().unwrap_or_default();
        container.rlimits = rlimits(process);
        let user = process.user();
        container.user = Some(wire::User {
            uid: user.uid(),
            gid: user.gid(),
            additional_gids: user.additional_gids().clone().unwrap_or_default(),
        });
    }
}

fn rlimits(process: &Process) -> Vec<wire::PosixRlimit> {
    let limits = process.rlimits().iter().flatten();
    limits
        .map(|limit| wire::PosixRlimit {
            r#type: limit.typ().to_string(),
            hard: limit.hard(),
            soft: limit.soft(),
        })
        .collect()
}

fn set_linux(container: &mut wire::LinuxContainer, spec: &Spec) {
    if let Some(process) = spec.process() {
        container.oom_score_adj = process.oom_score_adj().map(|score| wire::OptionalInt {
            value: score.into(),
        });
    }
    let Some(linux) = spec.linux() else {
        return;
    };
    container.namespaces = namespaces(linux);
    container.devices = devices(linux);
    container.resources = linux.resources().as_ref().map(resources::of_spec);
    container.cgroups_path = linux
        .cgroups_path()
        .as_ref()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    container.seccomp_policy = linux.seccomp().as_ref().map(seccomp_policy);
    container.sysctl = linux
        .sysctl()
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
}

fn namespaces(linux: &Linux) -> Vec<wire::LinuxNamespace> {
    let namespaces = linux.namespaces().iter().flatten();
    namespaces
        .map(|namespace| wire::LinuxNamespace {
            r#type: namespace_name(namespace.typ()).to_owned(),
            path: namespace
                .path()
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
        })
        .collect()
}

/// The name of a kind of namespace in a spec.
fn namespace_name(kind: LinuxNamespaceType) -> &'static str {
    match kind {
        LinuxNamespaceType::Mount => "mount",
        LinuxNamespaceType::Cgroup => "cgroup",
        LinuxNamespaceType::Uts => "uts",
        LinuxNamespaceType::Ipc => "ipc",
        LinuxNamespaceType::User => "user",
        LinuxNamespaceType::Pid => "pid",
        LinuxNamespaceType::Network => "network",
        LinuxNamespaceType::Time => "time",
    }
}

fn devices(linux: &Linux) -> Vec<wire::LinuxDevice> {
    let devices = linux.devices().iter().flatten();
    devices
        .map(|device| wire::LinuxDevice {
            path: device.path().display().to_string(),
            r#type: resources::kind(device.typ()).to_owned(),
            major: device.major(),
            minor: device.minor(),
            file_mode: device
                .file_mode()
                .map(|value| wire::OptionalFileMode { value }),
            uid: device.uid().map(|value| wire::OptionalUInt32 { value }),
            gid: device.gid().map(|value| wire::OptionalUInt32 { value }),
        })
        .collect()
}

fn seccomp_profile(profile: &SecurityProfile) -> wire::SecurityProfile {
    use wire::security_profile::ProfileType;
    let (kind, localhost_ref) = match profile {
        SecurityProfile::RuntimeDefault => (ProfileType::RuntimeDefault, ""),
        SecurityProfile::Unconfined => (ProfileType::Unconfined, ""),
        SecurityProfile::Localhost(path) => (ProfileType::Localhost, path.as_str()),
    };
    wire::SecurityProfile {
        profile_type: kind.into(),
        localhost_ref: localhost_ref.to_owned(),
    }
}

fn seccomp_policy(policy: &LinuxSeccomp) -> wire::LinuxSeccomp {
    let errno = |value: Option<u32>| value.map(|value| wire::OptionalUInt32 { value });
    let calls = policy.syscalls().iter().flatten();
    wire::LinuxSeccomp {
        default_action: policy.default_action().to_string(),
        default_errno: errno(policy.default_errno_ret()),
        architectures: words(policy.architectures().iter().flatten()),
        flags: words(policy.flags().iter().flatten()),
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls: calls
            .map(|call| wire::LinuxSyscall {
                names: call.names().clone(),
                action: call.action().to_string(),
                errno_ret: errno(call.errno_ret()),
                args: call
                    .args()
                    .iter()
                    .flatten()
                    .map(|argument| wire::LinuxSeccompArg {
                        index: u32::try_from(argument.index()).unwrap_or_default(),
                        value: argument.value(),
                        value_two: argument.value_two().unwrap_or_default(),
                        op: argument.op().to_string(),
                    })
                    .collect(),
            })
            .collect(),
    }
}

fn words<T: ToString>(list: impl Iterator<Item = T>) -> Vec<String> {
    list.map(|word| word.to_string()).collect()
}
