//! What a claim says of its size, and what it is told: pure.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use crate::csi::{ClaimNow, Mark};
use crate::model::Quantity;

/// Conditions that speak of how a claim grows.
const OF_SIZE: [&str; 4] = [
    "FileSystemResizePending",
    "Resizing",
    "ControllerResizeError",
    "NodeResizeError",
];
const FAILED: &str = "NodeResizeError";

/// Says that growing has nothing to do with nodes.
const NO_NODES: &str = "volume.kubernetes.io/node-expansion-not-required";

/// The claim, as it is in its object.
pub(super) fn read(object: Value) -> ClaimNow {
    let status = &object["status"];
    let size = |of: &Value| {
        let text = of["storage"].as_str().unwrap_or_default();
        Quantity::parse(text).unwrap_or(Quantity::ZERO)
    };
    let modes = object["spec"]["accessModes"].as_array();
    let allocated = &status["allocatedResources"];
    ClaimNow {
        capacity: size(&status["capacity"]),
        request: size(&object["spec"]["resources"]["requests"]),
        allocated: allocated["storage"].is_string().then(|| size(allocated)),
        state: status["allocatedResourceStatuses"]["storage"]
            .as_str()
            .filter(|word| !word.is_empty())
            .map(str::to_owned),
        is_shared: modes.is_some_and(|all| all.iter().any(|one| one == "ReadWriteMany")),
        is_no_nodes: !object["metadata"]["annotations"][NO_NODES].is_null(),
        object,
    }
}

/// A strategic merge patch of the claim's status, at this time.
pub(super) fn patch(claim: &ClaimNow, mark: &Mark, now: &str) -> Value {
    let state = |word: &str| json!({ "allocatedResourceStatuses": { "storage": word } });
    let version = &claim.object["metadata"]["resourceVersion"];
    // What it is now was decided by what it was; that it failed is true in any case.
    let (is_checked, status) = match mark {
        Mark::InProgress => (true, state("NodeResizeInProgress")),
        Mark::Finished(size) => (true, finished(claim, *size)),
        Mark::Failed(why) => (false, failed(claim, why, now)),
        Mark::Infeasible(why) => {
            let mut status = failed(claim, why, now);
            status["allocatedResourceStatuses"] = json!({ "storage": "NodeResizeInfeasible" });
            (false, status)
        }
    };
    let mut patch = json!({ "status": status });
    if is_checked {
        patch["metadata"] = json!({ "resourceVersion": version });
    }
    patch
}

fn finished(claim: &ClaimNow, size: Quantity) -> Value {
    let gone = conditions(claim).filter(|one| OF_SIZE.iter().any(|kind| one["type"] == *kind));
    let gone: Vec<_> = gone
        .map(|one| json!({ "type": one["type"], "$patch": "delete" }))
        .collect();
    let mut status = json!({
        "capacity": { "storage": size.binary() },
        "allocatedResourceStatuses": { "storage": null },
    });
    if !gone.is_empty() {
        status["conditions"] = gone.into();
    }
    status
}

/// A condition that is there already stays as it is, as upstream leaves it.
fn failed(claim: &ClaimNow, why: &str, now: &str) -> Value {
    let is_told = conditions(claim).any(|one| one["type"] == FAILED && one["status"] == "True");
    match is_told {
        true => json!({}),
        false => json!({ "conditions": [{
            "type": FAILED, "status": "True", "lastTransitionTime": now,
            "message": format!("failed to expand pvc with {why}"),
        }] }),
    }
}

fn conditions(claim: &ClaimNow) -> impl Iterator<Item = &Value> {
    let all = claim.object["status"]["conditions"].as_array();
    all.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> ClaimNow {
        read(json!({
            "metadata": { "resourceVersion": "7", "annotations": { NO_NODES: "true" } },
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "resources": { "requests": { "storage": "3Gi" } },
            },
            "status": {
                "capacity": { "storage": "1Gi" },
                "allocatedResources": { "storage": "2Gi" },
                "allocatedResourceStatuses": { "storage": "NodeResizePending" },
                "conditions": [
                    { "type": "FileSystemResizePending", "status": "True" },
                    { "type": "ModifyingVolume", "status": "True" },
                ],
            },
        }))
    }

    #[test]
    fn a_claim_says_how_large_it_is_and_how_far_it_has_come() {
        let claim = claim();
        let gib = |count: u64| Quantity::of_units(count << 30);
        assert_eq!((claim.capacity, claim.request), (gib(1), gib(3)));
        assert_eq!(claim.allocated, Some(gib(2)));
        assert_eq!(claim.state.as_deref(), Some("NodeResizePending"));
        assert!(claim.is_shared && claim.is_no_nodes);
        let bare = read(json!({ "status": { "capacity": { "storage": "1Gi" } } }));
        assert_eq!((bare.allocated, bare.state), (None, None));
        assert!(!bare.is_shared && !bare.is_no_nodes);
    }

    #[test]
    fn a_claim_that_has_grown_is_told_so_and_nothing_else_of_it_changes() {
        let patch = |mark: Mark| patch(&claim(), &mark, "now");
        assert_eq!(
            patch(Mark::InProgress),
            json!({
                "metadata": { "resourceVersion": "7" },
                "status": { "allocatedResourceStatuses": { "storage": "NodeResizeInProgress" } },
            })
        );
        assert_eq!(
            patch(Mark::Finished(Quantity::of_units(2 << 30))),
            json!({
                "metadata": { "resourceVersion": "7" },
                "status": {
                    "capacity": { "storage": "2Gi" },
                    "allocatedResourceStatuses": { "storage": null },
                    "conditions": [{ "type": "FileSystemResizePending", "$patch": "delete" }],
                },
            })
        );
    }

    #[test]
    fn a_claim_that_has_not_grown_says_why_once() {
        let mut claim = claim();
        let why = || Mark::Infeasible("no".to_owned());
        let first = patch(&claim, &why(), "now");
        assert_eq!(
            first["status"]["allocatedResourceStatuses"]["storage"],
            "NodeResizeInfeasible"
        );
        let condition = &first["status"]["conditions"][0];
        assert_eq!(condition["message"], "failed to expand pvc with no");
        claim.object["status"]["conditions"] = json!([condition]);
        let again = patch(&claim, &Mark::Failed("no".to_owned()), "later");
        assert_eq!(again, json!({ "status": {} }));
    }
}
