//! The pod that is measured: one sandbox, one container that sleeps and obeys SIGTERM at once.

use std::collections::BTreeMap;

use podling_proto::runtime::v1::{
    ContainerConfig, ContainerMetadata, ImageSpec, KeyValue, LinuxContainerConfig,
    LinuxContainerResources, LinuxContainerSecurityContext, LinuxPodSandboxConfig,
    LinuxSandboxSecurityContext, NamespaceMode, NamespaceOption, PodSandboxConfig,
    PodSandboxMetadata,
};

use super::options::{Network, Options};

/// Label of every sandbox made here; its value names the run.
pub const LABEL: &str = "podling-bench";
/// Environment variable that marks the workload's processes.
pub const MARK: &str = "PODLING_BENCH";

/// PID 1 of a pid namespace gets no signal that it does not handle, so it handles SIGTERM, and says
/// when.
const SLEEP: &str = "trap 'exit 0' TERM; : > /tmp/ready; sleep 1000000 & wait";
const IS_READY: &str = "test -e /tmp/ready";

const MEMORY_LIMIT: i64 = 64 << 20;
const CPU_SHARES: i64 = 128;

/// One pod of one run.
#[derive(Clone, Debug)]
pub struct PodSpec {
    /// What ExecSync runs.
    pub exec: String,
    run: String,
    name: String,
    image: String,
    network: Network,
    cgroup_parent: String,
}

impl PodSpec {
    /// Pod `number` of `run`.
    pub fn new(options: &Options, run: &str, number: usize) -> Self {
        Self {
            exec: options.exec.clone(),
            run: run.to_owned(),
            name: format!("{run}-{number}"),
            image: options.image.clone(),
            network: options.network,
            cgroup_parent: options.cgroup_parent.clone(),
        }
    }

    /// The sandbox, as a kubelet would ask for it.
    pub fn sandbox(&self) -> PodSandboxConfig {
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: self.name.clone(),
                uid: self.name.clone(),
                namespace: LABEL.to_owned(),
                attempt: 0,
            }),
            hostname: match self.network {
                Network::Pod => self.name.clone(),
                Network::Host => String::new(),
            },
            log_directory: format!("/tmp/{}/{}", self.run, self.name),
            labels: BTreeMap::from([(LABEL.to_owned(), self.run.clone())]),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: self.cgroup_parent.clone(),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(self.namespaces()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// Its container.
    pub fn container(&self) -> ContainerConfig {
        ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: "sleep".to_owned(),
                attempt: 0,
            }),
            image: Some(ImageSpec {
                image: self.image.clone(),
                ..Default::default()
            }),
            command: sleeper(),
            envs: vec![KeyValue {
                key: MARK.to_owned(),
                value: self.run.clone().into(),
            }],
            log_path: "sleep.log".to_owned(),
            linux: Some(LinuxContainerConfig {
                resources: Some(LinuxContainerResources {
                    memory_limit_in_bytes: MEMORY_LIMIT,
                    cpu_shares: CPU_SHARES,
                    oom_score_adj: 1000,
                    ..Default::default()
                }),
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(self.namespaces()),
                    ..Default::default()
                }),
            }),
            ..Default::default()
        }
    }

    fn namespaces(&self) -> NamespaceOption {
        let network = match self.network {
            Network::Pod => NamespaceMode::Pod,
            Network::Host => NamespaceMode::Node,
        };
        NamespaceOption {
            network: network.into(),
            pid: NamespaceMode::Container.into(),
            ipc: NamespaceMode::Pod.into(),
            ..Default::default()
        }
    }
}

/// A command that succeeds once the container handles SIGTERM.
pub fn is_ready() -> Vec<String> {
    shell(IS_READY)
}

/// What a container runs that sleeps, obeys SIGTERM at once, and says when it would.
pub fn sleeper() -> Vec<String> {
    shell(&format!("mkdir -p /tmp; {SLEEP}"))
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}
