//! Pods and observations for tests, each a line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{CrashBackoff, Keep, Situation, compute_pod_actions};
use crate::model::{
    Container, ContainerHash, ContainerObservation, ContainerSecurity, ContainerState, DnsConfig,
    DnsPolicy, Exit, Lifecycle, Namespaces, NetworkMode, Overhead, Placement, Pod, PodActions,
    PodName, PodObservation, PodOrigin, PodSecurity, PodSpec, Probe, ProbeAction, ProbeResults,
    Probes, PullPolicy, Requirements, Resize, ResizePolicy, RestartPolicy, SandboxObservation,
    SandboxState, Scalars, Size, StringMap, TerminationMessage, TerminationMessagePolicy, Told,
};

/// The hash of every container made here.
pub(crate) const HASH: ContainerHash = ContainerHash(0xc0ffee);

/// The moment `second` seconds after the tests' epoch.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time of this century")
}

/// A container of a pod's spec.
pub(crate) fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        image: format!("registry.test/{name}:1"),
        pull_policy: PullPolicy::IfNotPresent,
        command: Vec::new(),
        args: Vec::new(),
        working_dir: None,
        env_from: Vec::new(),
        env: Vec::new(),
        ports: Vec::new(),
        resources: Requirements::default(),
        resize: ResizePolicy::default(),
        scalars: Scalars::default(),
        mounts: Vec::new(),
        devices: Vec::new(),
        security: ContainerSecurity::default(),
        stdin: false,
        stdin_once: false,
        tty: false,
        probes: Probes::default(),
        lifecycle: Lifecycle::default(),
        termination_message: TerminationMessage {
            path: "/dev/termination-log".to_owned(),
            policy: TerminationMessagePolicy::File,
        },
        restart_policy: None,
        restart_rules: Vec::new(),
        hash: HASH,
    }
}

/// An init container that runs as long as its pod.
pub(crate) fn sidecar(name: &str) -> Container {
    Container {
        restart_policy: Some(RestartPolicy::Always),
        ..container(name)
    }
}

/// The plan for a pod whose probes say nothing.
pub(crate) fn plan_for(
    pod: &Pod,
    observation: &PodObservation,
    now: Timestamp,
    backoff: &CrashBackoff,
) -> PodActions {
    compute_pod_actions(Situation {
        pod,
        observation,
        probes: &ProbeResults::default(),
        backoff,
        keep: Keep::default(),
        now,
    })
}

/// A probe with the defaults of Kubernetes.
pub(crate) fn probe() -> Probe {
    Probe {
        action: ProbeAction::Exec(vec!["true".to_owned()]),
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(10),
        timeout: Duration::from_secs(1),
        success_threshold: 1,
        failure_threshold: 3,
        termination_grace: None,
    }
}

/// A pod with these init and regular containers.
pub(crate) fn pod(policy: RestartPolicy, init: &[&str], regular: &[&str]) -> Pod {
    Pod {
        uid: "uid-1".into(),
        name: PodName::new("default", "web-node"),
        labels: StringMap::new(),
        annotations: StringMap::new(),
        origin: PodOrigin::File("/manifests/web.yaml".into()),
        seen_at: at(0),
        leaves_within: None,
        spec: PodSpec {
            placement: Placement::default(),
            restart_policy: policy,
            termination_grace_period: Duration::from_secs(30),
            active_deadline: None,
            overhead: Overhead::default(),
            pull_secrets: Vec::new(),
            resources: Requirements::default(),
            scalars: Scalars::default(),
            init_containers: init.iter().map(|name| container(name)).collect(),
            containers: regular.iter().map(|name| container(name)).collect(),
            ephemeral_containers: Vec::new(),
            readiness_gates: Vec::new(),
            volumes: Vec::new(),
            namespaces: Namespaces::default(),
            hostname: None,
            subdomain: None,
            runtime_class: None,
            hostname_as_fqdn: false,
            hostname_override: None,
            host_aliases: Vec::new(),
            dns_policy: DnsPolicy::ClusterFirst,
            dns: DnsConfig::default(),
            security: PodSecurity::default(),
        },
        resize: Resize::default(),
        manifest: Arc::default(),
    }
}

/// A pod of an API server whose one container `web` asks for this, in this generation.
pub(crate) fn asking(name: &str, resources: &serde_json::Value, generation: i64) -> Pod {
    let manifest = serde_json::json!({
        "metadata": { "name": name, "generation": generation },
        "spec": { "containers": [{ "name": "web", "image": "web:1", "resources": resources }] },
    });
    let written = serde_json::from_value(resources.clone()).expect("they are requirements");
    let mut asking = Pod {
        uid: format!("uid-{name}").as_str().into(),
        name: PodName::new("default", name),
        origin: PodOrigin::Api,
        manifest: Arc::new(serde_json::from_value(manifest).expect("it is a pod")),
        ..pod(RestartPolicy::Always, &[], &["web"])
    };
    let requirements = crate::source::read_requirements(&written);
    asking.spec.containers[0].resources = requirements.expect("they are valid");
    asking
}

/// Requests of that much CPU and memory.
pub(crate) fn requests(cpu: &str, memory: &str) -> serde_json::Value {
    serde_json::json!({ "requests": { "cpu": cpu, "memory": memory } })
}

/// What the runtime shows of [`pod`].
pub(crate) fn seen(
    sandboxes: Vec<SandboxObservation>,
    containers: Vec<ContainerObservation>,
) -> PodObservation {
    let PodObservation { uid, name, .. } =
        PodObservation::nothing("uid-1".into(), PodName::new("default", "web-node"));
    PodObservation {
        uid,
        name,
        sandboxes,
        containers,
        logged: BTreeMap::new(),
        size: None,
    }
}

/// A sandbox named after its attempt: `s0`, `s1`.
pub(crate) fn sandbox(attempt: u32, state: SandboxState) -> SandboxObservation {
    SandboxObservation {
        id: format!("s{attempt}").into(),
        attempt,
        state,
        created_at: at(i64::from(attempt)),
        network: NetworkMode::Pod,
        ips: vec![[10, 88, 0, 2].into()],
    }
}

/// A container in sandbox `s0`, named after its count: `web#0`, `web#1`.
pub(crate) fn made(name: &str, restart_count: u32, state: ContainerState) -> ContainerObservation {
    ContainerObservation {
        id: format!("{name}#{restart_count}").into(),
        sandbox_id: "s0".into(),
        name: name.into(),
        restart_count,
        image: format!("registry.test/{name}:1"),
        image_id: format!("sha256:{name}"),
        hash: Some(HASH),
        size: Some(Size::default()),
        grace_period: None,
        pre_stop: None,
        created_at: at(10 + i64::from(restart_count)),
        state,
        told: Told::default(),
    }
}

/// A running state.
pub(crate) fn running() -> ContainerState {
    ContainerState::Running { started_at: at(20) }
}

/// An exited state.
pub(crate) fn exited(code: i32) -> ContainerState {
    ContainerState::Exited(Exit {
        code,
        started_at: Some(at(20)),
        finished_at: at(30),
        reason: String::new(),
        message: String::new(),
    })
}
