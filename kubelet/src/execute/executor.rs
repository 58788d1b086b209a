//! The executor: one plan, from top to bottom.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::PodStatus;
use tokio::sync::watch;

use super::images::{ImageParts, ImagePuller};
use super::node::Node;
use super::report::Reporter;
use super::resize::as_it_is;
use super::sandbox::Standing;
use super::users;
use crate::admit::NodeFacts;
use crate::cri::Runtime;
use crate::csi::{Attachments, Claims, Mounter};
use crate::device::{Desk, NotReserved};
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::model::{
    Pod, PodActions, PodFailure, PodName, PodObservation, PodUid, SyncReport, TargetSandbox,
};
use crate::pinning;
use crate::probe::http::Fetcher;
use crate::resource::PodCgroups;
use crate::store::Objects;
use crate::sync::{Clock, EventRecorder, Executor, TerminateError};
use crate::volume::Volumes;

/// Knows what containers are told of services.
pub trait ServiceVariables: Send + Sync + 'static {
    /// Names and values for a namespace, with those of its own services or without; nothing as long
    /// as they are not known.
    fn of(&self, namespace: &str, has_links: bool) -> Option<Vec<(String, String)>>;
}

/// What an executor is made of.
pub struct Parts {
    /// Makes sandboxes and containers.
    pub runtime: Arc<dyn Runtime>,
    /// Takes down what happened.
    pub events: Arc<dyn EventRecorder>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where things are on disk.
    pub layout: Layout,
    /// Has the objects that pods refer to.
    pub objects: Arc<dyn Objects>,
    /// Knows the services of the cluster, if there is one.
    pub services: Option<Arc<dyn ServiceVariables>>,
    /// Makes the pods' cgroups.
    pub cgroups: PodCgroups,
    /// Has the devices of plugins.
    pub devices: Arc<Desk>,
    /// Has the CPUs that containers have for themselves.
    pub pinning: Arc<pinning::Desk>,
    /// Has drivers mount volumes.
    pub csi: Mounter,
    /// Knows what is attached to the node, if it is one of a cluster.
    pub(crate) attachments: Option<Arc<dyn Attachments>>,
    /// Has the claims of the cluster, if there is one.
    pub(crate) claims: Option<Arc<dyn Claims>>,
    /// The node as pods are let in to it: its labels.
    pub node_facts: watch::Receiver<Arc<NodeFacts>>,
    /// What pods see of the node.
    pub node: Node,
    /// How images come.
    pub images: ImageParts,
    /// Where it is counted what is done.
    pub metrics: Metrics,
}

/// Carries plans out against a runtime.
pub struct PodExecutor {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) events: Arc<dyn EventRecorder>,
    pub(super) layout: Layout,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) services: Option<Arc<dyn ServiceVariables>>,
    pub(super) cgroups: PodCgroups,
    pub(super) devices: Arc<Desk>,
    pub(super) pinning: Arc<pinning::Desk>,
    pub(super) csi: Mounter,
    pub(super) attachments: Option<Arc<dyn Attachments>>,
    pub(super) claims: Option<Arc<dyn Claims>>,
    pub(super) node_facts: watch::Receiver<Arc<NodeFacts>>,
    pub(super) node: Node,
    pub(super) volumes: Volumes,
    pub(super) images: ImagePuller,
    pub(super) fetcher: Fetcher,
    pub(super) metrics: Metrics,
}

