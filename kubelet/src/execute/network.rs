//! Whether the node's network is ready for a pod.

use super::executor::PodExecutor;
use super::sandbox::fail;
use crate::model::{NetworkMode, Pod, PodFailure};

const CONDITION: &str = "NetworkReady";

impl PodExecutor {
    /// Nothing of a pod with a network of its own is started while the runtime has none to give.
    pub(super) async fn check_network(&self, pod: &Pod) -> Result<(), PodFailure> {
        if pod.spec.namespaces.network == NetworkMode::Host {
            return Ok(());
        }
        let report = self.report(&pod.name, &pod.uid);
        let conditions = self.runtime.conditions().await.map_err(|error| {
            let message = format!("Unable to get runtime status: {}", error.explanation());
            fail(&report, "FailedCreatePodSandBox", message)
        })?;
        let state = match conditions.iter().find(|one| one.name == CONDITION) {
            Some(ready) if ready.holds => return Ok(()),
            Some(not_ready) => not_ready.to_string(),
            None => format!("the runtime does not report {CONDITION}"),
        };
        let message = format!("network is not ready: container runtime network not ready: {state}");
        Err(fail(&report, "NetworkNotReady", message))
    }
}
