//! One task per pod: it looks, plans, acts, and says what became of the pod.
//!
//! ```text
//! Syncing ──(unwanted, finished, given up)──► Terminating ──(stopped)──► Terminated ──► gone
//!    │                                              ▲                         │
//!    └─ look, plan, act, look again …               └──(unwanted)── Settled ◄─┘
//! ```
//!
//! A pod that is still desired when it has ended loses what it held of the node: volumes, cgroup, ids. It
//! stays Settled, with its status and logs, until it is unwanted; then everything of it is removed and the
//! task ends.

mod leave;
mod probes;
mod reserve;
mod resize;
mod rest;
mod state;
mod tell;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::PodStatus;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::causes::chain;
use crate::metrics::{Lifecycle, Wanted, Work, Working};
use crate::model::{
    ContainerName, Demise, HeldBack, Pod, PodActions, PodName, PodObservation, PodUid,
    ProbeResults, StartFailure, SyncReport,
};
use crate::plan::{
    CrashBackoff, Situation, compute_pod_actions, deadline_of, end_pod, restart_asked, start_time,
};
use crate::sync::orders::{Goal, Orders};
use crate::sync::pace::{AFTER_ERROR, resync, until};
use crate::sync::probing::Probing;
use crate::sync::{Clock, Executor, Observer, Report, Roles, TerminateError, World};

use crate::status::heeded;
use reserve::Reserved;
use resize::Ongoing;
use state::{Ending, State};

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The next step, at once.
    Step,
    /// Waits this long, or until it is woken.
    Pause(Duration),
    /// The same after a failure: at first only a changed goal wakes it, because what failed may
    /// itself be what the runtime has news of.
    Retry(Duration),
    /// Waits until it is woken.
    Sleep,
    /// Ends: the pod is gone.
    Gone,
}

/// The worker of one pod.
pub(super) struct Worker<R: Roles> {
    uid: PodUid,
    name: PodName,
    world: Arc<World<R>>,
    orders: watch::Receiver<Orders>,
    reports: mpsc::UnboundedSender<(PodUid, Report)>,
    state: State,
    /// The newest version of the pod; an orphan has none.
    pod: Option<Arc<Pod>>,
    /// The version that was looked at last.
    looked_at: Option<Arc<Pod>>,
    status: Option<PodStatus>,
    backoff: CrashBackoff,
    failures: BTreeMap<ContainerName, StartFailure>,
    probing: Probing,
    /// The verdicts that the next kubelet would find.
    remembered: ProbeResults,
    /// Whether it has what nobody else can have then.
    reserved: Reserved,
    /// The newest wish for another size that was granted.
    granted: Option<i64>,
    /// The one that is being carried out.
    resizing: Option<Ongoing>,
    /// What was held back last, so that each wait is told once.
    told: Vec<HeldBack>,
    /// The last plan carried out, so that one without effect is not repeated at once.
    last_plan: PodActions,
    /// Where it is counted to be.
    counted: Working,
}

impl<R: Roles> Worker<R> {
    /// A worker that follows these orders and tells the loop of its pod.
    pub(super) fn new(
        uid: PodUid,
        name: PodName,
        world: Arc<World<R>>,
        (orders, reports): (
            watch::Receiver<Orders>,
            mpsc::UnboundedSender<(PodUid, Report)>,
        ),
    ) -> Self {
        Self {
            counted: world.metrics.pods().worker(),
            backoff: CrashBackoff::new(world.pace.longest_backoff),
            uid,
            name,
            world,
            orders,
            reports,
            state: State::Syncing,
            pod: None,
            looked_at: None,
            status: None,
            failures: BTreeMap::new(),
            probing: Probing::new(),
            remembered: ProbeResults::default(),
            reserved: Reserved::NotYet,
            granted: None,
            resizing: None,
            told: Vec::new(),
            last_plan: PodActions::default(),
        }
    }

    /// Works until the pod is gone or the loop has dropped the orders; says whose worker it was.
    pub(super) async fn run(mut self) -> PodUid {
        loop {
            let orders = self.orders.borrow_and_update().clone();
            self.follow(&orders);
            self.count();
            let next = match self.state.clone() {
                State::Syncing => match &orders.goal {
                    Goal::Inspect(pod) => self.inspect(pod).await,
                    _ => self.sync_until_ended().await,
                },
                State::Terminating(ending) => {
                    let began = Instant::now();
                    let next = self.terminate(ending, &orders).await;
                    self.world.metrics.worked(Work::Kill, began.elapsed());
                    next
                }
                State::Terminated(ending) => self.leave(ending).await,
                State::Settled(_) => Next::Sleep,
            };
            if !self.rest(next).await {
                self.probing.end().await;
                return self.uid;
            }
        }
    }

