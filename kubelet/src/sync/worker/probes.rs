//! A worker and the probes of its pod: when they start, what they are told, what is kept of them.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodStatus;

use crate::model::{
    Container, ContainerObservation, ContainerState, Pod, PodObservation, ProbeResults,
};
use crate::plan::{has_started, wants_restart};
use crate::status::Phase;
use crate::sync::probing::{Course, Presence, Sight, View, has_probes};
use crate::sync::{Prober, Roles};

use super::Worker;

impl<R: Roles> Worker<R> {
    /// Starts the pod's probes, once; they go on from what an earlier kubelet knew.
    pub(super) async fn start_probes(&mut self, pod: &Arc<Pod>) {
        if self.probing.is_started() || !has_probes(pod) {
            return;
        }
        self.recall_verdicts(pod).await;
        self.probing
            .start(pod, self.remembered.clone(), &self.world);
    }

    /// What an earlier kubelet knew, as long as no probe of this one runs.
    pub(super) async fn recall_verdicts(&mut self, pod: &Pod) {
        if !self.probing.is_started() && has_probes(pod) {
            self.remembered = self.world.prober.recall(&self.uid).await;
        }
    }

    /// The verdicts as they are, kept for a kubelet that starts again.
    pub(super) async fn verdicts(&mut self) -> ProbeResults {
        let results = self.probing.take_news();
        if results != self.remembered {
            self.world.prober.remember(&self.uid, &results).await;
            self.remembered = results.clone();
        }
        results
    }

    /// Tells the probes what the worker knows of the containers.
    pub(super) fn show_probes(
        &mut self,
        pod: &Pod,
        observation: &PodObservation,
        (status, phase): (&PodStatus, Phase),
        results: &ProbeResults,
    ) {
        if !self.probing.is_started() {
            return;
        }
        let sights = pod.spec.all_containers().filter_map(|container| {
            let seen = observation.newest(&container.name)?;
            let sight = Sight {
                id: seen.id.clone(),
                presence: presence(pod, container, seen, results),
            };
            Some((container.name.clone(), sight))
        });
        let ip = status.pod_ip.as_deref();
        self.probing.show(View {
            ip: ip.and_then(|ip| ip.parse::<IpAddr>().ok()),
            containers: sights.collect(),
            course: if phase.is_terminal() {
                Course::Over
            } else {
                Course::Alive
            },
        });
    }
}

fn presence(
    pod: &Pod,
    container: &Container,
    seen: &ContainerObservation,
    results: &ProbeResults,
) -> Presence {
    match seen.state {
        ContainerState::Running { started_at: since } => {
            if has_started(container, seen, results) {
                Presence::Started { since }
            } else {
                Presence::Starting { since }
            }
        }
        ContainerState::Exited(_) if !wants_restart(&pod.spec, container, seen) => Presence::Ended,
        ContainerState::Exited(_) | ContainerState::Created | ContainerState::Unknown => {
            Presence::Absent
        }
    }
}
