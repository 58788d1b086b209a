//! Sandboxes.

use podling_proto::runtime::v1 as cri;

use super::ids;
use crate::model::SandboxRecord;
use crate::model::config::{NamespaceMode, PodMetadata, UserNamespace};

/// Ready or not.
pub(crate) fn sandbox_state(sandbox: &SandboxRecord) -> cri::PodSandboxState {
    if sandbox.is_ready() {
        cri::PodSandboxState::SandboxReady
    } else {
        cri::PodSandboxState::SandboxNotready
    }
}

/// As `ListPodSandbox` shows it.
pub(crate) fn sandbox(record: &SandboxRecord) -> cri::PodSandbox {
    cri::PodSandbox {
        id: record.id.to_string(),
        metadata: Some(metadata(&record.config.metadata)),
        state: sandbox_state(record).into(),
        created_at: record.created_at,
        labels: record.config.labels.clone(),
        annotations: record.config.annotations.clone(),
        runtime_handler: record.config.runtime_handler.clone(),
    }
}

/// As `PodSandboxStatus` shows it.
pub(crate) fn sandbox_status(record: &SandboxRecord) -> cri::PodSandboxStatus {
    let mut ips = record.ips().iter().map(ToString::to_string);
    let ip = ips.next().unwrap_or_default();
    let namespaces = &record.config.security.namespaces;
    let options = cri::NamespaceOption {
        network: mode(&namespaces.network).into(),
        pid: mode(&namespaces.pid).into(),
        ipc: mode(&namespaces.ipc).into(),
        userns_options: namespaces.user.as_ref().map(user_namespace),
        ..Default::default()
    };
    cri::PodSandboxStatus {
        id: record.id.to_string(),
        metadata: Some(metadata(&record.config.metadata)),
        state: sandbox_state(record).into(),
        created_at: record.created_at,
        network: Some(cri::PodSandboxNetworkStatus {
            ip,
            additional_ips: ips.map(|ip| cri::PodIp { ip }).collect(),
        }),
        linux: Some(cri::LinuxPodSandboxStatus {
            namespaces: Some(cri::Namespace {
                options: Some(options),
            }),
        }),
        labels: record.config.labels.clone(),
        annotations: record.config.annotations.clone(),
        runtime_handler: record.config.runtime_handler.clone(),
    }
}

fn user_namespace(namespace: &UserNamespace) -> cri::UserNamespace {
    cri::UserNamespace {
        mode: cri::NamespaceMode::Pod.into(),
        uids: vec![ids(namespace.uid, namespace)],
        gids: vec![ids(namespace.gid, namespace)],
    }
}

fn metadata(metadata: &PodMetadata) -> cri::PodSandboxMetadata {
    cri::PodSandboxMetadata {
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        namespace: metadata.namespace.clone(),
        attempt: metadata.attempt,
    }
}

fn mode(mode: &NamespaceMode) -> cri::NamespaceMode {
    match mode {
        NamespaceMode::Pod => cri::NamespaceMode::Pod,
        NamespaceMode::Container => cri::NamespaceMode::Container,
        NamespaceMode::Node => cri::NamespaceMode::Node,
        NamespaceMode::Target(_) => cri::NamespaceMode::Target,
    }
}
