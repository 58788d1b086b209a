//! A node in memory that plays every role: containers run, exit with scripted codes, and take their
//! time to end. Time is tokio's, which the tests pause.

mod probes;
mod sizes;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodStatus;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{
    Additions, Clock, EventRecorder, Executor, Input, Life, ObserveError, Observer, Pace, Roles,
    RuntimePod, StatusSink, TerminateError, World,
};
use crate::admit::NodeFacts;
use crate::allocation::Ledger;
use crate::device::NotReserved;
use crate::metrics::Metrics;
use crate::model::{
    BEYOND_VOLUME_LIMIT, ContainerObservation, ContainerState, EphemeralContainer, Event, Exit,
    FailureReason, Pod, PodActions, PodFailure, PodName, PodObservation, PodUid, ProbeOutcome,
    ProbeResults, SandboxId, SandboxObservation, SandboxState, StartFailure, SyncReport,
    TargetSandbox,
};
use crate::plan::fixture;
use crate::pulse::Pulse;
use crate::status::Facts;

/// What a container does when it is started.
#[derive(Clone, Debug)]
pub(super) enum Behaviour {
    /// The node cannot have its pod.
    IsRejected,
    /// Exits after that many seconds with that code.
    Exits(u64, i32),
    /// Cannot be started.
    Fails(FailureReason),
    /// Runs, and ends only when its grace period is over.
    Stubborn,
    /// Runs, and ends a minute after that.
    Undead,
}

/// The node.
pub(super) struct FakeNode {
    began: Instant,
    state: Mutex<State>,
    inbox: mpsc::Sender<Input>,
    pub(super) metrics: Metrics,
    /// What the node is like.
    pub(super) facts: watch::Sender<Arc<NodeFacts>>,
    /// Bumped whenever anything changes, for tests that wait.
    pub(super) changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    pods: BTreeMap<PodUid, PodObservation>,
    scripts: BTreeMap<String, VecDeque<Behaviour>>,
    stubborn: Vec<String>,
    undead: Vec<String>,
    statuses: BTreeMap<PodUid, PodStatus>,
    events: Vec<Event>,
    /// What probes of a container come to, one after the other; after that they succeed.
    answers: BTreeMap<String, VecDeque<ProbeOutcome>>,
    remembered: BTreeMap<PodUid, ProbeResults>,
    probed: Vec<String>,
    phases: Vec<String>,
    log: Vec<String>,
    hangs: bool,
    added: BTreeMap<PodUid, EphemeralContainer>,
    ledger: Ledger,
    /// Why containers do not get other sizes.
    no_resize: Option<String>,
}

/// The node in all roles.
pub(super) enum Fake {}

impl Roles for Fake {
    type Executor = FakeNode;
    type Observer = FakeNode;
    type Prober = FakeNode;
    type Events = FakeNode;
    type Statuses = FakeNode;
    type Clock = FakeNode;
}

impl Additions for FakeNode {
    fn complete(&self, pod: Arc<Pod>) -> Arc<Pod> {
        let mut pod = Pod::clone(&pod);
        let added = self.lock().added.get(&pod.uid).cloned();
        pod.spec.ephemeral_containers = added.into_iter().collect();
        Arc::new(pod)
    }
}