    /// Counts the worker where it is.
    fn count(&mut self) {
        let (lifecycle, ending) = match &self.state {
            State::Syncing => (Lifecycle::Sync, None),
            State::Terminating(ending) => (Lifecycle::Terminating, Some(ending)),
            State::Terminated(ending) | State::Settled(ending) => {
                (Lifecycle::Terminated, Some(ending))
            }
        };
        let wanted = match (&self.pod, ending) {
            (None, _) => Wanted::RuntimeOnly,
            (Some(_), Some(Ending::Unwanted)) => Wanted::Orphan,
            (Some(_), _) => Wanted::Desired,
        };
        let pod = self.pod.as_ref();
        self.counted
            .at(lifecycle, wanted, pod.map(|pod| &pod.origin));
        let ephemeral = pod.map_or(0, |pod| pod.spec.ephemeral_containers.len());
        self.counted.has_ephemeral(ephemeral);
    }

    /// The only place where orders change the state.
    fn follow(&mut self, orders: &Orders) {
        match &orders.goal {
            Goal::Inspect(pod) | Goal::Run(pod) => self.pod = Some(pod.clone()),
            Goal::Fail { pod, demise, .. } => {
                self.pod = Some(pod.clone());
                if self.state == State::Syncing {
                    self.state = State::Terminating(Ending::Failed(demise.clone()));
                }
            }
            Goal::End { pod, .. } => {
                self.pod = pod.clone().or(self.pod.take());
                match self.state {
                    State::Terminating(Ending::Unwanted) | State::Terminated(Ending::Unwanted) => {}
                    State::Syncing
                    | State::Terminating(_)
                    | State::Terminated(_)
                    | State::Settled(_) => {
                        self.state = State::Terminating(Ending::Unwanted);
                    }
                }
            }
        }
        let Some(pod) = self.pod.clone() else { return };
        let is_first = self.status.is_none();
        self.status = heeded(self.status.take(), &pod);
        if is_first && let Some(told) = self.status.clone() {
            self.recall_resize(&told);
        }
        self.follow_resize(&pod);
    }

    /// Looks whether the pod has done its work; if not, it has to be let in before anything is done.
    async fn inspect(&mut self, pod: &Pod) -> Next {
        let Some(observation) = self.observe().await else {
            return Next::Retry(AFTER_ERROR);
        };
        self.recall_verdicts(pod).await;
        if self.publish(pod, &observation, None).is_terminal() {
            self.state = State::Terminating(Ending::Finished);
            return Next::Step;
        }
        self.report(Report::WantsIn);
        Next::Sleep
    }

    pub(super) fn report(&self, report: Report) {
        // A loop that has ended has nobody to let in.
        let _ = self.reports.send((self.uid.clone(), report));
    }

    /// One sync, given up at once when the pod shall end.
    async fn sync_until_ended(&mut self) -> Next {
        let Some(pod) = self.pod.clone() else {
            return Next::Sleep;
        };
        let work = self.work_on(&pod);
        let began = Instant::now();
        let mut orders = self.orders.clone();
        let next = tokio::select! {
            biased;
            // Dropping a sync loses nothing: the next plan starts from what the runtime shows.
            _ = orders.wait_for(Orders::is_ending) => Next::Step,
            next = self.sync(&pod) => next,
        };
        self.world.metrics.worked(work, began.elapsed());
        next
    }

    /// What looking at this version of the pod counts as.
    fn work_on(&mut self, pod: &Arc<Pod>) -> Work {
        match self.looked_at.replace(pod.clone()) {
            None => {
                let waited = self.world.clock.now().duration_since(pod.seen_at);
                self.world.metrics.worker_started(waited.unsigned_abs());
                self.world.metrics.starts().met(pod.spec.containers.len());
                Work::Create
            }
            Some(last) if !Arc::ptr_eq(&last, pod) => Work::Update,
            Some(_) => Work::Sync,
        }
    }

    async fn sync(&mut self, pod: &Arc<Pod>) -> Next {
        self.start_probes(pod).await;
        let Some(observation) = self.observe().await else {
            return Next::Retry(AFTER_ERROR);
        };
        if let Some(next) = self.reserve(pod, &observation).await {
            return next;
        }
        let now = self.world.clock.now();
        let deadline = deadline_of(pod, start_time(pod, &observation));
        if deadline.is_some_and(|deadline| deadline <= now) {
            let demise = Demise::deadline_exceeded();
            self.inform("DeadlineExceeded", demise.message.clone());
            self.state = State::Terminating(Ending::Failed(Arc::new(demise)));
            return Next::Step;
        }
        self.look_at_resize(pod, &observation);
        let probes = self.verdicts().await;
        let asked = self.orders.borrow().restarts.clone();
        let actions = restart_asked(pod, &observation, &asked).unwrap_or_else(|| {
            compute_pod_actions(Situation {
                pod,
                observation: &observation,
                probes: &probes,
                backoff: &self.backoff,
                keep: self.world.keep,
                now,
            })
        });
        self.tell_waits(&actions.held_back);
        if self.publish(pod, &observation, None).is_terminal() {
            self.state = State::Terminating(Ending::Finished);
            return Next::Step;
        }
        let pause = [actions.wake_at(), deadline]
            .into_iter()
            .flatten()
            .map(|moment| until(moment, now))
            .fold(resync(&self.uid, self.world.pace.resync), Duration::min);
        if actions.is_empty() {
            self.last_plan = actions;
            let again = self.world.executor.refresh(pod).await;
            return Next::Pause(again.map_or(pause, |again| pause.min(again)));
        }
        self.act(pod, &observation, actions)
            .await
            .map_or(Next::Step, |retry| Next::Retry(retry.min(pause)))
    }

