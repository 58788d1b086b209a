//! From a pod of the API server to one that the kubelet can run: pure.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

use crate::model::{Pod, PodOrigin, Resize};
use crate::source::{Problem, convert_of_api, not_handled, set_defaults};
use crate::status::is_own_condition;

use super::{name_of, uid};

const SOURCE: &str = "kubernetes.io/config.source";
const SEEN: &str = "kubernetes.io/config.seen";

/// What was told of a pod before it was known here; its conditions of others are always those of now.
pub(super) fn read(
    mut pod: core::Pod,
    first_told: Option<core::PodStatus>,
    seen: Timestamp,
) -> Result<Pod, Vec<Problem>> {
    set_defaults(&mut pod);
    pod.metadata.managed_fields = None;
    let spec = pod.spec.iter_mut();
    for one in spec.flat_map(|spec| spec.ephemeral_containers.iter_mut().flatten()) {
        // An API server writes what is nothing.
        one.resources
            .take_if(|resources| *resources == core::ResourceRequirements::default());
    }
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(
        SOURCE.to_owned(),
        PodOrigin::Api.source().as_str().to_owned(),
    );
    annotations.insert(SEEN.to_owned(), seen.to_string());
    let spec = convert_of_api(&pod)?;
    if let Some(told) = first_told {
        pod.status = Some(with_conditions_of(told, pod.status.take()));
    }
    let metadata = &pod.metadata;
    let seconds = metadata.deletion_grace_period_seconds;
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let is_leaving = metadata.deletion_timestamp.is_some();
    Ok(Pod {
        uid: uid(&pod).into(),
        name: name_of(&pod),
        labels: metadata.labels.clone().unwrap_or_default(),
        annotations: metadata.annotations.clone().unwrap_or_default(),
        origin: PodOrigin::Api,
        seen_at: seen,
        leaves_within: is_leaving.then(|| {
            let seconds = seconds.map(Duration::from_secs);
            seconds.unwrap_or(spec.termination_grace_period)
        }),
        spec,
        resize: Resize::default(),
        manifest: Arc::new(pod),
    })
}

/// Fields of a pod that are not handled yet, one sentence each.
pub(super) fn without_effect(pod: &core::Pod) -> Vec<String> {
    /// Those that only pods of an API server have.
    const HANDLED: [&str; 4] = [
        "spec.ephemeralContainers",
        "spec.schedulingGates",
        "spec.serviceAccount",
        "spec.serviceAccountName",
    ];
    let fields = not_handled(pod).into_iter();
    let fields = fields.filter(|field| !HANDLED.contains(&field.as_str()));
    fields
        .map(|field| format!("{field} is not handled yet and has no effect"))
        .collect()
}

/// Only what others write concerns a kubelet that has written the rest itself.
fn with_conditions_of(told: core::PodStatus, now: Option<core::PodStatus>) -> core::PodStatus {
    let (before, after) = (told.conditions, now.and_then(|now| now.conditions));
    let own = before
        .into_iter()
        .flatten()
        .filter(|one| is_own_condition(&one.type_));
    let foreign = after
        .into_iter()
        .flatten()
        .filter(|one| !is_own_condition(&one.type_));
    core::PodStatus {
        conditions: Some(own.chain(foreign).collect()),
        ..told
    }
}
