//! Between our types and the wire: pure, every field named, unknown values refused.

#![deny(clippy::disallowed_methods)]

mod container;
mod image;
mod sandbox;
mod stats;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use podling_proto::runtime::v1;

use super::{
    HandlerFeatures, IdRange, NamespaceMode, Namespaces, RuntimeCondition, RuntimeEvent,
    RuntimeFeatures,
};
use crate::model::{AppArmorProfile, SeccompProfile, SelinuxOptions, SupplementalGroupsPolicy};

pub(super) use container::{
    container_from_wire, container_status_from_wire, container_to_wire, exec_output_from_wire,
    resources_to_wire, selector,
};
pub(super) use image::{image_from_wire, image_reference_to_wire, login_to_wire};
pub(super) use sandbox::{sandbox_from_wire, sandbox_status_from_wire, sandbox_to_wire};
pub(super) use stats::{
    descriptor_from_wire, filesystems_from_wire, metrics_from_wire, pod_stats_from_wire,
};

/// A field of the runtime's answer that cannot be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An enum value that the contract does not list.
    #[error("{field} has the unknown value {value}")]
    UnknownValue {
        /// Which field.
        field: &'static str,
        /// The number on the wire.
        value: i32,
    },
    /// A text that must be an address is not.
    #[error("{field} is not an IP address: {text:?}")]
    NotAnAddress {
        /// Which field.
        field: &'static str,
        /// The text on the wire.
        text: String,
    },
    /// A point in time that the calendar does not have.
    #[error("{field} is no point in time: {nanoseconds} ns")]
    NotATime {
        /// Which field.
        field: &'static str,
        /// Nanoseconds since 1970.
        nanoseconds: i64,
    },
}

/// The pod and the object that an event is about.
///
/// Only the address of the change is taken: what the pod looks like is asked for afterwards, so
/// that an event that comes late can never take the picture back.
pub(super) fn event_from_wire(event: v1::ContainerEventResponse) -> RuntimeEvent {
    let v1::ContainerEventResponse {
        container_id,
        container_event_type: _,
        created_at: _,
        pod_sandbox_status,
        containers_statuses: _,
    } = event;
    let pod_uid = pod_sandbox_status
        .and_then(|status| status.metadata)
        .map(|metadata| metadata.uid)
        .filter(|uid| !uid.is_empty())
        .map(Into::into);
    RuntimeEvent {
        pod_uid,
        container: container_id,
    }
}

pub(super) fn condition_from_wire(condition: v1::RuntimeCondition) -> RuntimeCondition {
    let v1::RuntimeCondition {
        r#type,
        status,
        reason,
        message,
    } = condition;
    RuntimeCondition {
        name: r#type,
        holds: status,
        reason,
        message,
    }
}

pub(super) fn features_from_wire(status: v1::StatusResponse) -> RuntimeFeatures {
    let v1::StatusResponse {
        status: _,
        info: _,
        runtime_handlers,
        features,
    } = status;
    let handler = |handler: v1::RuntimeHandler| {
        let v1::RuntimeHandler { name, features } = handler;
        let features = features.map_or_else(HandlerFeatures::default, |features| {
            let v1::RuntimeHandlerFeatures {
                recursive_read_only_mounts,
                user_namespaces,
            } = features;
            HandlerFeatures {
                recursive_read_only: recursive_read_only_mounts,
                user_namespaces,
            }
        });
        (name, features)
    };
    RuntimeFeatures {
        handlers: runtime_handlers.into_iter().map(handler).collect(),
        supplemental_groups_policy: features
            .is_some_and(|features| features.supplemental_groups_policy),
    }
}

fn time(field: &'static str, nanoseconds: i64) -> Result<Timestamp, ConvertError> {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_err(|_| ConvertError::NotATime { field, nanoseconds })
}

/// Zero stands for "never" on the wire; some runtimes write the year 1 instead.
fn optional_time(field: &'static str, nanoseconds: i64) -> Result<Option<Timestamp>, ConvertError> {
    (nanoseconds > 0)
        .then(|| time(field, nanoseconds))
        .transpose()
}

fn namespaces_to_wire(namespaces: &Namespaces) -> v1::NamespaceOption {
    let target_id = match &namespaces.pid {
        NamespaceMode::Target(id) => id.clone(),
        NamespaceMode::Pod | NamespaceMode::Container | NamespaceMode::Node => String::new(),
    };
    v1::NamespaceOption {
        network: namespace_to_wire(&namespaces.network).into(),
        pid: namespace_to_wire(&namespaces.pid).into(),
        ipc: namespace_to_wire(&namespaces.ipc).into(),
        target_id,
        userns_options: Some(users_to_wire(namespaces.user)),
    }
}

