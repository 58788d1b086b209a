//! Probes: how a container is asked whether it has started, lives, and can serve.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Container, ContainerId, ContainerName, ContainerPort, Pod};

/// What a probe is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Whether the container has started; until then the others are silent.
    Startup,
    /// Whether it can serve.
    Readiness,
    /// Whether it lives; else it is ended.
    Liveness,
}

impl ProbeKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    /// The word in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// The probes of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// `startupProbe`.
    pub startup: Option<Probe>,
    /// `readinessProbe`.
    pub readiness: Option<Probe>,
    /// `livenessProbe`.
    pub liveness: Option<Probe>,
}

impl Probes {
    /// The probe of a kind, if there is one.
    pub fn of(&self, kind: ProbeKind) -> Option<&Probe> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Readiness => self.readiness.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
        }
    }
}

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is done.
    pub action: ProbeAction,
    /// How long after its start the container is left alone.
    pub initial_delay: Duration,
    /// How often it is asked.
    pub period: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many good answers in a row count as good.
    pub success_threshold: u32,
    /// How many bad answers in a row count as bad.
    pub failure_threshold: u32,
    /// How long a container that failed it may take to end; `None` is the pod's grace period.
    pub termination_grace: Option<Duration>,
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// Runs a command in the container; exit code 0 is good.
    Exec(Vec<String>),
    /// Fetches a page; a status from 200 to 399 is good.
    HttpGet(HttpGet),
    /// Opens a connection.
    TcpSocket {
        /// Where; `None` is the pod.
        host: Option<String>,
        /// Which port.
        port: PortRef,
    },
    /// Asks the health service of gRPC.
    Grpc {
        /// Which port.
        port: u16,
        /// About which service; empty is the server as a whole.
        service: String,
    },
}

/// A page that is fetched, by a probe or a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// How.
    pub scheme: Scheme,
    /// From where; `None` is the pod.
    pub host: Option<String>,
    /// From which port.
    pub port: PortRef,
    /// Path and query, as written.
    pub path: String,
    /// Headers, in order; a name may stand twice.
    pub headers: Vec<HttpHeader>,
}

/// One header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How a page is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Over TLS, whatever the certificate.
    Https,
}

impl Scheme {
    /// The word in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A port of a container, as it is referred to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// By its number.
    Number(u16),
    /// By its name in the container's list of ports.
    Name(String),
}

/// No port of the container has that name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("port {0} not found")]
pub struct UnknownPort(String);

impl PortRef {
    /// The number, looked up among the ports of a container.
    pub fn resolve(&self, ports: &[ContainerPort]) -> Result<u16, UnknownPort> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Name(name) => ports
                .iter()
                .find(|port| port.name.as_ref() == Some(name))
                .map(|port| port.container_port)
                .ok_or_else(|| UnknownPort(name.clone())),
        }
    }
}

/// Whom a probe is about.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The container in its spec.
    pub container: &'a Container,
    /// The container in the runtime.
    pub id: ContainerId,
    /// The pod's primary address; `None` as long as it has none.
    pub pod_ip: Option<IpAddr>,
}

/// What one try of a probe came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The answer was good.
    Success,
    /// The answer was good, but somebody should look at it.
    Warning(String),
    /// The answer was bad, or none came in time.
    Failure(String),
    /// It could not be asked: says nothing about the container.
    Error(String),
}

/// What is thought of a container, after its thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It has started, can serve, lives.
    Success,
    /// It has not, cannot, does not.
    Failure,
    /// Nothing is known yet.
    Unknown,
}

/// The verdicts on a pod's containers: for each probe the newest, with the container it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeResults {
    verdicts: BTreeMap<(ContainerName, ProbeKind), (ContainerId, Verdict)>,
}

impl ProbeResults {
    /// The verdict on a container; `None` as long as there is none on this very one.
    pub fn of(&self, name: &ContainerName, id: &ContainerId, kind: ProbeKind) -> Option<Verdict> {
        let (about, verdict) = self.verdicts.get(&(name.clone(), kind))?;
        (about == id).then_some(*verdict)
    }

    /// Takes a verdict down; says whether it is another one than before.
    pub fn set(
        &mut self,
        name: ContainerName,
        kind: ProbeKind,
        id: ContainerId,
        verdict: Verdict,
    ) -> bool {
        let new = (id, verdict);
        let before = self.verdicts.insert((name, kind), new.clone());
        before != Some(new)
    }

    /// Every verdict.
    pub fn all(&self) -> impl Iterator<Item = (&ContainerName, ProbeKind, &ContainerId, Verdict)> {
        self.verdicts
            .iter()
            .map(|((name, kind), (id, verdict))| (name, *kind, id, *verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_about_one_container_and_not_about_the_next_of_its_name() {
        let mut results = ProbeResults::default();
        let (web, first, second) = ("web".into(), "1".into(), "2".into());
        let set = |results: &mut ProbeResults, id: &ContainerId, verdict| {
            results.set("web".into(), ProbeKind::Liveness, id.clone(), verdict)
        };
        assert!(set(&mut results, &first, Verdict::Success));
        assert!(!set(&mut results, &first, Verdict::Success));
        assert!(set(&mut results, &first, Verdict::Failure));
        let of = |results: &ProbeResults, id| results.of(&web, id, ProbeKind::Liveness);
        assert_eq!(of(&results, &first), Some(Verdict::Failure));
        assert_eq!(of(&results, &second), None);
        assert!(set(&mut results, &second, Verdict::Success));
        assert_eq!(of(&results, &first), None);
    }
}
