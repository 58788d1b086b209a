//! What a pod asks for as a whole and what its containers may use together.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::resources;
use crate::model::{EPHEMERAL_STORAGE, Quantity, Requirements, Scalars, huge_page_size};
use crate::source::problem::Problems;
use crate::source::whole::{List, is_of_pods, of_containers, written};

/// What can be asked for as a whole, as problems name it.
const SUPPORTED: &[&str] = &["cpu", "hugepages-", "memory"];

pub(super) fn resources(spec: &core::PodSpec, problems: &mut Problems) -> (Requirements, Scalars) {
    let Some(own) = &spec.resources else {
        return Default::default();
    };
    if own.claims.is_some() {
        problems.invalid(
            "spec.resources.claims",
            "Forbidden: claims may not be set for Resources at pod-level",
        );
    }
    let own = core::ResourceRequirements {
        claims: None,
        limits: supported("limits", own.limits.as_ref(), problems),
        requests: supported("requests", own.requests.as_ref(), problems),
    };
    holds_its_containers(spec, &own, problems);
    // It reads as that of a container.
    let whole = core::Container {
        resources: Some(own),
        ..core::Container::default()
    };
    (
        resources::requirements("spec", &whole, problems),
        resources::scalars("spec", &whole, problems),
    )
}

/// What is left of a list when all that a pod cannot ask for has been told.
fn supported(
    list: &str,
    amounts: Option<&BTreeMap<String, Text>>,
    problems: &mut Problems,
) -> Option<BTreeMap<String, Text>> {
    let mut amounts = amounts.cloned()?;
    amounts.retain(|name, _| {
        let field = format!("spec.resources.{list}[{name}]");
        let is_known = name.contains('/') || name == EPHEMERAL_STORAGE || is_of_pods(name);
        match (is_of_pods(name), is_known) {
            (true, _) => {}
            (false, true) => problems.unsupported(field, name, SUPPORTED),
            (false, false) => {
                let message = "must be a standard resource type or fully qualified";
                problems.invalid(field, format!("Invalid value: {name:?}: {message}"));
            }
        }
        is_of_pods(name)
    });
    Some(amounts)
}

/// A pod asks for no less than its containers together, and none of them may use more than it.
fn holds_its_containers(
    spec: &core::PodSpec,
    own: &core::ResourceRequirements,
    problems: &mut Problems,
) {
    let least = |list: List, amounts: Option<&BTreeMap<String, Text>>, what: &str| {
        let sums = of_containers(spec, list);
        let pairs = amounts.into_iter().flatten();
        let told = pairs.filter_map(|(name, text)| {
            let sum = *sums.get(name)?;
            let is_less = Quantity::parse(&text.0).ok()? < sum;
            let sum = written(name, sum);
            let message = format!(
                "Invalid value: {:?}: must be greater than or equal to aggregate container {what} of {sum}",
                text.0
            );
            is_less.then(|| (format!("spec.resources.{what}[{name}]"), message))
        });
        told.collect::<Vec<_>>()
    };
    let requests = least(List::Requests, own.requests.as_ref(), "requests");
    let limits = least(List::Limits, own.limits.as_ref(), "limits");
    let pages = limits
        .into_iter()
        .filter(|(field, _)| field.contains("[hugepages-"));
    for (field, message) in requests.into_iter().chain(pages) {
        problems.invalid(field, message);
    }
    for (index, container) in spec.containers.iter().enumerate() {
        let resources = container.resources.as_ref();
        let limits = resources.and_then(|resources| resources.limits.as_ref());
        for (name, limit) in limits.into_iter().flatten() {
            let most = own.limits.as_ref().and_then(|limits| limits.get(name));
            if let Some(most) = most.filter(|most| is_more(limit, most)) {
                let field = format!("spec.resources.containers[{index}][{name}].limits");
                let (limit, most) = (&limit.0, &most.0);
                let message = format!(
                    "Invalid value: {limit:?}: must be less than or equal to pod limits of {most}"
                );
                problems.invalid(field, message);
            }
        }
    }
}

