//! What a container asks for and what it may use.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use crate::model::{Quantity, Requirements, ResourceList};
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