impl FakeNode {
    pub(super) fn new(inbox: mpsc::Sender<Input>) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            state: Mutex::default(),
            inbox,
            metrics: Metrics::new("node-a"),
            facts: watch::Sender::new(Arc::new(NodeFacts::boundless())),
            changes: watch::Sender::new(0),
        })
    }

    pub(super) fn world(self: &Arc<Self>) -> Arc<World<Fake>> {
        Arc::new(World {
            executor: self.clone(),
            additions: self.clone(),
            allocations: self.clone(),
            observer: self.clone(),
            prober: self.clone(),
            events: self.clone(),
            statuses: self.clone(),
            clock: self.clone(),
            node: self.facts.subscribe(),
            tenants: watch::Sender::default(),
            // Long before: nothing is spread.
            started_at: fixture::at(-3600),
            facts: Facts::default(),
            metrics: self.metrics.clone(),
            pulse: Pulse::default(),
            pace: Pace::default(),
            keep: crate::plan::Keep::default(),
        })
    }

    /// Adds a container to a pod, which is still to be told.
    pub(super) fn add(&self, uid: &str, container: EphemeralContainer) {
        self.lock().added.insert(uid.into(), container);
    }

    /// What a container does at its first start, its second, and so on; after that it runs.
    pub(super) fn script(&self, container: &str, behaviours: &[Behaviour]) {
        let script = behaviours.iter().cloned().collect();
        self.lock().scripts.insert(container.to_owned(), script);
    }

    /// What the next probes of a container come to, whatever their kind.
    pub(super) fn answer(&self, container: &str, outcomes: &[ProbeOutcome]) {
        let answers = outcomes.iter().cloned().collect();
        self.lock().answers.insert(container.to_owned(), answers);
    }

    /// Every probe that was made, as `10s Liveness web#0`.
    pub(super) fn probed(&self) -> Vec<String> {
        self.lock().probed.clone()
    }

    /// Every phase of the one pod there is, in order.
    pub(super) fn phases(&self) -> Vec<String> {
        self.lock().phases.clone()
    }

    /// What an earlier kubelet left behind of its verdicts.
    pub(super) fn leave_verdicts(&self, uid: &str, results: ProbeResults) {
        self.lock().remembered.insert(uid.into(), results);
    }

    /// From now on a sync of any pod never returns.
    pub(super) fn hang(&self) {
        self.lock().hangs = true;
    }

    /// Lets a pod run that no kubelet has started.
    pub(super) fn leave_behind(&self, uid: &str, name: &str) -> RuntimePod {
        let pod = RuntimePod {
            uid: uid.into(),
            name: PodName::new("default", name),
            life: Life::Alive,
        };
        let mut seen = PodObservation::nothing(pod.uid.clone(), pod.name.clone());
        seen.sandboxes
            .push(fixture::sandbox(0, SandboxState::Ready));
        seen.containers
            .push(fixture::made("web", 0, fixture::running()));
        self.lock().pods.insert(pod.uid.clone(), seen);
        pod
    }

    /// What was done, in order.
    pub(super) fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    pub(super) fn events(&self) -> Vec<String> {
        self.lock()
            .events
            .iter()
            .map(|event| format!("{} {}", event.reason, event.message))
            .collect()
    }

    /// `phase: state of each container` of a pod, by name of the pod.
    pub(super) fn status(&self, uid: &str) -> Option<PodStatus> {
        self.lock().statuses.get(&uid.into()).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().pods.is_empty()
    }

    pub(super) fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics with the lock held")
    }

    fn note(&self, line: &str) {
        let line = format!("{}s {line}", self.seconds());
        self.lock().log.push(line);
        self.changes.send_modify(|count| *count += 1);
    }

    fn tell(&self, uid: &PodUid) {
        // A full inbox is fine: the loop looks at the pod anyway.
        let _ = self.inbox.try_send(Input::RuntimeChanged(uid.clone()));
        self.changes.send_modify(|count| *count += 1);
    }

    fn exit(&self, uid: &PodUid, id: &str, code: i32) {
        let finished_at = self.now();
        let mut state = self.lock();
        let pod = state.pods.get_mut(uid);
        let container =
            pod.and_then(|pod| pod.containers.iter_mut().find(|one| one.id.as_str() == id));
        if let Some(container) = container.filter(|one| runs_at(one, finished_at)) {
            container.state = ContainerState::Exited(Exit {
                code,
                started_at: Some(container.created_at),
                finished_at,
                reason: String::new(),
                message: String::new(),
            });
        }
        drop(state);
        self.tell(uid);
    }

    async fn end(&self, uid: &PodUid, actions: &PodActions) {
        for kill in &actions.kill {
            let is_stubborn = self.lock().stubborn.contains(&kill.name.to_string());
            if is_stubborn {
                tokio::time::sleep(kill.grace).await;
            }
            if self.lock().undead.contains(&kill.name.to_string()) {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            self.note(&format!("kill {}", kill.id));
            self.exit(uid, kill.id.as_str(), 137);
        }
        for stop in &actions.stop {
            if self.is_ready(uid, &stop.id) {
                self.note(&format!("stop {}", stop.id));
            }
        }
        let mut state = self.lock();
        let Some(pod) = state.pods.get_mut(uid) else {
            return;
        };
        for sandbox in &mut pod.sandboxes {
            if actions.stop.iter().any(|stop| stop.id == sandbox.id) {
                sandbox.state = SandboxState::NotReady;
            }
        }
        pod.containers.retain(|one| {
            actions
                .remove_containers
                .iter()
                .all(|gone| gone.id != one.id)
        });
        pod.sandboxes.retain(|one| {
            actions
                .remove_sandboxes
                .iter()
                .all(|gone| gone.id != one.id)
        });
    }

    fn is_ready(&self, uid: &PodUid, sandbox: &SandboxId) -> bool {
        let state = self.lock();
        let sandboxes = state.pods.get(uid).map(|pod| &pod.sandboxes);
        let is_it =
            |one: &SandboxObservation| one.id == *sandbox && one.state == SandboxState::Ready;
        sandboxes.is_some_and(|all| all.iter().any(is_it))
    }

    fn make_sandbox(&self, pod: &Pod, actions: &PodActions) -> Option<SandboxId> {
        match actions.sandbox.as_ref()? {
            TargetSandbox::Existing(id) => Some(id.clone()),
            TargetSandbox::Create(create) => {
                self.note(&format!("sandbox {}", create.attempt));
                let made = SandboxObservation {
                    created_at: self.now(),
                    ..fixture::sandbox(create.attempt, SandboxState::Ready)
                };
                let mut state = self.lock();
                let nothing = || PodObservation::nothing(pod.uid.clone(), pod.name.clone());
                let seen = state.pods.entry(pod.uid.clone()).or_insert_with(nothing);
                seen.sandboxes.push(made.clone());
                Some(made.id)
            }
        }
    }

    fn next_behaviour(&self, name: &str) -> Option<Behaviour> {
        self.lock()
            .scripts
            .get_mut(name)
            .and_then(VecDeque::pop_front)
    }
}

