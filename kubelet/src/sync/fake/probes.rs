//! The node in memory answers probes as it was told to, and keeps verdicts.

use std::collections::VecDeque;

use super::FakeNode;
use crate::model::{PodUid, Probe, ProbeKind, ProbeOutcome, ProbeResults, Target};
use crate::sync::Prober;

impl Prober for FakeNode {
    async fn probe(&self, target: &Target<'_>, probe: &Probe) -> ProbeOutcome {
        let seconds = self.seconds();
        let mut state = self.lock();
        let probes = &target.container.probes;
        let kind = ProbeKind::ALL
            .into_iter()
            .find(|kind| probes.of(*kind) == Some(probe))
            .expect("a probe of the container");
        let line = format!("{seconds}s {} {}", kind.as_str(), target.id);
        state.probed.push(line);
        let answers = state.answers.get_mut(target.container.name.as_str());
        let outcome = answers.and_then(VecDeque::pop_front);
        drop(state);
        self.changes.send_modify(|count| *count += 1);
        outcome.unwrap_or(ProbeOutcome::Success)
    }

    async fn recall(&self, uid: &PodUid) -> ProbeResults {
        self.lock().remembered.get(uid).cloned().unwrap_or_default()
    }

    async fn remember(&self, uid: &PodUid, results: &ProbeResults) {
        self.lock().remembered.insert(uid.clone(), results.clone());
    }
}
