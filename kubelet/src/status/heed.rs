//! What others write into a pod's status at the API server, and the kubelet heeds.

use k8s_openapi::api::core::v1::{PodCondition, PodStatus};

use crate::model::{Pod, PodOrigin};

/// Conditions that the kubelet writes.
const OWN: [&str; 9] = [
    "AllContainersRestarting",
    "ContainersReady",
    "DisruptionTarget",
    "Initialized",
    "PodReadyToStartContainers",
    "PodResizeInProgress",
    "PodResizePending",
    "PodScheduled",
    "Ready",
];

/// Whether a condition is somebody else's, for instance a readiness gate.
pub(super) fn is_foreign(condition: &PodCondition) -> bool {
    !is_own_condition(&condition.type_)
}

/// Whether a condition is one that the kubelet writes.
pub fn is_own_condition(kind: &str) -> bool {
    OWN.contains(&kind)
}

/// Whether a condition of the kubelet's is only there as long as it holds.
pub fn comes_and_goes(kind: &str) -> bool {
    matches!(kind, "PodResizePending" | "PodResizeInProgress")
}

/// The status from which the next one follows: the last one, with the conditions that others have
/// written since. A pod of which this kubelet knows none goes on where the API server knows it to be.
pub fn heeded(last: Option<PodStatus>, pod: &Pod) -> Option<PodStatus> {
    let Some(told) = pod
        .manifest
        .status
        .as_ref()
        .filter(|_| pod.origin == PodOrigin::Api)
    else {
        return last;
    };
    let Some(mut last) = last else {
        return Some(told.clone());
    };
    let foreign = |status: &PodStatus| -> Vec<PodCondition> {
        let all = status.conditions.iter().flatten();
        all.filter(|one| is_foreign(one)).cloned().collect()
    };
    let theirs = foreign(told);
    if foreign(&last) != theirs {
        let conditions = last.conditions.get_or_insert_default();
        conditions.retain(|one| !is_foreign(one));
        conditions.extend(theirs);
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    fn status(conditions: &[(&str, &str)]) -> PodStatus {
        let conditions = conditions.iter().map(|(kind, status)| PodCondition {
            type_: (*kind).to_owned(),
            status: (*status).to_owned(),
            ..PodCondition::default()
        });
        PodStatus {
            phase: Some("Running".to_owned()),
            conditions: Some(conditions.collect()),
            ..PodStatus::default()
        }
    }

    fn pod(origin: PodOrigin, told: PodStatus) -> Pod {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        pod.origin = origin;
        Arc::make_mut(&mut pod.manifest).status = Some(told);
        pod
    }

    #[test]
    fn a_pod_goes_on_where_the_api_server_knows_it_to_be() {
        let told = status(&[("Ready", "True")]);
        let pod_of_api = pod(PodOrigin::Api, told.clone());
        assert_eq!(heeded(None, &pod_of_api), Some(told.clone()));
        let of_file = pod(PodOrigin::File("f".into()), told);
        assert_eq!(heeded(None, &of_file), None);
    }

    #[test]
    fn conditions_of_others_come_change_and_go_and_the_kubelets_stay() {
        let last = status(&[("Ready", "True"), ("gate", "False"), ("old", "True")]);
        let told = status(&[("Ready", "False"), ("gate", "True")]);
        let heeded = heeded(Some(last), &pod(PodOrigin::Api, told)).unwrap();
        let conditions = heeded.conditions.unwrap();
        let words: Vec<_> = conditions
            .iter()
            .map(|one| (one.type_.as_str(), one.status.as_str()))
            .collect();
        assert_eq!(words, [("Ready", "True"), ("gate", "True")]);
    }
}
