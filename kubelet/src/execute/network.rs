//! Whether the node's runtime and its network are ready for a pod.

use super::executor::PodExecutor;
use super::sandbox::fail;
use crate::cri::RuntimeCondition;
use crate::model::{NetworkMode, Pod, PodFailure};

const RUNTIME: &str = "RuntimeReady";
const NETWORK: &str = "NetworkReady";

impl PodExecutor {
    /// Nothing is started while the runtime is not ready, nor anything of a pod with a network of its own
    /// while the runtime has none to give.
    pub(super) async fn check_runtime(&self, pod: &Pod) -> Result<(), PodFailure> {
        let report = self.report(&pod.name, &pod.uid);
        let conditions = self.runtime.conditions().await.map_err(|error| {
            let message = format!("Unable to get runtime status: {}", error.explanation());
            fail(&report, "FailedCreatePodSandBox", message)
        })?;
        if let Some(state) = trouble(&conditions, RUNTIME) {
            // It is no matter of the pod: its events do not tell of it.
            tracing::warn!(pod = %pod.name, state, "nothing is started: the runtime is not ready");
            return Err(PodFailure {
                reason: "FailedSync",
                message: format!("container runtime not ready: {state}"),
            });
        }
        if pod.spec.namespaces.network == NetworkMode::Host {
            return Ok(());
        }
        let Some(state) = trouble(&conditions, NETWORK) else {
            return Ok(());
        };
        let message = format!("network is not ready: container runtime network not ready: {state}");
        Err(fail(&report, "NetworkNotReady", message))
    }
}

/// Why a condition does not hold, or that it is not reported.
fn trouble(conditions: &[RuntimeCondition], name: &str) -> Option<String> {
    match conditions.iter().find(|one| one.name == name) {
        Some(ready) if ready.holds => None,
        Some(not_ready) => Some(not_ready.to_string()),
        None => Some(format!("the runtime does not report {name}")),
    }
}
