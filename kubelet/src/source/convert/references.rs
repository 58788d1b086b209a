//! What a static pod may not have: what only an API server could give it.
//!
//! The objects that its containers and volumes refer to stand in manifests.

use k8s_openapi::api::core::v1 as core;

use crate::source::problem::Problems;

/// What this kubelet does not take from an API server yet: without it the pod would not be itself.
pub(super) fn refuse_of_api(spec: &core::PodSpec, problems: &mut Problems) {
    let claims = spec.resource_claims.as_ref();
    if claims.is_some_and(|claims| !claims.is_empty()) {
        problems.invalid(
            "spec.resourceClaims",
            "Forbidden: ResourceClaims are not handled yet",
        );
    }
}

pub(super) fn refuse_of_static(spec: &core::PodSpec, problems: &mut Problems) {
    if spec
        .service_account_name
        .as_ref()
        .is_some_and(|name| !name.is_empty())
    {
        refused("spec.serviceAccountName", "a ServiceAccount", problems);
    }
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        if volume.ephemeral.is_some() {
            let message = "Forbidden: nobody makes its claim for a pod of a manifest; a \
                           persistentVolumeClaim beside the pod, or an emptyDir, may do";
            problems.invalid(format!("spec.volumes[{index}].ephemeral"), message);
        }
    }
    if spec
        .resource_claims
        .as_ref()
        .is_some_and(|claims| !claims.is_empty())
    {
        refused("spec.resourceClaims", "ResourceClaims", problems);
    }
    if spec
        .ephemeral_containers
        .as_ref()
        .is_some_and(|list| !list.is_empty())
    {
        problems.invalid(
            "spec.ephemeralContainers",
            "Forbidden: cannot be set on create",
        );
    }
}

fn refused(field: &str, what: &str, problems: &mut Problems) {
    problems.invalid(
        field,
        format!("Forbidden: a static pod may not refer to {what}"),
    );
}
