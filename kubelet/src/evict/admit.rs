//! Whether a pod may come while the node is under pressure.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use super::Pressure;
use crate::model::Pod;
use crate::resource::{QosClass, qos_class};

/// From this priority on a pod comes all the same.
const CRITICAL: i32 = 2_000_000_000;
/// The taint that a node has in the scheduler's eyes while memory is short.
const TAINT: &str = "node.kubernetes.io/memory-pressure";

/// Why the pod may not come, after the reason `Evicted`; nothing when it may.
pub fn refusal(pod: &Pod, pressures: &BTreeSet<Pressure>) -> Option<String> {
    if pressures.is_empty() || is_critical(&pod.manifest) {
        return None;
    }
    let is_memory_alone = pressures.len() == 1 && pressures.contains(&Pressure::Memory);
    if is_memory_alone
        && (qos_class(&pod.spec) != QosClass::BestEffort || tolerates_memory(&pod.manifest))
    {
        return None;
    }
    let names: Vec<_> = pressures.iter().map(|one| one.name()).collect();
    Some(format!("The node had condition: [{}]. ", names.join(" ")))
}

/// Whether the node cannot do without the pod.
pub(super) fn is_critical(pod: &core::Pod) -> bool {
    let priority = pod.spec.as_ref().and_then(|spec| spec.priority);
    priority.is_some_and(|priority| priority >= CRITICAL)
}

fn tolerates_memory(pod: &core::Pod) -> bool {
    let spec = pod.spec.as_ref();
    let tolerations = spec.and_then(|spec| spec.tolerations.as_ref());
    tolerations.into_iter().flatten().any(|one| {
        let effect = one.effect.as_deref().unwrap_or_default();
        let key = one.key.as_deref().unwrap_or_default();
        let value = one.value.as_deref().unwrap_or_default();
        let exists = one.operator.as_deref() == Some("Exists");
        let of_all = key.is_empty() && exists;
        matches!(effect, "" | "NoSchedule")
            && (of_all || (key == TAINT && (exists || value.is_empty())))
    })
}
