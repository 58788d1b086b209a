//! What a static pod may not have: it exists without an API server, so it may not refer to one.

use k8s_openapi::api::core::v1 as core;

use crate::source::problem::Problems;

pub(super) fn refuse(spec: &core::PodSpec, problems: &mut Problems) {
    if spec
        .service_account_name
        .as_ref()
        .is_some_and(|name| !name.is_empty())
    {
        refused("spec.serviceAccountName", "a ServiceAccount", problems);
    }
    if spec
        .image_pull_secrets
        .as_ref()
        .is_some_and(|secrets| !secrets.is_empty())
    {
        refused("spec.imagePullSecrets", "Secrets", problems);
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
    volumes(spec, problems);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (list, containers) in [("initContainers", init), ("containers", &spec.containers)] {
        for (index, container) in containers.iter().enumerate() {
            environment(&format!("spec.{list}[{index}]"), container, problems);
        }
    }
}

fn volumes(spec: &core::PodSpec, problems: &mut Problems) {
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let mut refuse = |kind: &str, what| {
            refused(&format!("spec.volumes[{index}].{kind}"), what, problems);
        };
        if volume.secret.is_some() {
            refuse("secret", "a Secret");
        }
        if volume.config_map.is_some() {
            refuse("configMap", "a ConfigMap");
        }
        if volume.persistent_volume_claim.is_some() {
            refuse("persistentVolumeClaim", "a PersistentVolumeClaim");
        }
    }
}

fn environment(path: &str, container: &core::Container, problems: &mut Problems) {
    for (index, variable) in container.env.iter().flatten().enumerate() {
        let from = variable.value_from.clone().unwrap_or_default();
        let field = |kind: &str| format!("{path}.env[{index}].valueFrom.{kind}");
        if from.secret_key_ref.is_some() {
            refused(&field("secretKeyRef"), "a Secret", problems);
        }
        if from.config_map_key_ref.is_some() {
            refused(&field("configMapKeyRef"), "a ConfigMap", problems);
        }
    }
    for (index, source) in container.env_from.iter().flatten().enumerate() {
        if source.secret_ref.is_some() || source.config_map_ref.is_some() {
            refused(
                &format!("{path}.envFrom[{index}]"),
                "Secrets or ConfigMaps",
                problems,
            );
        }
    }
}

fn refused(field: &str, what: &str, problems: &mut Problems) {
    problems.invalid(
        field,
        format!("Forbidden: a static pod may not refer to {what}"),
    );
}
