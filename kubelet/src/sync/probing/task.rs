//! One task per probe: it asks when it is time, and tells what the answers mean.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::View;
use super::machine::{Answer, Machine, Presence, Step};
use crate::model::{
    Container, ContainerId, ContainerName, Event, EventKind, Pod, Probe, ProbeKind, ProbeOutcome,
    ProbeResults, Target, Verdict,
};
use crate::sync::{Clock, EventRecorder, Prober, Roles, World};

/// One probe of one container.
pub(super) struct Task<R: Roles> {
    pub(super) world: Arc<World<R>>,
    pub(super) pod: Arc<Pod>,
    pub(super) container: ContainerName,
    pub(super) kind: ProbeKind,
    pub(super) view: watch::Receiver<View>,
    pub(super) results: watch::Sender<ProbeResults>,
}

impl<R: Roles> Task<R> {
    /// Probes until the pod is over, or until it is told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            // A try that is given up has told nobody anything.
            () = stop.cancelled() => {}
            () = self.probe_on() => {}
        }
        self.world
            .metrics
            .probes()
            .forget(&self.pod, &self.container, self.kind);
    }

    async fn probe_on(&mut self) {
        let pod = self.pod.clone();
        let probed = pod.spec.container(&self.container);
        let Some((container, probe)) =
            probed.and_then(|one| Some((one, one.probes.of(self.kind)?)))
        else {
            return;
        };
        self.spread(probe.period).await;
        let mut machine = Machine::new(self.kind, probe.clone());
        let mut ticks = interval(probe.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            self.wait(&mut ticks).await;
            let view = self.view.borrow().clone();
            let sight = view.containers.get(&self.container);
            let known = sight.and_then(|sight| self.verdict_on(&sight.id));
            let turn = machine.turn(view.course, sight, known, self.world.clock.now());
            if let (Some(verdict), Some(sight)) = (turn.verdict, sight) {
                self.tell(&sight.id, verdict);
            }
            match (turn.step, sight) {
                (Step::End, _) => return,
                (Step::Probe, Some(sight)) => {
                    let target = Target {
                        pod: &pod,
                        container,
                        id: sight.id.clone(),
                        pod_ip: view.ip,
                    };
                    self.try_once(&target, probe, &mut machine).await;
                }
                (Step::Rest | Step::Probe, _) => {}
            }
        }
    }

    /// A kubelet that starts again does not probe everything at once.
    async fn spread(&self, period: Duration) {
        let age = self.world.clock.now().duration_since(self.world.started_at);
        if age.unsigned_abs() < period {
            tokio::time::sleep(period.mul_f64(self.fraction())).await;
        }
    }

    /// Between 0 and 1, another for each probe.
    fn fraction(&self) -> f64 {
        let words = [
            self.pod.uid.as_str(),
            self.container.as_str(),
            self.kind.as_str(),
        ];
        let bytes = words.iter().flat_map(|word| word.bytes());
        let sum = bytes.fold(0x811c_9dc5_u32, |sum, byte| {
            (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        f64::from(sum) / f64::from(u32::MAX)
    }

    /// Until the next tick; a container that is not ready is asked whenever there is news of it, and
    /// then again a period later.
    async fn wait(&mut self, ticks: &mut Interval) {
        loop {
            tokio::select! {
                // A tick that is not taken comes again.
                _ = ticks.tick() => return,
                // The view stays in its channel.
                changed = self.view.changed() => match changed {
                    Ok(()) if self.is_impatient() => {
                        ticks.reset();
                        return;
                    }
                    Ok(()) => {}
                    // The worker is gone, and with it whoever would read a verdict.
                    Err(_) => std::future::pending().await,
                },
            }
        }
    }

    fn is_impatient(&self) -> bool {
        if self.kind != ProbeKind::Readiness {
            return false;
        }
        let view = self.view.borrow();
        view.containers.get(&self.container).is_some_and(|sight| {
            matches!(sight.presence, Presence::Started { .. })
                && self.verdict_on(&sight.id) != Some(Verdict::Success)
        })
    }

    async fn try_once(&self, target: &Target<'_>, probe: &Probe, machine: &mut Machine) {
        let began = Instant::now();
        let outcome = self.world.prober.probe(target, probe).await;
        self.announce(target.container, &outcome);
        let answer = match outcome {
            ProbeOutcome::Success | ProbeOutcome::Warning(_) => Answer::Good,
            ProbeOutcome::Failure(_) => Answer::Bad,
            ProbeOutcome::Error(_) => return,
        };
        let metrics = self.world.metrics.probes();
        match answer {
            Answer::Good => metrics.succeeded(target, self.kind, began.elapsed()),
            Answer::Bad => metrics.failed(target, self.kind),
        }
        if let Some(verdict) = machine.learn(answer) {
            self.tell(&target.id, verdict);
        }
    }

    fn verdict_on(&self, id: &ContainerId) -> Option<Verdict> {
        self.results.borrow().of(&self.container, id, self.kind)
    }

    /// Only another verdict than before wakes the worker.
    fn tell(&self, id: &ContainerId, verdict: Verdict) {
        self.results.send_if_modified(|results| {
            results.set(self.container.clone(), self.kind, id.clone(), verdict)
        });
    }

    fn announce(&self, container: &Container, outcome: &ProbeOutcome) {
        let kind = self.kind.as_str();
        let (reason, message) = match outcome {
            ProbeOutcome::Success => return,
            ProbeOutcome::Warning(output) => {
                ("ProbeWarning", format!("{kind} probe warning: {output}"))
            }
            ProbeOutcome::Failure(output) => {
                ("Unhealthy", format!("{kind} probe failed: {output}"))
            }
            ProbeOutcome::Error(error) => (
                "Unhealthy",
                format!("{kind} probe errored and resulted in unknown state: {error}"),
            ),
        };
        self.world.events.record(Event {
            pod: self.pod.name.clone(),
            uid: Some(self.pod.uid.clone()),
            container: Some(container.name.clone()),
            kind: EventKind::Warning,
            reason: reason.into(),
            message,
        });
    }
}
