//! What a container asks for and what it may use.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use crate::model::{
    EPHEMERAL_STORAGE, Overhead, Quantity, Requirements, ResourceList, Scalars, huge_page_size,
    is_extended_resource,
};
use crate::source::problem::Problems;

pub(super) fn requirements(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Requirements {
    let Some(resources) = &container.resources else {
        return Requirements::default();
    };
    let path = format!("{path}.resources");
    let limits = quantities(
        &format!("{path}.limits"),
        resources.limits.as_ref(),
        problems,
    );
    let requests = quantities(
        &format!("{path}.requests"),
        resources.requests.as_ref(),
        problems,
    );
    for (name, request) in &requests {
        if limits.get(name).is_some_and(|limit| limit < request) {
            let message = format!("Invalid value: must be less than or equal to {name} limit");
            problems.invalid(format!("{path}.requests[{name}]"), message);
        }
    }
    Requirements {
        requests: list(&requests),
        limits: list(&limits),
    }
}

/// What was written down of a container's requirements; nothing when that is invalid.
pub(crate) fn read_requirements(written: &core::ResourceRequirements) -> Option<Requirements> {
    let mut problems = Problems::default();
    let container = core::Container {
        resources: Some(written.clone()),
        ..core::Container::default()
    };
    let read = requirements("", &container, &mut problems);
    problems.none().ok().map(|()| read)
}

/// What a pod takes beside its containers.
pub(super) fn overhead(
    path: &str,
    written: &BTreeMap<String, Text>,
    problems: &mut Problems,
) -> Overhead {
    let amounts = quantities(path, Some(written), problems);
    let list = list(&amounts);
    let scalars = amounts
        .iter()
        .filter(|(name, _)| !matches!(**name, "cpu" | "memory"))
        .map(|(name, amount)| ((*name).to_owned(), *amount));
    Overhead {
        cpu_millis: list.cpu_millis.unwrap_or(0),
        memory_bytes: list.memory_bytes.unwrap_or(0),
        scalars: units(&scalars.collect()),
    }
}

/// What was written down of an overhead, as far as it is valid.
pub(crate) fn read_overhead(written: &BTreeMap<String, Text>) -> Overhead {
    overhead("", written, &mut Problems::default())
}

/// What is asked for beside CPU and memory; quantities that are none were told with the others.
pub(super) fn scalars(path: &str, container: &core::Container, problems: &mut Problems) -> Scalars {
    let Some(resources) = &container.resources else {
        return Scalars::default();
    };
    let path = format!("{path}.resources");
    let read = |list: &Option<BTreeMap<String, Text>>| -> BTreeMap<String, Quantity> {
        let texts = list.iter().flatten();
        texts
            .filter(|(name, _)| !matches!(name.as_str(), "cpu" | "memory"))
            .filter_map(|(name, text)| Some((name.clone(), Quantity::parse(&text.0).ok()?)))
            .collect()
    };
    let (limits, requests) = (read(&resources.limits), read(&resources.requests));
    for (list, amounts) in [("limits", &limits), ("requests", &requests)] {
        for (name, amount) in amounts {
            let field = format!("{path}.{list}[{name}]");
            if let Some(why) = unusable(name, *amount) {
                problems.invalid(field, why);
            }
        }
    }
    whole_or_nothing(&path, &limits, &requests, problems);
    let has = |list: &Option<BTreeMap<String, Text>>| {
        let mut names = list.iter().flatten().map(|(name, _)| name.as_str());
        names.any(|name| matches!(name, "cpu" | "memory"))
    };
    let mut names = limits.keys().chain(requests.keys());
    let has_pages = names.any(|name| huge_page_size(name).is_some());
    if has_pages && !has(&resources.limits) && !has(&resources.requests) {
        problems.invalid(&path, "Forbidden: HugePages require cpu or memory");
    }
    Scalars {
        requests: units(&requests),
        limits: units(&limits),
    }
}

fn units(amounts: &BTreeMap<String, Quantity>) -> BTreeMap<String, u64> {
    let units = amounts.iter().map(|(name, amount)| {
        let units = u64::try_from(amount.units().max(0)).unwrap_or(u64::MAX);
        (name.clone(), units)
    });
    units.collect()
}

/// Why a container cannot ask for that much of that.
fn unusable(name: &str, amount: Quantity) -> Option<String> {
    if let Some(size) = huge_page_size(name) {
        let size = Quantity::parse(size).ok().filter(|size| size.millis() > 0);
        return match size {
            Some(size) if amount.millis() % size.millis() == 0 => None,
            Some(_) => Some("Invalid value: must be a multiple of the page size".to_owned()),
            None => Some(format!("Invalid value: {name:?}: is not a size of pages")),
        };
    }
    if name == EPHEMERAL_STORAGE {
        return None;
    }
    if !name.contains('/') {
        let message = "must be a standard resource for containers";
        return Some(format!("Invalid value: {name:?}: {message}"));
    }
    let is_whole = amount.millis() % 1000 == 0;
    (is_extended_resource(name) && !is_whole)
        .then(|| "Invalid value: must be an integer".to_owned())
}

/// What cannot be shared is asked for as much as it is limited.
fn whole_or_nothing(
    path: &str,
    limits: &BTreeMap<String, Quantity>,
    requests: &BTreeMap<String, Quantity>,
    problems: &mut Problems,
) {
    let is_shared = |name: &str| name == EPHEMERAL_STORAGE;
    for (name, request) in requests.iter().filter(|(name, _)| !is_shared(name)) {
        match limits.get(name) {
            Some(limit) if limit == request => {}
            Some(_) => {
                let message = format!("Invalid value: must be equal to {name} limit");
                problems.invalid(format!("{path}.requests"), message);
            }
            None => problems.invalid(
                format!("{path}.limits"),
                "Required value: Limit must be set for non overcommitable resources",
            ),
        }
    }
}

fn quantities<'a>(
    path: &str,
    texts: Option<&'a BTreeMap<String, Text>>,
    problems: &mut Problems,
) -> BTreeMap<&'a str, Quantity> {
    let texts = texts.into_iter().flatten();
    texts
        .filter_map(|(name, text)| {
            let quantity = quantity(&format!("{path}[{name}]"), &text.0, problems)?;
            Some((name.as_str(), quantity))
        })
        .collect()
}

/// A quantity that is not negative.
pub(super) fn quantity(field: &str, text: &str, problems: &mut Problems) -> Option<Quantity> {
    match Quantity::parse(text) {
        Ok(quantity) if quantity.millis() >= 0 => Some(quantity),
        Ok(_) => {
            let message = format!("Invalid value: {text:?}: must be greater than or equal to 0");
            problems.invalid(field, message);
            None
        }
        Err(error) => {
            problems.invalid(field, format!("Invalid value: {text:?}: {error}"));
            None
        }
    }
}

fn list(quantities: &BTreeMap<&str, Quantity>) -> ResourceList {
    // What no machine has is as much as one can have.
    let most = |value: i128| u64::try_from(value).unwrap_or(u64::MAX);
    ResourceList {
        cpu_millis: quantities.get("cpu").map(|cpu| most(cpu.millis())),
        memory_bytes: quantities.get("memory").map(|memory| most(memory.units())),
    }
}
