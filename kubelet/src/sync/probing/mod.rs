//! The probes of one pod: a task for each, whose verdicts the pod's worker reads.
//!
//! ```text
//! worker ──View──► task ──try──► Prober
//!   ▲               │ machine: when to try, what the answers mean
//!   └──ProbeResults─┘
//! ```
//!
//! The worker says what it knows of the containers after every look at them; a task knows nothing
//! else of the runtime. Each verdict has one writer, its task, and names the container it is about,
//! so none can be taken for one on the next container of that name.

mod machine;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::model::{Container, ContainerName, Pod, ProbeKind, ProbeResults};

use super::{Roles, World};
pub(super) use machine::{Presence, Sight};
use task::Task;

/// What the pod's worker knows of its containers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// The pod's primary address.
    pub(super) ip: Option<IpAddr>,
    /// The containers that the runtime has.
    pub(super) containers: BTreeMap<ContainerName, Sight>,
    /// Whether the pod has ended.
    pub(super) course: Course,
}

/// Where a pod is going, as far as its probes mind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Course {
    /// It runs, or it ends.
    #[default]
    Alive,
    /// It has ended for good.
    Over,
}

/// The probes of one pod.
pub(super) struct Probing {
    view: watch::Sender<View>,
    results: watch::Sender<ProbeResults>,
    news: watch::Receiver<ProbeResults>,
    tasks: JoinSet<()>,
    all: CancellationToken,
    /// Those whose verdicts end containers.
    deadly: CancellationToken,
    is_started: bool,
}

impl Probing {
    /// No probes yet.
    pub(super) fn new() -> Self {
        let (results, news) = watch::channel(ProbeResults::default());
        let all = CancellationToken::new();
        Self {
            view: watch::Sender::new(View::default()),
            results,
            news,
            tasks: JoinSet::new(),
            deadly: all.child_token(),
            all,
            is_started: false,
        }
    }

    /// Whether the probes of the pod run.
    pub(super) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Starts a task for each probe of a pod; the verdicts go on from `known`. A later version of
    /// the pod changes nothing about them.
    pub(super) fn start<R: Roles>(
        &mut self,
        pod: &Arc<Pod>,
        known: ProbeResults,
        world: &Arc<World<R>>,
    ) {
        self.is_started = true;
        self.results.send_replace(known);
        for (container, kind) in probes_of(pod) {
            let stop = match kind {
                ProbeKind::Readiness => &self.all,
                ProbeKind::Liveness | ProbeKind::Startup => &self.deadly,
            };
            let task = Task {
                world: world.clone(),
                pod: pod.clone(),
                container: container.name.clone(),
                kind,
                view: self.view.subscribe(),
                results: self.results.clone(),
            };
            self.tasks.spawn(task.run(stop.clone()));
        }
    }

    /// Tells the probes what is known of the containers.
    pub(super) fn show(&self, view: View) {
        self.view.send_replace(view);
    }

    /// The verdicts as they are; from now on only others are news.
    pub(super) fn take_news(&mut self) -> ProbeResults {
        self.news.borrow_and_update().clone()
    }

    /// Tells of other verdicts than those that were taken last.
    pub(super) fn news(&self) -> News {
        News(self.news.clone())
    }

    /// No probe ends a container any more; whether the pod can serve is still asked.
    pub(super) fn spare_containers(&self) {
        self.deadly.cancel();
    }

    /// Ends all probes, and waits until they have.
    pub(super) async fn end(&mut self) {
        self.all.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// A way to hear of other verdicts.
pub(super) struct News(watch::Receiver<ProbeResults>);

impl News {
    /// Waits for other verdicts; loses none when cancelled.
    pub(super) async fn come(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody has verdicts any more.
            std::future::pending().await
        }
    }
}

/// Whether a pod has any probe.
pub(super) fn has_probes(pod: &Pod) -> bool {
    probes_of(pod).next().is_some()
}

fn probes_of(pod: &Pod) -> impl Iterator<Item = (&Container, ProbeKind)> {
    let probed = pod.spec.sidecars().chain(&pod.spec.containers);
    probed.flat_map(|container| {
        let kinds = ProbeKind::ALL.into_iter();
        kinds
            .filter(|kind| container.probes.of(*kind).is_some())
            .map(move |kind| (container, kind))
    })
}