fn users_to_wire(range: Option<IdRange>) -> v1::UserNamespace {
    let Some(IdRange { first, length }) = range else {
        return v1::UserNamespace {
            mode: v1::NamespaceMode::Node.into(),
            uids: Vec::new(),
            gids: Vec::new(),
        };
    };
    let all = v1::IdMapping {
        host_id: first,
        container_id: 0,
        length,
    };
    v1::UserNamespace {
        mode: v1::NamespaceMode::Pod.into(),
        uids: vec![all],
        gids: vec![all],
    }
}

fn namespace_to_wire(mode: &NamespaceMode) -> v1::NamespaceMode {
    match mode {
        NamespaceMode::Pod => v1::NamespaceMode::Pod,
        NamespaceMode::Container => v1::NamespaceMode::Container,
        NamespaceMode::Node => v1::NamespaceMode::Node,
        NamespaceMode::Target(_) => v1::NamespaceMode::Target,
    }
}

fn namespace_from_wire(
    field: &'static str,
    value: i32,
    target_id: &str,
) -> Result<NamespaceMode, ConvertError> {
    match v1::NamespaceMode::try_from(value) {
        Ok(v1::NamespaceMode::Pod) => Ok(NamespaceMode::Pod),
        Ok(v1::NamespaceMode::Container) => Ok(NamespaceMode::Container),
        Ok(v1::NamespaceMode::Node) => Ok(NamespaceMode::Node),
        Ok(v1::NamespaceMode::Target) => Ok(NamespaceMode::Target(target_id.to_owned())),
        Err(_) => Err(ConvertError::UnknownValue { field, value }),
    }
}

/// What a pod leaves out is unconfined, as every kubelet takes it.
fn seccomp_to_wire(profile: Option<&SeccompProfile>) -> v1::SecurityProfile {
    use v1::security_profile::ProfileType;
    let (profile_type, localhost_ref) = match profile {
        None | Some(SeccompProfile::Unconfined) => (ProfileType::Unconfined, String::new()),
        Some(SeccompProfile::RuntimeDefault) => (ProfileType::RuntimeDefault, String::new()),
        Some(SeccompProfile::Localhost(path)) => (ProfileType::Localhost, path.clone()),
    };
    v1::SecurityProfile {
        profile_type: profile_type.into(),
        localhost_ref,
    }
}

/// Nothing asked for leaves it to the runtime.
fn app_armor_to_wire(profile: AppArmorProfile) -> v1::SecurityProfile {
    use v1::security_profile::ProfileType;
    let (profile_type, localhost_ref) = match profile {
        AppArmorProfile::RuntimeDefault => (ProfileType::RuntimeDefault, String::new()),
        AppArmorProfile::Unconfined => (ProfileType::Unconfined, String::new()),
        AppArmorProfile::Localhost(name) => (ProfileType::Localhost, name),
    };
    v1::SecurityProfile {
        profile_type: profile_type.into(),
        localhost_ref,
    }
}

/// The same as a word, for runtimes that do not know the field yet.
fn app_armor_name(profile: Option<&AppArmorProfile>) -> String {
    match profile {
        None => String::new(),
        Some(AppArmorProfile::RuntimeDefault) => "runtime/default".to_owned(),
        Some(AppArmorProfile::Unconfined) => "unconfined".to_owned(),
        Some(AppArmorProfile::Localhost(name)) => format!("localhost/{name}"),
    }
}

fn selinux_to_wire(options: SelinuxOptions) -> v1::SeLinuxOption {
    let SelinuxOptions {
        user,
        role,
        kind,
        level,
    } = options;
    v1::SeLinuxOption {
        user,
        role,
        r#type: kind,
        level,
    }
}

fn groups_policy_to_wire(policy: SupplementalGroupsPolicy) -> i32 {
    match policy {
        SupplementalGroupsPolicy::Merge => v1::SupplementalGroupsPolicy::Merge,
        SupplementalGroupsPolicy::Strict => v1::SupplementalGroupsPolicy::Strict,
    }
    .into()
}

fn int64(value: Option<i64>) -> Option<v1::Int64Value> {
    value.map(|value| v1::Int64Value { value })
}
