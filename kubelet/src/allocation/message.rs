//! What events say of a resize: upstream's sentence with the sizes of all containers.

use k8s_openapi::api::core::v1 as core;
use serde::Serialize;

use crate::model::Pod;

/// Which sizes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// Those that its manifest asks for.
    Wished,
    /// Those that its containers have been given.
    Given,
}

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(rename = "initContainers", skip_serializing_if = "Vec::is_empty")]
    init_containers: Vec<One<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    containers: Vec<One<'a>>,
    generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct One<'a> {
    name: &'a str,
    resources: core::ResourceRequirements,
}

/// `beginning: {"containers":[…],"generation":2}`.
pub(crate) fn sentence(
    beginning: &str,
    (pod, sizes): (&Pod, Sizes),
    generation: i64,
    error: Option<&str>,
) -> String {
    let one = |container: &'_ core::Container| {
        let given = pod.resize.allocated.get(&container.name.as_str().into());
        let given = given.filter(|_| sizes == Sizes::Given);
        let resources = given.or(container.resources.as_ref()).cloned();
        resources.unwrap_or_default()
    };
    let list = |containers: &'_ [core::Container]| -> Vec<core::ResourceRequirements> {
        containers.iter().map(one).collect()
    };
    let empty = core::PodSpec::default();
    let spec = pod.manifest.spec.as_ref().unwrap_or(&empty);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let summary = Summary {
        init_containers: named(init, list(init)),
        containers: named(&spec.containers, list(&spec.containers)),
        generation,
        error,
    };
    let summary = serde_json::to_string(&summary).expect("texts and numbers can be written");
    format!("{beginning}: {summary}")
}

fn named(containers: &[core::Container], sizes: Vec<core::ResourceRequirements>) -> Vec<One<'_>> {
    let names = containers.iter().map(|one| one.name.as_str());
    names
        .zip(sizes)
        .map(|(name, resources)| One { name, resources })
        .collect()
}
