//! What a pod says of itself as a whole (`spec.resources`): its defaults, from what its containers say.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use crate::model::{Quantity, huge_page_size};

/// Amounts by the name of the resource.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// One of the two lists of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Requests,
    Limits,
}

impl List {
    fn of(self, resources: &core::ResourceRequirements) -> Option<&BTreeMap<String, Text>> {
        match self {
            Self::Requests => resources.requests.as_ref(),
            Self::Limits => resources.limits.as_ref(),
        }
    }
}

/// Whether a pod as a whole can ask for it.
pub(super) fn is_of_pods(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || huge_page_size(name).is_some()
}

/// The sum of what containers and sidecars say, or what the largest init container says with the
/// sidecars before it, whichever is more.
pub(super) fn of_containers(spec: &core::PodSpec, list: List) -> Amounts {
    let mut total = Amounts::new();
    for container in &spec.containers {
        add(&mut total, &of_container(container, list));
    }
    let (mut sidecars, mut largest) = (Amounts::new(), Amounts::new());
    for container in spec.init_containers.iter().flatten() {
        let mut own = of_container(container, list);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            own.clone_from(&sidecars);
        } else {
            add(&mut own, &sidecars);
        }
        merge(&mut largest, &own, Quantity::max);
    }
    merge(&mut total, &largest, Quantity::max);
    total
}

/// What is no quantity is told of where it stands.
fn of_container(container: &core::Container, list: List) -> Amounts {
    let resources = container.resources.as_ref();
    let texts = resources.and_then(|resources| list.of(resources));
    let amounts = texts.into_iter().flatten();
    amounts
        .filter_map(|(name, text)| Some((name.clone(), Quantity::parse(&text.0).ok()?)))
        .collect()
}

fn add(sum: &mut Amounts, more: &Amounts) {
    merge(sum, more, Quantity::plus);
}

fn merge(into: &mut Amounts, other: &Amounts, with: fn(Quantity, Quantity) -> Quantity) {
    for (name, amount) in other {
        let own = into.entry(name.clone()).or_insert(Quantity::ZERO);
        *own = with(*own, *amount);
    }
}

/// An amount as it is written.
pub(super) fn written(name: &str, amount: Quantity) -> String {
    match name {
        "cpu" => amount.decimal(),
        _ => amount.binary(),
    }
}

/// Sets the defaults of a pod that says something of itself as a whole, once its containers have theirs.
pub(super) fn set_defaults(spec: &mut core::PodSpec) {
    let Some(mut own) = spec.resources.take() else {
        return;
    };
    limit_pages(spec, &mut own);
    ask(spec, &mut own);
    spec.resources = Some(own);
}

/// Huge pages that containers are limited to are the pod's limit, unless it says so itself.
fn limit_pages(spec: &core::PodSpec, own: &mut core::ResourceRequirements) {
    let is_empty = |list: &Option<BTreeMap<_, _>>| list.as_ref().is_none_or(BTreeMap::is_empty);
    if is_empty(&own.limits) && is_empty(&own.requests) {
        return;
    }
    let asked = own.requests.clone().unwrap_or_default();
    let pages = of_containers(spec, List::Limits);
    let pages = pages
        .iter()
        .filter(|(name, _)| huge_page_size(name).is_some() && !asked.contains_key(*name));
    for (name, amount) in pages {
        let limits = own.limits.get_or_insert_default();
        let limit = limits.entry(name.clone());
        limit.or_insert_with(|| Text(written(name, *amount)));
    }
}

/// Where there are limits, the pod asks for what its containers ask for, and of what none of them
/// asks for for its limit.
fn ask(spec: &core::PodSpec, own: &mut core::ResourceRequirements) {
    let Some(limits) = own.limits.clone().filter(|limits| !limits.is_empty()) else {
        return;
    };
    let requests = own.requests.get_or_insert_default();
    for (name, amount) in of_containers(spec, List::Requests) {
        if matches!(name.as_str(), "cpu" | "memory") {
            let text = written(&name, amount);
            requests.entry(name).or_insert(Text(text));
        }
    }
    for (name, limit) in limits.into_iter().filter(|(name, _)| is_of_pods(name)) {
        requests.entry(name).or_insert(limit);
    }
    own.requests.take_if(|requests| requests.is_empty());
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn defaulted(resources: &Value, containers: &Value) -> Value {
        let spec = json!({ "resources": resources, "containers": containers });
        let mut spec: core::PodSpec = serde_json::from_value(spec).unwrap();
        set_defaults(&mut spec);
        let once = spec.clone();
        set_defaults(&mut spec);
        assert_eq!(spec, once, "a second time changes nothing");
        serde_json::to_value(spec.resources).unwrap()
    }

    #[test]
    fn a_pod_with_limits_asks_for_what_its_containers_ask_for_else_for_its_limits() {
        let asking = json!([
            { "name": "a", "resources": { "requests": { "cpu": "250m" } } },
            { "name": "b", "resources": { "requests": { "cpu": "250m", "ephemeral-storage": "1Gi" } } },
        ]);
        let limits = json!({ "limits": { "cpu": "1", "memory": "200Mi" } });
        assert_eq!(
            defaulted(&limits, &asking),
            json!({ "limits": { "cpu": "1", "memory": "200Mi" },
                    "requests": { "cpu": "500m", "memory": "200Mi" } })
        );
        let requests = json!({ "requests": { "memory": "100Mi" } });
        assert_eq!(defaulted(&requests, &asking), requests, "it has no limits");
        let both =
            json!({ "limits": { "memory": "2Gi" }, "requests": { "cpu": "2", "memory": "1Gi" } });
        assert_eq!(defaulted(&both, &asking), both, "what is said stays");
        assert_eq!(defaulted(&json!({}), &asking), json!({}));
    }

    #[test]
    fn huge_pages_of_containers_are_the_pods_limit() {
        let pages = json!([{ "name": "a", "resources": {
            "limits": { "hugepages-2Mi": "4Mi" }, "requests": { "hugepages-2Mi": "4Mi" },
        } }]);
        assert_eq!(
            defaulted(&json!({ "requests": { "cpu": "1" } }), &pages),
            json!({ "limits": { "hugepages-2Mi": "4Mi" },
                    "requests": { "cpu": "1", "hugepages-2Mi": "4Mi" } })
        );
    }

    #[test]
    fn an_init_container_counts_beside_the_sidecars_before_it() {
        let asks = |cpu: &str| json!({ "requests": { "cpu": cpu } });
        let spec = json!({
            "initContainers": [
                { "name": "a", "restartPolicy": "Always", "resources": asks("1") },
                { "name": "b", "resources": asks("4") },
                { "name": "c", "restartPolicy": "Always", "resources": asks("2") },
            ],
            "containers": [{ "name": "d", "resources": asks("500m") }],
        });
        let spec = serde_json::from_value(spec).unwrap();
        let sum = of_containers(&spec, List::Requests);
        assert_eq!(sum["cpu"].decimal(), "5");
    }
}
