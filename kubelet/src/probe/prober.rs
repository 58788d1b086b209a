//! One try of a probe, whatever its kind; what cannot be tried is tried again at once, and then told.

use std::sync::Arc;

use super::http::Fetcher;
use super::memory::Memory;
use super::{exec, grpc, http, tcp};
use crate::cri::Runtime;
use crate::execute::expand;
use crate::layout::Layout;
use crate::model::{
    Container, EnvValue, PodUid, Probe, ProbeAction, ProbeOutcome, ProbeResults, Target,
};
use crate::sync::Prober;

/// How often what cannot be tried is tried.
const TRIES: usize = 3;

/// Asks containers how they do.
pub struct ContainerProber {
    runtime: Arc<dyn Runtime>,
    fetcher: Fetcher,
    memory: Memory,
}

impl ContainerProber {
    /// A prober of the containers of a runtime.
    pub fn new(runtime: Arc<dyn Runtime>, layout: Layout) -> Self {
        Self {
            runtime,
            fetcher: Fetcher::new(),
            memory: Memory::new(layout),
        }
    }

    async fn try_once(&self, target: &Target<'_>, probe: &Probe) -> ProbeOutcome {
        let host = |host: &Option<String>| match (host, target.pod_ip) {
            (Some(host), _) => Some(host.clone()),
            (None, ip) => ip.map(|ip| ip.to_string()),
        };
        let homeless = || ProbeOutcome::Error("the pod has no address".to_owned());
        match &probe.action {
            ProbeAction::Exec(command) => {
                let command = expanded(command, target.container);
                let runtime = self.runtime.as_ref();
                exec::probe(runtime, target.id.clone(), command, probe.timeout).await
            }
            ProbeAction::HttpGet(get) => {
                http::probe(&self.fetcher, get, target, probe.timeout).await
            }
            ProbeAction::TcpSocket { host: named, port } => {
                match (host(named), port.resolve(&target.container.ports)) {
                    (Some(host), Ok(port)) => tcp::probe(&host, port, probe.timeout).await,
                    (_, Err(unknown)) => ProbeOutcome::Error(unknown.to_string()),
                    (None, Ok(_)) => homeless(),
                }
            }
            ProbeAction::Grpc { port, service } => match host(&None) {
                Some(host) => grpc::probe(&host, *port, service, probe.timeout).await,
                None => homeless(),
            },
        }
    }
}

impl Prober for ContainerProber {
    async fn probe(&self, target: &Target<'_>, probe: &Probe) -> ProbeOutcome {
        let mut outcome = self.try_once(target, probe).await;
        for _ in 1..TRIES {
            if !matches!(outcome, ProbeOutcome::Error(_)) {
                break;
            }
            outcome = self.try_once(target, probe).await;
        }
        outcome
    }

    async fn recall(&self, uid: &PodUid) -> ProbeResults {
        self.memory.recall(uid).await
    }

    async fn remember(&self, uid: &PodUid, results: &ProbeResults) {
        self.memory.remember(uid, results).await;
    }
}

/// A probe's command sees the variables that are written in the manifest, and those from elsewhere
/// as empty.
fn expanded(command: &[String], container: &Container) -> Vec<String> {
    let value_of = |name: &str| {
        let mut variables = container.env.iter().rev();
        let found = variables.find(|variable| variable.name == name)?;
        Some(match &found.value {
            EnvValue::Literal(text) => text.as_str(),
            _ => "",
        })
    };
    command.iter().map(|word| expand(word, value_of)).collect()
}
