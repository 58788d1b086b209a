//! The roles that a pod's worker needs others to play.
//!
//! Each is small, in the kubelet's own types, and defined here, beside its user; `app` decides who
//! plays it. The fakes that the tests use behave like the real thing in memory.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodStatus;

use crate::allocation::Ledger;
use crate::device::NotReserved;
use crate::model::{
    Event, Pod, PodActions, PodName, PodObservation, PodUid, Probe, ProbeOutcome, ProbeResults,
    SyncReport, Target,
};

/// Carries plans out.
///
/// Dropping a returned future stops the work where it is: the next plan is made from what the
/// runtime then shows.
pub trait Executor: Send + Sync + 'static {
    /// Gets a pod what nobody else can have then, before anything is made of it. Does nothing the
    /// second time.
    fn reserve(&self, pod: &Pod) -> impl Future<Output = Result<(), NotReserved>> + Send;

    /// Tells in a pod's status how what it has is.
    fn tell_devices(&self, pod: &Pod, status: &mut PodStatus);

    /// Carries out the plan of a pod that is wanted. What fails is reported, never raised: the rest
    /// of the plan that does not need it goes on.
    fn sync(
        &self,
        pod: &Pod,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> impl Future<Output = SyncReport> + Send;

    /// Brings what the pod's containers read of the node up to date while they run. What fails is an
    /// event, and tried again with the next look; when that shall be, if soon.
    fn refresh(&self, pod: &Pod) -> impl Future<Output = Option<Duration>> + Send;

    /// Kills, stops and removes what the plan names, of a pod that may not be known any more.
    /// Returns when everything named has ended.
    fn terminate(
        &self,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> impl Future<Output = Result<(), TerminateError>> + Send;

    /// Takes from a pod that has ended what it held of the node: volumes, its cgroup, ids. What people
    /// look at stays. Does nothing the second time.
    fn release(
        &self,
        uid: &PodUid,
        name: &PodName,
    ) -> impl Future<Output = Result<(), TerminateError>> + Send;

    /// Takes away all that the node keeps for a pod that has ended: what is released, and its
    /// directories. Does nothing the second time.
    fn clean_up(
        &self,
        uid: &PodUid,
        name: &PodName,
    ) -> impl Future<Output = Result<(), TerminateError>> + Send;
}

/// Asks containers how they do, and keeps what is thought of them.
pub trait Prober: Send + Sync + 'static {
    /// One try of a probe, no longer than its timeout.
    fn probe(
        &self,
        target: &Target<'_>,
        probe: &Probe,
    ) -> impl Future<Output = ProbeOutcome> + Send;

    /// The verdicts that an earlier kubelet had on a pod's containers.
    fn recall(&self, uid: &PodUid) -> impl Future<Output = ProbeResults> + Send;

    /// Keeps the verdicts for the next kubelet. What cannot be kept is only found out again.
    fn remember(&self, uid: &PodUid, results: &ProbeResults) -> impl Future<Output = ()> + Send;
}

/// Knows what was added to pods while they run.
pub trait Additions: Send + Sync + 'static {
    /// The pod of its manifest with what was added to it.
    fn complete(&self, pod: Arc<Pod>) -> Arc<Pod>;
}

/// Keeps what pods have been given, for a kubelet that starts again.
pub trait Allocations: Send + Sync + 'static {
    /// What was kept last.
    fn recall(&self) -> Ledger;

    /// Keeps this. What cannot be kept is decided anew by the next kubelet.
    fn keep(&self, ledger: &Ledger);
}

/// Shows pods as the runtime has them.
pub trait Observer: Send + Sync + 'static {
    /// What the runtime has of a pod, no older than this call. Of a pod it has nothing of, that is
    /// [`PodObservation::nothing`].
    fn observe(
        &self,
        uid: &PodUid,
        name: &PodName,
    ) -> impl Future<Output = Result<PodObservation, ObserveError>> + Send;
}

/// Takes down what happened, for people.
pub trait EventRecorder: Send + Sync + 'static {
    /// Takes one event down; never waits.
    fn record(&self, event: Event);
}

/// Is told what became of each pod.
pub trait StatusSink: Send + Sync + 'static {
    /// A pod's status is now this.
    fn publish(&self, pod: &Pod, status: &PodStatus);

    /// A pod is gone for good.
    fn forget(&self, uid: &PodUid);
}

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Why a pod could not be ended; it is tried again.
#[derive(Debug, thiserror::Error)]
#[error("cannot end pod {pod}")]
pub struct TerminateError {
    /// Which.
    pub pod: PodName,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Why the runtime did not show a pod.
#[derive(Debug, thiserror::Error)]
#[error("cannot see what the runtime has of pod {pod}")]
pub struct ObserveError {
    /// Which.
    pub pod: PodName,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
