//! What a worker says of its pod: its status, and what people should know.

use std::time::Duration;

use k8s_openapi::api::core::v1::PodStatus;

use crate::model::{Demise, Event, EventKind, HeldBack, NetworkMode, Pod, PodObservation};
use crate::status::{Phase, StatusInput, generate, newly_ended};
use crate::sync::{Clock, EventRecorder, Executor, Report, Roles, StatusSink};

use super::{Ending, Worker};

impl<R: Roles> Worker<R> {
    pub(super) fn publish_ending(&mut self, ending: &Ending, observation: &PodObservation) {
        let demise = match ending {
            Ending::Failed(demise) => Some(demise.as_ref()),
            Ending::Unwanted | Ending::Finished => None,
        };
        if let Some(pod) = self.pod.clone() {
            self.publish(&pod, observation, demise);
        }
    }

    pub(super) fn publish(
        &mut self,
        pod: &Pod,
        observation: &PodObservation,
        demise: Option<&Demise>,
    ) -> Phase {
        // Only what a kubelet that starts again would know too: it shall take nothing back.
        let probes = self.remembered.clone();
        let (mut status, phase) = generate(&StatusInput {
            pod,
            observation,
            probes: &probes,
            failures: &self.failures,
            held_back: &self.told,
            demise,
            resizing: self.resizing.as_ref().map(|one| &one.resize),
            previous: self.status.as_ref(),
            facts: &self.world.facts,
            now: self.world.clock.now(),
        });
        self.world.executor.tell_devices(pod, &mut status);
        if demise.is_none() && phase.is_terminal() && !observation.has_running() {
            // Its room is free before anybody sees that it has ended.
            self.report(Report::Ended);
        }
        let was_pending = self
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref())
            == Some(Phase::Pending.as_str());
        if was_pending && phase == Phase::Running {
            let took = self.world.clock.now().duration_since(pod.seen_at);
            let metrics = &self.world.metrics;
            let waited = metrics.starts().waited_for_images(&pod.uid) + time_of_init(&status);
            match pod.spec.namespaces.network {
                NetworkMode::Host => metrics.pod_started(took.unsigned_abs(), waited),
                NetworkMode::Pod => metrics.networked_pod_started(took.unsigned_abs(), waited),
            }
        }
        for ended in newly_ended(self.status.as_ref(), &status) {
            let pods = self.world.metrics.pods();
            pods.terminated(ended.kind, ended.exit_code, &ended.reason);
        }
        self.world.statuses.publish(pod, &status);
        self.show_probes(pod, observation, (&status, phase), &probes);
        self.status = Some(status);
        phase
    }

    /// Tells of each wait once.
    pub(super) fn tell_waits(&mut self, held_back: &[HeldBack]) {
        for held in held_back {
            if !self.told.contains(held) {
                let message = format!(
                    "Back-off restarting failed container {} in pod {}_{}({})",
                    held.name, self.name.name, self.name.namespace, self.uid
                );
                let container = Some(held.name.clone());
                self.world.events.record(Event {
                    container,
                    ..self.warning("BackOff", message)
                });
            }
        }
        self.told = held_back.to_vec();
    }

    pub(super) fn inform(&self, reason: &'static str, message: String) {
        self.world.events.record(Event {
            kind: EventKind::Normal,
            ..self.warning(reason, message)
        });
    }

    pub(super) fn warn(&self, reason: &'static str, message: String) {
        self.world.events.record(self.warning(reason, message));
    }

    fn warning(&self, reason: &'static str, message: String) -> Event {
        Event {
            pod: self.name.clone(),
            uid: Some(self.uid.clone()),
            container: None,
            kind: EventKind::Warning,
            reason: reason.into(),
            message,
        }
    }
}

/// How long init containers have run.
fn time_of_init(status: &PodStatus) -> Duration {
    let statuses = status.init_container_statuses.iter().flatten();
    let ended = statuses.filter_map(|status| status.state.as_ref()?.terminated.as_ref());
    let times = ended.filter_map(|ended| {
        let (from, until) = (ended.started_at.as_ref()?, ended.finished_at.as_ref()?);
        Some(until.0.duration_since(from.0).unsigned_abs())
    });
    times.sum()
}