impl PodExecutor {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            runtime,
            events,
            clock,
            layout,
            objects,
            services,
            cgroups,
            devices,
            pinning,
            csi,
            attachments,
            claims,
            node_facts,
            node,
            images,
            metrics,
        } = parts;
        Self {
            images: ImagePuller::new(Arc::clone(&runtime), clock, images, metrics.starts()),
            volumes: Volumes::new(layout.clone()).counted(metrics.volumes().clone()),
            fetcher: Fetcher::new(),
            runtime,
            events,
            layout,
            objects,
            services,
            cgroups,
            devices,
            pinning,
            csi,
            attachments,
            claims,
            node_facts,
            node,
            metrics,
        }
    }

    pub(super) fn report<'a>(&'a self, name: &'a PodName, uid: &'a PodUid) -> Reporter<'a> {
        Reporter::pod(self.events.as_ref(), name, uid)
    }

    async fn carry_out(
        &self,
        pod: &Pod,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> Result<SyncReport, PodFailure> {
        let report = self.report(&pod.name, &pod.uid);
        self.take_down(observation, actions)
            .await
            .map_err(|error| error.into_failure(&report))?;

        let Some(target) = &actions.sandbox else {
            return Ok(SyncReport::default());
        };
        let resize = match (&actions.resize, target) {
            (Some(resize), TargetSandbox::Existing(sandbox)) => {
                self.resize((pod, sandbox), observation, resize).await
            }
            _ => None,
        };
        let report = SyncReport {
            resize,
            ..SyncReport::default()
        };
        if target.is_existing() && actions.start.is_empty() {
            return Ok(report);
        }
        self.check_runtime(pod).await?;
        // Containers that kept their size must have room for it.
        let limits = match report.resize {
            Some(_) => Cow::Owned(as_it_is(&pod.spec, observation)),
            None => Cow::Borrowed(&pod.spec),
        };
        let standing = self.stand_up((pod, &limits), observation, target).await?;
        let started = self.start_all(pod, observation, actions, &standing).await;
        Ok(SyncReport {
            resize: report.resize,
            ..started
        })
    }

    async fn start_all(
        &self,
        pod: &Pod,
        observation: &PodObservation,
        actions: &PodActions,
        standing: &Standing,
    ) -> SyncReport {
        let mut report = SyncReport::default();
        let starts = self.metrics.starts();
        for start in &actions.start {
            starts.container(start.role);
            match self.start(pod, observation, start, standing).await {
                Ok(()) => report.started.push(start.name.clone()),
                Err(failure) => {
                    starts.container_failed(start.role, failure.reason.as_str());
                    report.containers.insert(start.name.clone(), failure);
                }
            }
        }
        report
    }
}

impl Executor for PodExecutor {
    async fn sync(
        &self,
        pod: &Pod,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> SyncReport {
        self.carry_out(pod, observation, actions)
            .await
            .unwrap_or_else(|failure| SyncReport {
                pod: Some(failure),
                ..SyncReport::default()
            })
    }

    async fn reserve(&self, pod: &Pod) -> Result<(), NotReserved> {
        self.pinning.reserve(pod).await
    }

    fn tell_devices(&self, pod: &Pod, status: &mut PodStatus) {
        self.devices.tell_health(pod, status);
    }

    async fn refresh(&self, pod: &Pod) -> Option<Duration> {
        self.refresh_volumes(pod).await
    }

    async fn terminate(
        &self,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> Result<(), TerminateError> {
        self.take_down(observation, actions).await.map_err(|error| {
            let report = self.report(&observation.name, &observation.uid);
            error.announce(&report);
            TerminateError {
                pod: observation.name.clone(),
                source: Box::new(error),
            }
        })
    }

    async fn release(&self, uid: &PodUid, name: &PodName) -> Result<(), TerminateError> {
        let released = self.release_all(uid).await;
        released.map_err(not_ended(name))
    }

    async fn clean_up(&self, uid: &PodUid, name: &PodName) -> Result<(), TerminateError> {
        self.images.forget(uid);
        self.release(uid, name).await?;
        let (volumes, owner) = (self.volumes.clone(), uid.clone());
        let logs = self.layout.pod_log(name, uid);
        let cleaned = tokio::task::spawn_blocking(move || {
            volumes.tear_down(&owner)?;
            crate::volume::remove_tree(&logs)
        });
        let cleaned = cleaned.await.map_err(Failure::from);
        cleaned.and_then(|done| Ok(done?)).map_err(not_ended(name))
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn not_ended(pod: &PodName) -> impl FnOnce(Failure) -> TerminateError {
    let pod = pod.clone();
    move |source| TerminateError { pod, source }
}

impl PodExecutor {
    /// In upstream's order: drivers are asked before anything else of the pod goes, the objects are
    /// needed for its volumes, and who runs in the cgroup has ids.
    async fn release_all(&self, uid: &PodUid) -> Result<(), Failure> {
        self.unmount_csi(uid).await?;
        let (volumes, cgroups, layout) = (
            self.volumes.clone(),
            self.cgroups.clone(),
            self.layout.clone(),
        );
        let (owner, starts) = (uid.clone(), self.metrics.starts().clone());
        let released = tokio::task::spawn_blocking(move || {
            volumes.release(&owner)?;
            let began = std::time::Instant::now();
            cgroups.remove(&owner)?;
            starts.cgroup("destroy", began.elapsed());
            users::give_back(&layout, &owner)?;
            Ok(())
        });
        self.objects.forget(uid);
        released.await?
    }
}

/// Waits for all; the first failure is what is told.
pub(super) async fn all_or_first_failure<E>(
    work: impl IntoIterator<Item = impl Future<Output = Result<(), E>>>,
) -> Result<(), E> {
    join_all(work).await.into_iter().collect()
}
