//! A pod as the kubelet uses it: decoded, defaulted and validated once, at the source.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

use super::{
    Container, ContainerName, EphemeralContainer, Overhead, Placement, PodName, PodSecurity,
    PodUid, Requirements, Resize, Scalars, Volume,
};

/// Labels or annotations, sorted by key.
pub type StringMap = BTreeMap<String, String>;

/// One desired pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its UID; for a static pod a hash of what its manifest says.
    pub uid: PodUid,
    /// Its namespace and name.
    pub name: PodName,
    /// Its labels.
    pub labels: StringMap,
    /// Its annotations.
    pub annotations: StringMap,
    /// Where it was read.
    pub origin: PodOrigin,
    /// When this kubelet first saw it.
    pub seen_at: Timestamp,
    /// How long it may take to end, once somebody has deleted it at the API server.
    pub leaves_within: Option<Duration>,
    /// What shall run, at the sizes that its containers have been given.
    pub spec: PodSpec,
    /// What has become of a wish for other sizes.
    pub resize: Resize,
    /// The defaulted manifest this was decoded from, for printing.
    pub manifest: Arc<core::Pod>,
}

impl Pod {
    /// Whether the API server knows it as ended: nothing of it is started any more.
    pub fn has_ended(&self) -> bool {
        let status = self.manifest.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        self.origin == PodOrigin::Api && matches!(phase, Some("Succeeded" | "Failed"))
    }
}

/// Where a pod was read; from an API server, or as a static pod. Of two origins with a pod of one
/// name the lesser counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PodOrigin {
    /// A manifest file.
    File(PathBuf),
    /// A page that is asked for, as it was configured.
    Url(String),
    /// The API server of the cluster.
    Api,
}

impl PodOrigin {
    /// Which source reads it.
    pub fn source(&self) -> PodSource {
        match self {
            Self::File(_) => PodSource::File,
            Self::Url(_) => PodSource::Http,
            Self::Api => PodSource::Api,
        }
    }
}

/// A URL is shown without the name and the password that may stand in it.
impl fmt::Display for PodOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => fmt::Display::fmt(&path.display(), f),
            Self::Url(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                let host = authority.rsplit('@').next().unwrap_or(authority);
                write!(f, "{scheme}://{host}{path}")
            }
            Self::Api => f.write_str("the API server"),
        }
    }
}

/// One of the sources of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PodSource {
    /// The manifest directory.
    File,
    /// A page that is asked for.
    Http,
    /// The API server of the cluster.
    Api,
}

impl PodSource {
    /// Its name in the annotation `kubernetes.io/config.source`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Http => "http",
            Self::Api => "api",
        }
    }
}

/// What shall run in a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSpec {
    /// Which node it is for, and how much it matters there.
    pub placement: Placement,
    /// What happens after a container exits.
    pub restart_policy: RestartPolicy,
    /// How long containers may take to end when the pod does.
    pub termination_grace_period: Duration,
    /// How long the pod may be active before it is failed.
    pub active_deadline: Option<Duration>,
    /// The name of the RuntimeClass it runs as, if it asks for one.
    pub runtime_class: Option<String>,
    /// What it takes beside its containers.
    pub overhead: Overhead,
    /// The names of Secrets that its images may be pulled with.
    pub pull_secrets: Vec<String>,
    /// What it asks for as a whole and what its containers may use together, where that is said.
    pub resources: Requirements,
    /// The same of huge pages.
    pub scalars: Scalars,
    /// Run one after the other, each to success, before the others start.
    pub init_containers: Vec<Container>,
    /// The containers proper; at least one.
    pub containers: Vec<Container>,
    /// Added to look around in a running pod; started once.
    pub ephemeral_containers: Vec<EphemeralContainer>,
    /// Conditions that must hold before the pod counts as ready.
    pub readiness_gates: Vec<String>,
    /// What containers may mount.
    pub volumes: Vec<Volume>,
    /// Namespaces that the pod's containers share, or take from the host.
    pub namespaces: Namespaces,
    /// The host name inside the pod; `None` takes the pod's name.
    pub hostname: Option<String>,
    /// The domain below which the pod's host name is.
    pub subdomain: Option<String>,
    /// Whether the kernel shows the name with its domain.
    pub hostname_as_fqdn: bool,
    /// The host name instead of all that; it has no domain.
    pub hostname_override: Option<String>,
    /// Lines added to the pod's /etc/hosts.
    pub host_aliases: Vec<HostAlias>,
    /// Where the pod's resolv.conf comes from.
    pub dns_policy: DnsPolicy,
    /// What is added to it.
    pub dns: DnsConfig,
    /// What holds for every container that does not say otherwise.
    pub security: PodSecurity,
}

