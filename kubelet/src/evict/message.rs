//! What people are told of an evicted pod: upstream's words.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;

use super::rank::Usage;
use super::watch::Observations;
use super::{Resource, Threshold};
use crate::model::Quantity;

/// Why this pod had to go. `due` are the thresholds for which somebody had to.
pub(super) fn message(
    resource: Resource,
    (due, seen): (&[&Threshold], &Observations),
    (pod, usage): (&core::Pod, Option<&Usage>),
) -> String {
    let name = resource.name();
    let mut message = format!("The node was low on resource: {name}. ");
    let crossed = due
        .iter()
        .filter(|one| one.signal.resource() == resource)
        .find_map(|one| Some((one, seen.get(&one.signal)?)));
    if let Some((threshold, seen)) = crossed {
        let value = threshold_text(threshold, seen.capacity, resource);
        let available = amount(seen.available, resource);
        message += &format!("Threshold quantity: {value}, available: {available}. ");
    }
    let Some(usage) = usage else {
        return message;
    };
    message += &of_whole(resource, pod, usage).unwrap_or_default();
    for container in containers(pod) {
        let Some(of_it) = usage.containers.get(&container.name) else {
            continue;
        };
        let used = match resource {
            Resource::Memory => of_it.memory,
            Resource::EphemeralStorage => Some(of_it.root.bytes + of_it.logs.bytes),
            Resource::Inodes | Resource::Pids => None,
        };
        let asked = requested(container, name);
        let bytes = asked.and_then(|text| Quantity::parse(text).ok());
        let bytes = bytes.map_or(0, Quantity::units);
        if let Some(used) = used.filter(|used| i128::from(*used) > bytes) {
            message += &format!(
                "Container {} was using {}, request is {}, has larger consumption of {name}. ",
                container.name,
                binary(used.into()),
                asked.unwrap_or("0"),
            );
        }
    }
    message
}

/// What is said of a pod that asks for memory as a whole.
fn of_whole(resource: Resource, pod: &core::Pod, usage: &Usage) -> Option<String> {
    let whole = pod.spec.as_ref()?.resources.as_ref()?;
    let asked = whole.requests.as_ref()?.get(resource.name())?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let used = binary(usage.memory.into());
    (resource == Resource::Memory).then(|| {
        let (asked, resource) = (&asked.0, resource.name());
        format!(
            "Pod {name} was using {used}, request is {asked}, has larger consumption of {resource}. "
        )
    })
}

/// Regular containers first, then the init containers.
fn containers(pod: &core::Pod) -> impl Iterator<Item = &core::Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| {
        let init = spec.init_containers.iter().flatten();
        spec.containers.iter().chain(init)
    })
}

fn requested<'a>(container: &'a core::Container, resource: &str) -> Option<&'a str> {
    let requests = container.resources.as_ref()?.requests.as_ref()?;
    requests.get(resource).map(|quantity| quantity.0.as_str())
}

fn threshold_text(threshold: &Threshold, capacity: i128, resource: Resource) -> String {
    match &threshold.value {
        super::Amount::Quantity { text, .. } => text.clone(),
        super::Amount::Share(_) => match resource {
            // Upstream writes every part of a capacity as bytes are written.
            Resource::Inodes | Resource::Pids => binary(threshold.value.of(capacity)),
            _ => amount(threshold.value.of(capacity), resource),
        },
    }
}

fn amount(value: i128, resource: Resource) -> String {
    match resource {
        Resource::Memory | Resource::EphemeralStorage => binary(value),
        Resource::Inodes | Resource::Pids => scaled(value, 1000, &["k", "M", "G", "T", "P", "E"]),
    }
}

/// With the largest binary unit that leaves no fraction.
pub(super) fn binary(bytes: i128) -> String {
    scaled(bytes, 1024, &["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
}

fn scaled(mut value: i128, step: i128, units: &[&str]) -> String {
    let mut unit = "";
    for larger in units {
        if value == 0 || value % step != 0 {
            break;
        }
        value /= step;
        unit = larger;
    }
    format!("{value}{unit}")
}