/// Containers exit in tasks of their own, so the node must be shared.
impl Executor for FakeNode {
    async fn reserve(&self, _: &Pod) -> Result<(), NotReserved> {
        Ok(())
    }

    fn tell_devices(&self, _: &Pod, _: &mut PodStatus) {}

    async fn refresh(&self, _: &Pod) -> Option<Duration> {
        None
    }

    async fn sync(&self, pod: &Pod, _: &PodObservation, actions: &PodActions) -> SyncReport {
        if self.lock().hangs {
            self.note("hang");
            std::future::pending::<()>().await;
        }
        self.end(&pod.uid, actions).await;
        let sandbox = self.make_sandbox(pod, actions);
        let mut report = SyncReport {
            resize: self.resize(pod, actions),
            ..SyncReport::default()
        };
        for start in &actions.start {
            let behaviour = self.next_behaviour(start.name.as_str());
            if let Some(Behaviour::IsRejected) = behaviour {
                report.pod = Some(PodFailure {
                    reason: BEYOND_VOLUME_LIMIT,
                    message: "scripted".to_owned(),
                });
                return report;
            }
            if let Some(Behaviour::Fails(reason)) = behaviour {
                let failure = StartFailure {
                    reason,
                    message: "scripted".to_owned(),
                    retry_after: None,
                };
                report.containers.insert(start.name.clone(), failure);
                continue;
            }
            self.note(&format!("start {}#{}", start.name, start.restart_count));
            let state = match behaviour {
                // The shortest life: over before anybody looks.
                Some(Behaviour::Exits(seconds, code)) => {
                    let deadline = self.now() + Duration::from_secs(seconds);
                    exited(self.now(), deadline, code)
                }
                _ => ContainerState::Running {
                    started_at: self.now(),
                },
            };
            match behaviour {
                Some(Behaviour::Stubborn) => self.lock().stubborn.push(start.name.to_string()),
                Some(Behaviour::Undead) => self.lock().undead.push(start.name.to_string()),
                _ => {}
            }
            let made = ContainerObservation {
                sandbox_id: sandbox.clone().expect("a start has a sandbox"),
                created_at: self.now(),
                size: pod
                    .spec
                    .container(&start.name)
                    .map(|one| pod.spec.size_of(one)),
                ..fixture::made(start.name.as_str(), start.restart_count, state)
            };
            let now = self.now();
            let mut state = self.lock();
            let seen = state.pods.get_mut(&pod.uid).expect("a sandbox stands");
            let runs_already = seen.of_name(&start.name).any(|one| runs_at(one, now));
            assert!(!runs_already, "{} would run twice", start.name);
            seen.containers
                .retain(|one| Some(&one.id) != start.made.as_ref());
            seen.containers.push(made);
            drop(state);
            report.started.push(start.name.clone());
        }
        report
    }

