//! A pod.

use podling_proto::nri as wire;

use super::{PodFacts, resources};
use crate::model::config::{NamespaceMode, SandboxConfig};

/// The pod as plugins see it.
pub(in crate::nri) fn pod(facts: &PodFacts) -> wire::PodSandbox {
    let config = &facts.sandbox.config;
    wire::PodSandbox {
        id: facts.sandbox.id.to_string(),
        name: config.metadata.name.clone(),
        uid: config.metadata.uid.clone(),
        namespace: config.metadata.namespace.clone(),
        labels: config.labels.clone(),
        annotations: config.annotations.clone(),
        runtime_handler: config.runtime_handler.clone(),
        linux: Some(wire::LinuxPodSandbox {
            pod_overhead: config.resources.overhead.as_ref().map(resources::asked),
            pod_resources: config.resources.containers.as_ref().map(resources::asked),
            cgroup_parent: config.cgroup_parent.clone(),
            cgroups_path: facts.cgroup_path.clone(),
            namespaces: facts
                .pause_pid
                .map(|pid| namespaces(config, pid))
                .unwrap_or_default(),
            resources: None,
        }),
        pid: facts
            .pause_pid
            .and_then(|pid| pid.try_into().ok())
            .unwrap_or_default(),
        ips: facts.ips.iter().map(ToString::to_string).collect(),
    }
}

/// The namespaces that the pod has of its own.
fn namespaces(config: &SandboxConfig, pause_pid: i32) -> Vec<wire::LinuxNamespace> {
    let asked = &config.security.namespaces;
    let has_own = |mode: &NamespaceMode| *mode != NamespaceMode::Node;
    let all = [
        ("network", "net", has_own(&asked.network)),
        ("uts", "uts", has_own(&asked.network)),
        ("ipc", "ipc", has_own(&asked.ipc)),
        ("pid", "pid", has_own(&asked.pid)),
        ("user", "user", asked.user.is_some()),
    ];
    let own = all.into_iter().filter(|(_, _, is_own)| *is_own);
    own.map(|(kind, file, _)| wire::LinuxNamespace {
        r#type: kind.to_owned(),
        path: format!("/proc/{pause_pid}/ns/{file}"),
    })
    .collect()
}
