//! The loop: takes what happens and hands it to the workers. What to do is decided by the roster.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admit::Refusal;
use crate::allocation::{Sizes, Trigger, sentence};
use crate::model::{Demise, Event, EventKind, ObjectKey, Pod, PodName, PodUid, Prospect};

use super::orders::{Goal, Orders};
use super::roster::{Roster, Step};
use super::worker::Worker;
use super::{EventRecorder, Input, Life, Report, Roles, Tenants, World};

/// How long a turn may wait for something to happen.
const BEAT: Duration = Duration::from_secs(60);

/// Runs until `shutdown`, which leaves all pods as they are, or until every pod has ended after
/// [`Input::EndAll`].
pub async fn run<R: Roles>(
    world: Arc<World<R>>,
    mut inbox: mpsc::Receiver<Input>,
    shutdown: CancellationToken,
) {
    // A worker tells of its pod a few times in its life.
    let (reports, mut heard) = mpsc::unbounded_channel();
    let mut crew = Crew {
        reports,
        world,
        workers: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let node = crew.world.node.borrow().clone();
    let mut roster = Roster::new(node).with_ledger(crew.world.allocations.recall());
    while !roster.is_done() {
        crew.world.pulse.looped();
        // Every arm only receives: one that is not taken has taken nothing.
        let happened = tokio::select! {
            // What has ended makes room before others are asked whether they fit.
            biased;
            () = shutdown.cancelled() => break,
            Some((uid, report)) = heard.recv() => Happened::Reported(uid, report),
            Some(finished) = crew.tasks.join_next() => {
                let uid = finished.expect("a worker is neither aborted nor does it panic");
                crew.workers.remove(&uid);
                Happened::Finished(uid)
            }
            input = inbox.recv() => match input {
                Some(input) => Happened::Told(input),
                None => break,
            },
            // Shows that the loop still turns.
            () = tokio::time::sleep(BEAT) => Happened::Nothing,
        };
        // As it is now: it may have changed while the loop waited.
        roster.see_node(crew.world.node.borrow().clone());
        let pods = crew.world.metrics.pods();
        let steps = match happened {
            Happened::Reported(uid, report) => roster.heard(&uid, report),
            Happened::Finished(uid) => {
                let steps = roster.finished(&uid);
                begun_anew(&steps, &uid).for_each(|pod| pods.restarted(&pod.origin));
                steps
            }
            Happened::Told(input) => {
                let has_swept = matches!(input, Input::Relisted(_) | Input::SourcesReady);
                let steps = steps_for(&mut roster, input);
                if has_swept {
                    pods.sweeps(steps.iter().filter(|step| is_sweep(step)).count());
                }
                steps
            }
            Happened::Nothing => roster.beat(),
        };
        // Kept and told before anything is made of a pod.
        crew.keep_allocations(&mut roster);
        crew.tell_tenants(roster.tenants());
        steps.into_iter().for_each(|step| crew.take(step));
        let (desired, active) = roster.counts();
        crew.world.metrics.pods().are(desired, active);
    }
    crew.tasks.shutdown().await;
}

/// What a turn of the loop is about.
enum Happened {
    /// A worker told of its pod.
    Reported(PodUid, Report),
    /// A worker has finished.
    Finished(PodUid),
    /// Something else that the loop is told.
    Told(Input),
    /// Nothing for long.
    Nothing,
}

/// The pods that are started with the UID of one that is gone.
fn begun_anew<'a>(steps: &'a [Step], gone: &PodUid) -> impl Iterator<Item = &'a Arc<Pod>> {
    steps.iter().filter_map(move |step| match step {
        Step::Start(pod) | Step::Inspect(pod) if pod.uid == *gone => Some(pod),
        _ => None,
    })
}

/// Whether it takes away what is left of a pod that nobody knows.
fn is_sweep(step: &Step) -> bool {
    matches!(step, Step::EndOrphan(pod) if pod.life == Life::Dead)
}