    async fn terminate(
        &self,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> Result<(), TerminateError> {
        self.end(&observation.uid, actions).await;
        Ok(())
    }

    async fn release(&self, _uid: &PodUid, name: &PodName) -> Result<(), TerminateError> {
        self.note(&format!("release {}", name.name));
        Ok(())
    }

    async fn clean_up(&self, uid: &PodUid, name: &PodName) -> Result<(), TerminateError> {
        self.lock().pods.remove(uid);
        self.note(&format!("clean up {}", name.name));
        Ok(())
    }
}

/// Whether a container runs at one moment: its end may be known before it has come.
fn runs_at(container: &ContainerObservation, now: Timestamp) -> bool {
    match &container.state {
        ContainerState::Exited(exit) => exit.finished_at > now,
        state => state.may_run(),
    }
}

/// A container whose end is known: it runs until then.
fn exited(started: Timestamp, finished_at: Timestamp, code: i32) -> ContainerState {
    ContainerState::Exited(Exit {
        code,
        started_at: Some(started),
        finished_at,
        reason: String::new(),
        message: String::new(),
    })
}

impl Observer for FakeNode {
    async fn observe(&self, uid: &PodUid, name: &PodName) -> Result<PodObservation, ObserveError> {
        let now = self.now();
        let mut seen = self
            .lock()
            .pods
            .get(uid)
            .cloned()
            .unwrap_or_else(|| PodObservation::nothing(uid.clone(), name.clone()));
        for container in &mut seen.containers {
            let exit = container.state.exit().filter(|exit| exit.finished_at > now);
            if let Some(started_at) = exit.and_then(|exit| exit.started_at) {
                container.state = ContainerState::Running { started_at };
            }
        }
        Ok(seen)
    }
}

impl EventRecorder for FakeNode {
    fn record(&self, event: Event) {
        self.lock().events.push(event);
    }
}

impl StatusSink for FakeNode {
    fn publish(&self, pod: &Pod, status: &PodStatus) {
        let mut state = self.lock();
        let phase = status.phase.clone().unwrap_or_default();
        if state.phases.last() != Some(&phase) {
            state.phases.push(phase);
        }
        state.statuses.insert(pod.uid.clone(), status.clone());
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    fn forget(&self, uid: &PodUid) {
        self.lock().statuses.remove(uid);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Clock for FakeNode {
    fn now(&self) -> Timestamp {
        fixture::at(0) + self.began.elapsed()
    }
}