impl PodSpec {
    /// Whether it says what it asks for as a whole or may use as a whole.
    pub fn has_resources(&self) -> bool {
        self.resources != Requirements::default() || self.scalars != Scalars::default()
    }

    /// Init, then regular, then ephemeral containers, each with its name.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        let ephemeral = self.ephemeral_containers.iter().map(|one| &one.container);
        self.init_containers
            .iter()
            .chain(&self.containers)
            .chain(ephemeral)
    }

    /// Init containers that run as long as the pod does.
    pub fn sidecars(&self) -> impl DoubleEndedIterator<Item = &Container> {
        self.init_containers.iter().filter(|one| one.is_sidecar())
    }

    /// The container of that name, of whichever list.
    pub fn container(&self, name: &ContainerName) -> Option<&Container> {
        self.all_containers()
            .find(|container| container.name == *name)
    }
}

/// What happens after a container exits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RestartPolicy {
    /// It is started again.
    #[default]
    Always,
    /// It is started again if its exit code was not 0.
    OnFailure,
    /// It stays as it is.
    Never,
}

impl RestartPolicy {
    /// The word in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

/// Which namespaces of the pod are the host's, and which its containers share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespaces {
    /// Network.
    pub network: NetworkMode,
    /// Processes.
    pub pid: PidMode,
    /// IPC is the host's; else the pod's.
    pub host_ipc: bool,
    /// Users and groups.
    pub user: UserMode,
}

/// Whose users and groups a pod's are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UserMode {
    /// The host's.
    #[default]
    Host,
    /// Its own (`hostUsers: false`).
    Pod,
}

/// Whose network a pod uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkMode {
    /// Its own.
    #[default]
    Pod,
    /// The host's.
    Host,
}

/// Whose processes a container sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PidMode {
    /// Only its own.
    #[default]
    Container,
    /// Those of all containers of the pod (`shareProcessNamespace`).
    Pod,
    /// All of the host (`hostPID`).
    Host,
}

/// A line of /etc/hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAlias {
    /// The address.
    pub ip: IpAddr,
    /// Its names.
    pub hostnames: Vec<String>,
}

/// Where a pod's resolv.conf comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DnsPolicy {
    /// The cluster's DNS; the host's for host network pods.
    #[default]
    ClusterFirst,
    /// The cluster's DNS, for host network pods too.
    ClusterFirstWithHostNet,
    /// The host's.
    Default,
    /// Nothing but what the pod says.
    None,
}

/// What a pod adds to its resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// `nameserver` lines.
    pub nameservers: Vec<IpAddr>,
    /// Words of the `search` line.
    pub searches: Vec<String>,
    /// Words of the `options` line.
    pub options: Vec<DnsOption>,
}

/// One word of the `options` line: `name` or `name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsOption {
    /// Before the colon.
    pub name: String,
    /// After it.
    pub value: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("http://user:word@host:1/a@b", "http://host:1/a@b"),
            ("https://host/pods", "https://host/pods"),
            ("https://user@host", "https://host"),
        ] {
            assert_eq!(PodOrigin::Url(url.to_owned()).to_string(), shown);
        }
    }
}
