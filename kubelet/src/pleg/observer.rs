//! Asks the runtime what it has of one pod.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::try_join_all;

use super::{last_words, leftovers, logged};
use crate::allocation::given;
use crate::cri::{
    Container, ContainerStatus, NamespaceMode, Runtime, RuntimeError, Sandbox, SandboxStatus, Scope,
};
use crate::labels;
use crate::layout::{Layout, log_file};
use crate::log_links;
use crate::model::{
    ContainerHash, ContainerId, ContainerName, ContainerObservation, ContainerState, NetworkMode,
    PodName, PodObservation, PodUid, SandboxObservation, Size, TerminationMessagePolicy,
};
use crate::source::read_hook;
use crate::sync::{ObserveError, Observer, RuntimePod};

/// Shows pods as the runtime has them now.
pub struct RuntimeObserver {
    runtime: Arc<dyn Runtime>,
    layout: Layout,
    /// Containers that have ended: they never change again.
    ended: Mutex<HashMap<ContainerId, ContainerObservation>>,
}

impl RuntimeObserver {
    /// An observer that has seen nothing.
    pub fn new(runtime: Arc<dyn Runtime>, layout: Layout) -> Self {
        Self {
            runtime,
            layout,
            ended: Mutex::default(),
        }
    }

    /// Forgets ended containers that are not among these, and removes links to their logs.
    pub(super) fn keep_only(&self, containers: &BTreeSet<ContainerId>) {
        self.ended().retain(|id, _| containers.contains(id));
        if let Err(error) = log_links::sweep(&self.layout, containers) {
            tracing::warn!(%error, "cannot remove links to logs that are gone");
        }
    }

    /// Pods of which something is on disk.
    pub(super) fn on_disk(&self) -> std::io::Result<Vec<RuntimePod>> {
        leftovers::on_disk(&self.layout)
    }

    async fn look(&self, uid: &PodUid, name: &PodName) -> Result<PodObservation, RuntimeError> {
        let scope = || Scope::Pod(uid.clone());
        let (sandboxes, containers) = tokio::try_join!(
            self.runtime.list_sandboxes(scope()),
            self.runtime.list_containers(scope()),
        )?;
        let (sandboxes, containers) = tokio::try_join!(
            try_join_all(sandboxes.into_iter().map(|sandbox| self.sandbox(sandbox))),
            try_join_all(
                containers
                    .into_iter()
                    .map(|one| self.container(uid, name, one))
            ),
        )?;
        let mut containers: Vec<_> = containers.into_iter().flatten().collect();
        let size = self.note_sizes(uid, &mut containers);
        Ok(PodObservation {
            uid: uid.clone(),
            name: name.clone(),
            sandboxes: sandboxes.into_iter().flatten().collect(),
            logged: self.logged(uid, name, &containers),
            containers,
            size,
        })
    }