fn steps_for(roster: &mut Roster, input: Input) -> Vec<Step> {
    match input {
        Input::Desired(changes) => roster.desire(changes),
        Input::ObjectsChanged(keys) => vec![Step::LookReaders(keys)],
        Input::SourcesReady => roster.sources_ready(),
        Input::RuntimeChanged(uid) => roster.runtime_changed(uid).into_iter().collect(),
        Input::Relisted(pods) => roster.relisted(pods),
        Input::Fail { uid, demise, grace } => vec![Step::Fail { uid, demise, grace }],
        // A pod that nobody works on has nothing that could begin anew or be added to.
        Input::Restart { uid, containers } => vec![Step::Restart(uid, containers)],
        Input::Added(uid) => vec![Step::Complete(uid)],
        Input::EndAll => roster.close(),
    }
}

/// The workers, and a way to reach each.
struct Crew<R: Roles> {
    world: Arc<World<R>>,
    workers: HashMap<PodUid, watch::Sender<Orders>>,
    tasks: JoinSet<PodUid>,
    reports: mpsc::UnboundedSender<(PodUid, Report)>,
}

impl<R: Roles> Crew<R> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Start(pod) => {
                let pod = self.world.additions.complete(pod);
                self.start(pod.uid.clone(), pod.name.clone(), Goal::Run(pod));
            }
            Step::Inspect(pod) => {
                let pod = self.world.additions.complete(pod);
                self.start(pod.uid.clone(), pod.name.clone(), Goal::Inspect(pod));
            }
            Step::LetIn(uid) => self.order(&uid, Orders::let_in),
            Step::Refuse(pod, refusal) => self.refuse(pod, refusal),
            Step::Preempt { pod, lacking } => self.preempt(&pod, &lacking),
            Step::EndOrphan(pod) => {
                self.world.metrics.pods().orphan();
                let (uid, name) = (pod.uid, pod.name);
                let (pod, grace) = (None, None);
                self.start(uid, name, Goal::End { pod, grace });
            }
            Step::Update(pod) => self.update(pod),
            Step::Grant { pod, after } => self.grant(pod, after),
            Step::Postpone { pod, detail } => self.postpone(pod, detail),
            Step::Fail { uid, demise, grace } => {
                self.order(&uid, |orders| orders.fail(demise, grace));
            }
            Step::End(uid, grace) => self.order(&uid, |orders| orders.end(grace)),
            Step::EndUnseen(pod) => {
                let (uid, name, grace) = (pod.uid.clone(), pod.name.clone(), pod.leaves_within);
                let pod = Some(pod);
                self.start(uid, name, Goal::End { pod, grace });
            }
            // An order that changes nothing still wakes its worker.
            Step::Look(uid) => self.order(&uid, |_| ()),
            Step::LookReaders(changed) => self.wake_readers(&changed),
            Step::Restart(uid, containers) => {
                self.order(&uid, |orders| orders.restart(containers));
            }
            Step::Complete(uid) => {
                let additions = Arc::clone(&self.world.additions);
                self.order(&uid, |orders| orders.complete(additions.as_ref()));
            }
        }
    }

    /// An order that changes nothing still wakes its worker.
    fn wake_readers(&self, changed: &BTreeSet<ObjectKey>) {
        let is_reader = |orders: &Orders| match &orders.goal {
            Goal::Inspect(pod) | Goal::Run(pod) => !pod.references().is_disjoint(changed),
            Goal::Fail { .. } | Goal::End { .. } => false,
        };
        for worker in self.workers.values() {
            let is_reader = is_reader(&worker.borrow());
            if is_reader {
                worker.send_modify(|_| ());
            }
        }
    }

    fn keep_allocations(&self, roster: &mut Roster) {
        let resizes = self.world.metrics.resizes();
        roster
            .take_asked()
            .iter()
            .for_each(|one| resizes.asked(one));
        resizes.are_pending(roster.pending_resizes());
        if let Some(ledger) = roster.ledger_to_keep() {
            self.world.allocations.keep(ledger);
        }
    }

    fn grant(&self, pod: Arc<Pod>, after: Option<Trigger>) {
        if let Some(trigger) = after {
            self.world.metrics.resizes().accepted(trigger);
        }
        let generation = pod.resize.granted.unwrap_or(0);
        let message = sentence("Pod resize started", (&pod, Sizes::Given), generation, None);
        self.inform(&pod, "ResizeStarted", message);
        self.update(pod);
    }

    fn postpone(&self, pod: Arc<Pod>, detail: &'static str) {
        if let Some(why) = &pod.resize.pending {
            let reason = match why.prospect {
                Prospect::Deferred => "ResizeDeferred",
                Prospect::Infeasible => {
                    self.world.metrics.resizes().infeasible(detail);
                    "ResizeInfeasible"
                }
            };
            let beginning = format!("Pod resize {}", why.prospect.as_str());
            let of = (pod.as_ref(), Sizes::Wished);
            let message = sentence(&beginning, of, why.generation, Some(&why.message));
            self.warn(&pod, reason.into(), message);
        }
        self.update(pod);
    }

    fn update(&self, pod: Arc<Pod>) {
        let pod = self.world.additions.complete(pod);
        let uid = pod.uid.clone();
        self.order(&uid, |orders| orders.update(pod));
    }

    fn tell_tenants(&self, tenants: Tenants) {
        self.world.tenants.send_if_modified(|told| {
            let is_news = !told.is_same(&tenants);
            *told = tenants;
            is_news
        });
    }

    /// Says why a pod does not run here, and has its worker keep saying it.
    fn refuse(&mut self, pod: Arc<Pod>, refusal: Refusal) {
        let Refusal { reason, message } = refusal;
        self.world.metrics.refused(&reason);
        self.warn(&pod, reason.clone(), message.clone());
        let demise = Arc::new(Demise {
            reason,
            message: format!("Pod was rejected: {message}"),
            disruption: None,
        });
        let (uid, name) = (pod.uid.clone(), pod.name.clone());
        if self.workers.contains_key(&uid) {
            self.order(&uid, |orders| orders.fail(demise, None));
        } else {
            let grace = None;
            self.start(uid, name, Goal::Fail { pod, demise, grace });
        }
    }

    fn preempt(&self, pod: &Pod, lacking: &str) {
        const MESSAGE: &str = "Preempted in order to admit critical pod";
        let why = "Pod was preempted by Kubelet to accommodate a critical pod.";
        self.world.metrics.preempted(lacking);
        self.warn(pod, "Preempting".into(), MESSAGE.to_owned());
        let demise = Arc::new(Demise {
            reason: "Preempting".into(),
            message: MESSAGE.to_owned(),
            disruption: Some(why.to_owned()),
        });
        self.order(&pod.uid, |orders| orders.fail(demise, None));
    }

    fn warn(&self, pod: &Pod, reason: Cow<'static, str>, message: String) {
        self.record(pod, (EventKind::Warning, reason), message);
    }

    fn inform(&self, pod: &Pod, reason: &'static str, message: String) {
        self.record(pod, (EventKind::Normal, reason.into()), message);
    }

    fn record(&self, pod: &Pod, (kind, reason): (EventKind, Cow<'static, str>), message: String) {
        self.world.events.record(Event {
            pod: pod.name.clone(),
            uid: Some(pod.uid.clone()),
            container: None,
            kind,
            reason,
            message,
        });
    }

    fn start(&mut self, uid: PodUid, name: PodName, goal: Goal) {
        let (sender, orders) = watch::channel(Orders::new(goal));
        let reports = self.reports.clone();
        let worker = Worker::new(uid.clone(), name, self.world.clone(), (orders, reports));
        self.tasks.spawn(worker.run());
        self.workers.insert(uid, sender);
    }

    fn order(&self, uid: &PodUid, change: impl FnOnce(&mut Orders)) {
        if let Some(worker) = self.workers.get(uid) {
            worker.send_modify(change);
        }
    }
}