/// What is no quantity is told of where it stands.
fn is_more(one: &Text, other: &Text) -> bool {
    match (Quantity::parse(&one.0), Quantity::parse(&other.0)) {
        (Ok(one), Ok(other)) => one > other,
        _ => false,
    }
}

/// Sizes of huge pages that a pod asks for as a whole.
pub(super) fn pages(spec: &core::PodSpec) -> impl Iterator<Item = &str> {
    let own = spec.resources.iter();
    let requests = own.filter_map(|own| own.requests.as_ref());
    requests.flat_map(|requests| requests.keys().filter_map(|name| huge_page_size(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::convert;
    use super::*;
    use crate::model::{Amount, EnvValue, ResourceList};
    use crate::source::set_defaults;

    fn pod(resources: &Value, containers: &Value) -> core::Pod {
        let mut pod = serde_json::from_value(json!({
            "metadata": { "name": "web", "namespace": "default" },
            "spec": { "resources": resources, "containers": containers },
        }))
        .unwrap();
        set_defaults(&mut pod);
        pod
    }

    fn web(resources: &Value) -> Value {
        json!({ "name": "web", "image": "nginx:1", "resources": resources })
    }

    #[test]
    fn what_a_pod_asks_for_as_a_whole_arrives() {
        let whole = json!({
            "requests": { "cpu": "1", "memory": "100Mi" },
            "limits": { "cpu": "2", "memory": "200Mi", "hugepages-2Mi": "4Mi" },
        });
        let field = json!([{ "name": "MOST", "valueFrom": { "resourceFieldRef": {
            "resource": "limits.memory",
        } } }]);
        let mut container = web(&json!({ "limits": { "cpu": "1" } }));
        container["env"] = field;
        let spec = convert(&pod(&whole, &json!([container]))).unwrap();
        let list = |cpu, memory| ResourceList {
            cpu_millis: Some(cpu),
            memory_bytes: Some(memory),
        };
        assert_eq!(spec.resources.requests, list(1000, 100 << 20));
        assert_eq!(spec.resources.limits, list(2000, 200 << 20));
        assert_eq!(spec.scalars.requests["hugepages-2Mi"], 4 << 20);
        let EnvValue::Resource(told) = &spec.containers[0].env[0].value else {
            panic!("it asks for a resource");
        };
        let limit = Amount::Declared(Quantity::of_units(200 << 20));
        assert_eq!(told.amount, limit, "it may use what its pod may");
    }

    #[test]
    fn what_no_pod_can_ask_for_as_a_whole_is_told() {
        let rows = [
            (
                json!({ "limits": { "pids": "2048" } }),
                "spec.resources.limits[pids]: Invalid value: \"pids\": must be a standard resource type \
                 or fully qualified",
            ),
            (
                json!({ "requests": { "example.com/dongle": "1" } }),
                "spec.resources.requests[example.com/dongle]: Unsupported value: \
                 \"example.com/dongle\": supported values: \"cpu\", \"hugepages-\", \"memory\"",
            ),
            (
                json!({ "claims": [{ "name": "gpu" }] }),
                "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
            ),
            (
                json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } }),
                "spec.resources.requests[cpu]: Invalid value: must be less than or equal to cpu limit",
            ),
            (
                json!({ "requests": { "cpu": "250m" } }),
                "spec.resources.requests[cpu]: Invalid value: \"250m\": must be greater than or equal to \
                 aggregate container requests of 500m",
            ),
            (
                json!({ "limits": { "memory": "32Mi" } }),
                "spec.resources.containers[0][memory].limits: Invalid value: \"64Mi\": must be less than \
                 or equal to pod limits of 32Mi",
            ),
        ];
        let container = web(&json!({
            "requests": { "cpu": "500m", "memory": "1Mi" }, "limits": { "memory": "64Mi" },
        }));
        for (resources, expected) in rows {
            let problems = convert(&pod(&resources, &json!([container]))).unwrap_err();
            let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(told, [expected], "{resources}");
        }
    }
}
