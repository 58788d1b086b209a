//! The environment of a container: literals with `$(VAR)` expanded, and fields of the pod.

#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

use super::expand::expand;
use crate::cri;
use crate::model::{Container, EnvValue, Pod};

/// What a container may ask of its pod and node through `fieldRef`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The pod's addresses, the primary first.
    pub pod_ips: &'a [IpAddr],
    /// The node's name.
    pub node_name: &'a str,
    /// The node's addresses, the primary first.
    pub host_ips: &'a [IpAddr],
}

/// A field of the pod that cannot be given to a container.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("environment variable {variable} asks for the field {path:?}, which is not supported")]
pub(crate) struct UnknownField {
    variable: String,
    path: String,
}

/// The environment in the order of the manifest: a later variable sees the earlier ones, and the
/// last one of a name wins.
pub(crate) fn environment(
    container: &Container,
    facts: Facts<'_>,
) -> Result<Vec<cri::EnvVar>, UnknownField> {
    let mut made: Vec<cri::EnvVar> = Vec::with_capacity(container.env.len());
    for variable in &container.env {
        let value = match &variable.value {
            EnvValue::Literal(text) => expand(text, |name| value_of(&made, name)),
            EnvValue::Field(path) => field(path, facts).ok_or_else(|| UnknownField {
                variable: variable.name.clone(),
                path: path.clone(),
            })?,
        };
        made.retain(|earlier| earlier.name != variable.name);
        made.push(cri::EnvVar {
            name: variable.name.clone(),
            value,
        });
    }
    Ok(made)
}

/// The texts with every variable of the environment expanded.
pub(crate) fn expand_all(texts: &[String], environment: &[cri::EnvVar]) -> Vec<String> {
    let lookup = |name: &str| value_of(environment, name);
    texts.iter().map(|text| expand(text, lookup)).collect()
}

fn value_of<'a>(environment: &'a [cri::EnvVar], name: &str) -> Option<&'a str> {
    environment
        .iter()
        .find(|variable| variable.name == name)
        .map(|found| found.value.as_str())
}

fn field(path: &str, facts: Facts<'_>) -> Option<String> {
    let pod = facts.pod;
    match path {
        "metadata.name" => Some(pod.name.name.to_string()),
        "metadata.namespace" => Some(pod.name.namespace.to_string()),
        "metadata.uid" => Some(pod.uid.to_string()),
        "spec.nodeName" => Some(facts.node_name.to_owned()),
        // A static pod has no service account.
        "spec.serviceAccountName" => Some(String::new()),
        "status.podIP" => Some(first(facts.pod_ips)),
        "status.podIPs" => Some(joined(facts.pod_ips)),
        "status.hostIP" => Some(first(facts.host_ips)),
        "status.hostIPs" => Some(joined(facts.host_ips)),
        _ => keyed(path, "metadata.labels", &pod.labels)
            .or_else(|| keyed(path, "metadata.annotations", &pod.annotations)),
    }
}

/// `metadata.labels['key']`; a key that is not there is empty.
fn keyed(path: &str, field: &str, map: &crate::model::StringMap) -> Option<String> {
    let key = path
        .strip_prefix(field)?
        .strip_prefix("['")?
        .strip_suffix("']")?;
    Some(map.get(key).cloned().unwrap_or_default())
}

fn first(ips: &[IpAddr]) -> String {
    ips.first().map_or_else(String::new, IpAddr::to_string)
}

fn joined(ips: &[IpAddr]) -> String {
    ips.iter()
        .map(IpAddr::to_string)
        .collect::<Vec<_>>()
        .join(",")
}