    /// The sizes that containers were given after they were made; that of the pod as a whole.
    fn note_sizes(&self, uid: &PodUid, containers: &mut [ContainerObservation]) -> Option<Size> {
        let file = self.layout.sizes(uid);
        match given::read(&file) {
            Ok(given) => {
                for container in containers {
                    let size = given.get(container.id.as_str()).copied();
                    container.size = size.or(container.size);
                }
                given.get(given::WHOLE).copied()
            }
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "cannot read sizes of containers");
                None
            }
        }
    }

    /// A count that cannot be read begins anew, which is better than no container.
    fn logged(
        &self,
        uid: &PodUid,
        pod: &PodName,
        containers: &[ContainerObservation],
    ) -> BTreeMap<ContainerName, u32> {
        let known = containers.iter().map(|container| &container.name).collect();
        let logs = self.layout.pod_log(pod, uid);
        logged::next_numbers(&logs, &known).unwrap_or_else(|error| {
            tracing::warn!(logs = %logs.display(), %error, "cannot count restarts by logs");
            BTreeMap::new()
        })
    }

    /// `None` when it was removed after it was listed.
    async fn sandbox(&self, sandbox: Sandbox) -> Result<Option<SandboxObservation>, RuntimeError> {
        let status = present(self.runtime.sandbox_status(sandbox.id).await)?;
        Ok(status.map(observe_sandbox))
    }

    /// `None` when it was removed after it was listed.
    async fn container(
        &self,
        uid: &PodUid,
        pod: &PodName,
        listed: Container,
    ) -> Result<Option<ContainerObservation>, RuntimeError> {
        if let Some(known) = self.ended().get(&listed.id) {
            return Ok(Some(known.clone()));
        }
        let status = present(self.runtime.container_status(listed.id.clone()).await)?;
        let Some(status) = status else {
            return Ok(None);
        };
        let annotations = status.annotations.clone();
        let mut observed = observe_container(&listed, status);
        if let ContainerState::Exited(exit) = &mut observed.state {
            let words = self.last_words(
                uid,
                pod,
                &observed.name,
                observed.restart_count,
                exit.code,
                &annotations,
            );
            append(&mut exit.message, &words);
            self.ended().insert(listed.id, observed.clone());
        }
        Ok(Some(observed))
    }

    fn last_words(
        &self,
        uid: &PodUid,
        pod: &PodName,
        container: &ContainerName,
        restart_count: u32,
        exit_code: i32,
        annotations: &BTreeMap<String, String>,
    ) -> String {
        let file = self
            .layout
            .container(uid, container)
            .join(restart_count.to_string());
        let words = match last_words::message(&file) {
            Ok(words) => words,
            Err(error) => {
                let file = file.display();
                return format!("Error on reading termination log {file}: {error}");
            }
        };
        let falls_back = annotations
            .get(labels::TERMINATION_MESSAGE_POLICY)
            .map(String::as_str)
            == Some(TerminationMessagePolicy::FallbackToLogsOnError.as_str());
        if !words.is_empty() || !falls_back || exit_code == 0 {
            return words;
        }
        let log = self
            .layout
            .pod_log(pod, uid)
            .join(log_file(container, restart_count));
        last_words::log_end(&log).unwrap_or_else(|error| {
            format!("Error on reading termination message from logs: {error}")
        })
    }

    fn ended(&self) -> MutexGuard<'_, HashMap<ContainerId, ContainerObservation>> {
        self.ended.lock().expect("no holder of this lock can panic")
    }
}

impl Observer for RuntimeObserver {
    async fn observe(&self, uid: &PodUid, name: &PodName) -> Result<PodObservation, ObserveError> {
        self.look(uid, name).await.map_err(|error| ObserveError {
            pod: name.clone(),
            source: Box::new(error),
        })
    }
}

fn present<T>(answer: Result<T, RuntimeError>) -> Result<Option<T>, RuntimeError> {
    match answer {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn observe_sandbox(status: SandboxStatus) -> SandboxObservation {
    let SandboxStatus {
        sandbox,
        ips,
        network,
    } = status;
    SandboxObservation {
        id: sandbox.id,
        attempt: sandbox.metadata.attempt,
        state: sandbox.state,
        created_at: sandbox.created_at,
        network: match network {
            NamespaceMode::Node => NetworkMode::Host,
            NamespaceMode::Pod | NamespaceMode::Container | NamespaceMode::Target(_) => {
                NetworkMode::Pod
            }
        },
        ips,
    }
}

/// What the kubelet wrote on the container counts; the runtime's own fields stand in for it.
fn observe_container(listed: &Container, status: ContainerStatus) -> ContainerObservation {
    let annotation = |key: &str| status.annotations.get(key).map(String::as_str);
    let restart_count = annotation(labels::RESTART_COUNT).and_then(|text| text.parse().ok());
    let name = status
        .labels
        .get(labels::CONTAINER_NAME)
        .unwrap_or(&status.metadata.name);
    ContainerObservation {
        id: status.id.clone(),
        sandbox_id: listed.sandbox.clone(),
        name: name.as_str().into(),
        restart_count: restart_count.unwrap_or(status.metadata.attempt),
        hash: annotation(labels::CONTAINER_HASH).and_then(ContainerHash::parse),
        size: annotation(labels::CONTAINER_SIZE).and_then(Size::parse),
        grace_period: annotation(labels::TERMINATION_GRACE_PERIOD)
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs),
        pre_stop: annotation(labels::PRE_STOP_HANDLER)
            .and_then(|hook| read_hook(hook, annotation(labels::CONTAINER_PORTS))),
        image: status.image,
        image_id: status.image_id,
        created_at: status.created_at,
        state: status.state,
        told: status.told,
    }
}

fn append(message: &mut String, words: &str) {
    if !message.is_empty() && !words.is_empty() {
        message.push_str(": ");
    }
    message.push_str(words);
}
