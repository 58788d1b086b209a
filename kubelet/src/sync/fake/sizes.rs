//! The node in memory keeps what pods have been given, and gives containers other sizes.

use super::FakeNode;
use crate::allocation::Ledger;
use crate::model::{Pod, PodActions};
use crate::sync::Allocations;

impl FakeNode {
    /// Lets containers get no other sizes, or get them again.
    pub(in crate::sync) fn fail_resizes(&self, why: Option<&str>) {
        self.lock().no_resize = why.map(str::to_owned);
    }

    pub(super) fn resize(&self, pod: &Pod, actions: &PodActions) -> Option<String> {
        let resize = actions.resize.as_ref()?;
        let mut state = self.lock();
        if let Some(why) = &state.no_resize {
            return Some(why.clone());
        }
        let seen = state.pods.get_mut(&pod.uid)?;
        let mut done = Vec::new();
        for one in resize.memory.iter().chain(&resize.cpu) {
            let mut containers = seen.containers.iter_mut();
            if let Some(container) = containers.find(|seen| seen.id == one.id) {
                container.size = Some(one.to);
            }
            done.push(format!("resize {}", one.id));
        }
        if let Some(whole) = resize.whole {
            seen.size = Some(whole.to);
            done.push("resize the pod".to_owned());
        }
        state.log.extend(done);
        None
    }
}

impl Allocations for FakeNode {
    fn recall(&self) -> Ledger {
        self.lock().ledger.clone()
    }

    fn keep(&self, ledger: &Ledger) {
        self.lock().ledger = ledger.clone();
    }
}
