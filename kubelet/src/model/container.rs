//! A container as the kubelet uses it.

use std::fmt;
use std::net::IpAddr;

use super::{
    ContainerName, ContainerSecurity, EnvFrom, EnvVar, Lifecycle, Probes, Requirements,
    ResizePolicy, RestartPolicy, Scalars, VolumeDevice, VolumeMount,
};

/// One container of a pod, of whichever list.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its name, unique in the pod.
    pub name: ContainerName,
    /// The image reference, as written.
    pub image: String,
    /// When the image is pulled.
    pub pull_policy: PullPolicy,
    /// Replaces the image's entrypoint unless empty; `$(VAR)` not yet expanded.
    pub command: Vec<String>,
    /// Replaces the image's command unless empty; `$(VAR)` not yet expanded.
    pub args: Vec<String>,
    /// Where it starts; `None` is the image's choice.
    pub working_dir: Option<String>,
    /// Objects of which every key is a variable, in order; those of `env` replace them.
    pub env_from: Vec<EnvFrom>,
    /// Its environment, in order: a later variable may use an earlier one.
    pub env: Vec<EnvVar>,
    /// Ports it listens on.
    pub ports: Vec<ContainerPort>,
    /// What it asks for and what it may use.
    pub resources: Requirements,
    /// What happens to it when that changes.
    pub resize: ResizePolicy,
    /// What it asks for beside CPU and memory.
    pub scalars: Scalars,
    /// Volumes it sees.
    pub mounts: Vec<VolumeMount>,
    /// Volumes that it sees as devices.
    pub devices: Vec<VolumeDevice>,
    /// Who it runs as and what it may do.
    pub security: ContainerSecurity,
    /// Keeps stdin open for attach.
    pub stdin: bool,
    /// Closes stdin after the first attach ends.
    pub stdin_once: bool,
    /// Gives it a terminal.
    pub tty: bool,
    /// How it is asked how it does.
    pub probes: Probes,
    /// What is done after its start and before its end.
    pub lifecycle: Lifecycle,
    /// Where it leaves its last words.
    pub termination_message: TerminationMessage,
    /// What happens after it exits, where that differs from its pod; `Always` makes an init container
    /// a sidecar.
    pub restart_policy: Option<RestartPolicy>,
    /// Exits that this policy does not decide on.
    pub restart_rules: Vec<RestartRule>,
    /// What changes when the container must be replaced.
    pub hash: ContainerHash,
}

impl Container {
    /// Whether it runs as long as the pod does, of one in the list of init containers.
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }

    /// The first of its rules that is about an exit.
    pub fn rule_for(&self, exit_code: i32) -> Option<RestartAction> {
        let rule = self
            .restart_rules
            .iter()
            .find(|rule| rule.exits.has(exit_code));
        rule.map(|rule| rule.action)
    }
}

/// What happens after some exits of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartRule {
    /// What happens.
    pub action: RestartAction,
    /// After which exits.
    pub exits: ExitCodes,
}

/// What happens after an exit that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestartAction {
    /// The container is started again.
    Restart,
    /// All containers of the pod begin anew.
    RestartAllContainers,
}

/// A set of exit codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitCodes {
    /// These.
    In(Vec<i32>),
    /// All but these.
    NotIn(Vec<i32>),
}

impl ExitCodes {
    /// Whether a code is in the set.
    pub fn has(&self, code: i32) -> bool {
        match self {
            Self::In(codes) => codes.contains(&code),
            Self::NotIn(codes) => !codes.contains(&code),
        }
    }
}

/// A container added to look around in a running pod.
#[derive(Clone, Debug, PartialEq)]
pub struct EphemeralContainer {
    /// What runs.
    pub container: Container,
    /// The container whose processes it sees.
    pub target: Option<ContainerName>,
}

/// Hash of what makes a container another one; kept on the runtime's container as an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContainerHash(pub u32);

impl ContainerHash {
    /// Reads the annotation's text.
    pub fn parse(text: &str) -> Option<Self> {
        u32::from_str_radix(text, 16).ok().map(Self)
    }
}

/// Hexadecimal without leading zeros, as other kubelets write the annotation.
impl fmt::Display for ContainerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// Before every start.
    Always,
    /// When it is not on the node.
    IfNotPresent,
    /// Never: it must be on the node.
    Never,
}

/// A port a container listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// Its name, if any.
    pub name: Option<String>,
    /// Transport.
    pub protocol: Protocol,
    /// The number inside the pod.
    pub container_port: u16,
    /// The number on the host that leads to it.
    pub host_port: Option<u16>,
    /// The host address it is bound to; `None` is all.
    pub host_ip: Option<IpAddr>,
}

/// Transport of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Where a container leaves its last words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminationMessage {
    /// A file inside the container.
    pub path: String,
    /// What else is taken when the file is empty.
    pub policy: TerminationMessagePolicy,
}

/// Where a termination message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TerminationMessagePolicy {
    /// The file alone.
    File,
    /// The end of the log, if the file is empty and the container failed.
    FallbackToLogsOnError,
}

impl TerminationMessagePolicy {
    /// The word in a manifest and in the runtime container's annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::FallbackToLogsOnError => "FallbackToLogsOnError",
        }
    }
}
