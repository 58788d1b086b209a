//! What a pod has been given as a whole, and what it may use.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use crate::admit::asked_for;
use crate::model::{EPHEMERAL_STORAGE, PodSpec, Quantity, Size};
use crate::resource::pod_limits;

type Amounts = BTreeMap<String, Text>;

/// All that it asks for.
pub(super) fn allocated(spec: &PodSpec) -> Option<Amounts> {
    let asked = asked_for(spec);
    let mut all: Amounts = asked
        .scalars
        .iter()
        .filter_map(|(name, amount)| bytes(name, *amount))
        .collect();
    all.extend(cpu(asked.cpu_millis));
    all.extend(bytes("memory", asked.memory));
    all.extend(bytes(EPHEMERAL_STORAGE, asked.ephemeral_storage));
    Some(all).filter(|all| !all.is_empty())
}

/// What its cgroup says, or will say once it runs; while it is given another size, what it has.
pub(super) fn resources(spec: &PodSpec, has: Option<Size>) -> ResourceRequirements {
    let has = has.filter(|has| *has != Size::of(&spec.resources));
    let as_it_is = has.map(|has| PodSpec {
        resources: has.requirements(),
        ..spec.clone()
    });
    let spec = as_it_is.as_ref().unwrap_or(spec);
    let limits = pod_limits(spec);
    let pages = spec.scalars.limits.iter();
    let mut most: Amounts = pages
        .filter_map(|(name, amount)| bytes(name, *amount))
        .collect();
    most.extend(limits.cpu_millis.and_then(cpu));
    most.extend(limits.memory.and_then(|memory| bytes("memory", memory)));
    let is_of_cgroup = |name: &String| {
        matches!(name.as_str(), "cpu" | "memory") || spec.scalars.requests.contains_key(name)
    };
    let mut asked = allocated(spec).unwrap_or_default();
    asked.retain(|name, _| is_of_cgroup(name));
    let told = |amounts: Amounts| Some(amounts).filter(|amounts| !amounts.is_empty());
    ResourceRequirements {
        claims: None,
        limits: told(most),
        requests: told(asked),
    }
}

fn cpu(millis: u64) -> Option<(String, Text)> {
    let text = Text(Quantity::of_millis(millis).decimal());
    (millis > 0).then(|| ("cpu".to_owned(), text))
}

fn bytes(name: &str, amount: u64) -> Option<(String, Text)> {
    let units = Quantity::of_units(amount);
    let is_device = name.contains('/');
    let text = match is_device {
        true => units.decimal(),
        false => units.binary(),
    };
    let text = Text(text);
    (amount > 0).then(|| (name.to_owned(), text))
}