    /// Carries a plan out; the pause before the next try if not all of it worked.
    async fn act(
        &mut self,
        pod: &Pod,
        observation: &PodObservation,
        actions: PodActions,
    ) -> Option<Duration> {
        if actions == self.last_plan {
            tracing::warn!(pod = %self.name, ?actions, "the plan had no effect; trying again later");
            self.last_plan = PodActions::default();
            return Some(AFTER_ERROR);
        }
        self.backoff
            .note_starts(pod, observation, &actions, self.world.clock.now());
        let report = self.carry_out(pod, observation, &actions).await;
        self.note(&report);
        if let Some(rejected) = report.pod.as_ref().filter(|one| one.is_rejection()) {
            self.reject(rejected.reason, rejected.message.clone());
            return None;
        }
        if let Some(why) = &report.resize {
            self.resize_failed(pod, why);
        }
        if report.is_success() {
            self.last_plan = actions;
            return None;
        }
        self.last_plan = PodActions::default();
        if let Some(observation) = self.observe().await {
            self.publish(pod, &observation, None);
        }
        Some(report.retry_after().unwrap_or(AFTER_ERROR))
    }

    /// Has a plan carried out; what the probes find out meanwhile is told meanwhile.
    async fn carry_out(
        &mut self,
        pod: &Pod,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> SyncReport {
        let executor = self.world.executor.clone();
        let mut news = self.probing.news();
        let mut work = std::pin::pin!(executor.sync(pod, observation, actions));
        loop {
            tokio::select! {
                report = &mut work => return report,
                // Verdicts stay in their channel.
                () = news.come() => {
                    self.verdicts().await;
                    self.publish(pod, observation, None);
                }
            }
        }
    }

    /// Remembers why containers could not be started until they are.
    fn note(&mut self, report: &SyncReport) {
        for started in &report.started {
            self.failures.remove(started);
        }
        self.failures.extend(report.containers.clone());
    }

    /// Ends everything of the pod that runs.
    async fn terminate(&mut self, ending: Ending, orders: &Orders) -> Next {
        self.probing.spare_containers();
        self.verdicts().await;
        let Some(observation) = self.observe().await else {
            return Next::Retry(AFTER_ERROR);
        };
        self.publish_ending(&ending, &observation);
        if observation.is_stopped() {
            self.probing.end().await;
            self.report(Report::Ended);
            self.state = State::Terminated(ending);
            return Next::Step;
        }
        let actions = end_pod(self.pod.as_deref(), &observation, orders.grace());
        let mut changed = self.orders.clone();
        let is_shorter =
            |new: &Orders| new.grace() < orders.grace() || new.is_ending() != orders.is_ending();
        let mut shorter = std::pin::pin!(async { changed.wait_for(is_shorter).await.is_ok() });
        let executor = self.world.executor.clone();
        let mut news = self.probing.news();
        let mut work = std::pin::pin!(executor.terminate(&observation, &actions));
        let mut late = std::pin::pin!(too_late(&ending, orders));
        let mut is_late = false;
        loop {
            tokio::select! {
                () = &mut late, if !is_late => {
                    is_late = true;
                    self.warn("ExceededGracePeriod", NOT_KILLED.to_owned());
                }
                // Killing is given up only to kill again with less grace.
                true = &mut shorter => return Next::Step,
                ended = &mut work => return match ended {
                    Ok(()) => Next::Step,
                    Err(error) => self.failed(&error),
                },
                // Whether it can serve is told until it has ended.
                () = news.come() => {
                    self.verdicts().await;
                    self.publish_ending(&ending, &observation);
                }
            }
        }
    }

    async fn observe(&self) -> Option<PodObservation> {
        let began = Instant::now();
        match self.world.observer.observe(&self.uid, &self.name).await {
            Ok(observation) => {
                self.world.metrics.pod_relisted(began.elapsed());
                Some(observation)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "trying again later"
                );
                None
            }
        }
    }

    fn failed(&self, error: &TerminateError) -> Next {
        if self.pod.is_none() {
            self.world.metrics.pods().is_not_swept();
        }
        self.warn("FailedKillPod", chain(error));
        Next::Retry(AFTER_ERROR)
    }
}

/// What upstream says of a pod that the node ends for its own sake, and that goes on.
const NOT_KILLED: &str = "Container runtime did not kill the pod within specified grace period.";

/// Until a pod that the node ends for its own sake should have ended, and the runtime has had its time.
async fn too_late(ending: &Ending, orders: &Orders) {
    const LEAST: Duration = Duration::from_secs(10);
    match ending {
        Ending::Failed(demise) if demise.is_for_the_node() => {
            let grace = orders.grace().unwrap_or_default();
            tokio::time::sleep((grace + grace / 2).max(LEAST)).await;
        }
        Ending::Unwanted | Ending::Finished | Ending::Failed(_) => std::future::pending().await,
    }
}
