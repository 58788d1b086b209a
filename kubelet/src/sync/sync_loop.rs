//! The loop: takes what happens and hands it to the workers. What to do is decided by the roster.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::model::{ObjectKey, PodName, PodUid};

use super::orders::{Goal, Orders};
use super::roster::{Roster, Step};
use super::worker::Worker;
use super::{Input, Roles, World};

/// How long a turn may wait for something to happen.
const BEAT: Duration = Duration::from_secs(60);

/// Runs until `shutdown`, which leaves all pods as they are, or until every pod has ended after
/// [`Input::EndAll`].
pub async fn run<R: Roles>(
    world: Arc<World<R>>,
    mut inbox: mpsc::Receiver<Input>,
    shutdown: CancellationToken,
) {
    let mut crew = Crew {
        world,
        workers: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let mut roster = Roster::default();
    while !roster.is_done() {
        crew.world.pulse.looped();
        // Every arm only receives: one that is not taken has taken nothing.
        let steps = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(finished) = crew.tasks.join_next() => {
                let uid = finished.expect("a worker is neither aborted nor does it panic");
                crew.workers.remove(&uid);
                roster.finished(&uid)
            }
            input = inbox.recv() => match input {
                Some(input) => steps_for(&mut roster, input),
                None => break,
            },
            // Shows that the loop still turns.
            () = tokio::time::sleep(BEAT) => Vec::new(),
        };
        steps.into_iter().for_each(|step| crew.take(step));
    }
    crew.tasks.shutdown().await;
}

fn steps_for(roster: &mut Roster, input: Input) -> Vec<Step> {
    match input {
        Input::Desired(changes) => changes
            .into_iter()
            .flat_map(|change| roster.desire(change))
            .collect(),
        Input::ObjectsChanged(keys) => vec![Step::LookReaders(keys)],
        Input::SourcesReady => roster.sources_ready(),
        Input::RuntimeChanged(uid) => roster.runtime_changed(uid).into_iter().collect(),
        Input::Relisted(pods) => roster.relisted(pods),
        Input::EndAll => roster.close(),
    }
}

/// The workers, and a way to reach each.
struct Crew<R: Roles> {
    world: Arc<World<R>>,
    workers: HashMap<PodUid, watch::Sender<Orders>>,
    tasks: JoinSet<PodUid>,
}

impl<R: Roles> Crew<R> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Start(pod) => {
                self.start(pod.uid.clone(), pod.name.clone(), Goal::Run(pod));
            }
            Step::EndOrphan(pod) => self.start(pod.uid, pod.name, Goal::End { grace: None }),
            Step::Update(pod) => {
                let uid = pod.uid.clone();
                self.order(&uid, |orders| orders.run(pod));
            }
            Step::End(uid) => self.order(&uid, |orders| orders.end(None)),
            // An order that changes nothing still wakes its worker.
            Step::Look(uid) => self.order(&uid, |_| ()),
            Step::LookReaders(changed) => self.wake_readers(&changed),
        }
    }

    /// An order that changes nothing still wakes its worker.
    fn wake_readers(&self, changed: &BTreeSet<ObjectKey>) {
        let is_reader = |orders: &Orders| match &orders.goal {
            Goal::Run(pod) => !pod.references().is_disjoint(changed),
            Goal::End { .. } => false,
        };
        for worker in self.workers.values() {
            let is_reader = is_reader(&worker.borrow());
            if is_reader {
                worker.send_modify(|_| ());
            }
        }
    }

    fn start(&mut self, uid: PodUid, name: PodName, goal: Goal) {
        let (sender, orders) = watch::channel(Orders { goal });
        let worker = Worker::new(uid.clone(), name, self.world.clone(), orders);
        self.tasks.spawn(worker.run());
        self.workers.insert(uid, sender);
    }

    fn order(&self, uid: &PodUid, change: impl FnOnce(&mut Orders)) {
        if let Some(worker) = self.workers.get(uid) {
            worker.send_modify(change);
        }
    }
}
