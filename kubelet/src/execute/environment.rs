//! The environment of a container: literals with `$(VAR)` expanded, fields of the pod, resources,
//! and what ConfigMaps, Secrets and files say.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::env_file;
use super::expand::expand;
use super::node::Allocatable;
use crate::cri;
use crate::model::{
    Amount, Container, EnvFrom, EnvValue, FileKey, KeyReference, NodeResource, Object, ObjectKey,
    Pod, Quantity, ResourceField,
};
use crate::store::LookupError;

/// What a container may ask of its pod and node.
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
    /// What the node has for pods.
    pub allocatable: Allocatable,
}

/// What was looked up for an environment before it is put together.
#[derive(Debug, Default)]
pub(crate) struct LookedUp {
    /// Every object that the container refers to.
    pub objects: BTreeMap<ObjectKey, Result<Object, LookupError>>,
    /// Every file that it refers to, by volume and path.
    pub files: BTreeMap<(String, String), FoundFile>,
    /// What is told of the services of a cluster, before everything else.
    pub services: Vec<(String, String)>,
}

/// A file on a volume.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Where it is on the host.
    pub path: PathBuf,
    /// What is in it.
    pub text: std::io::Result<String>,
}

/// Why an environment cannot be put together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EnvironmentError {
    /// A field of the pod that cannot be given to a container.
    #[error("environment variable {variable} asks for the field {path:?}, which is not supported")]
    UnknownField { variable: String, path: String },
    /// An object that is not to be had.
    #[error("{0}")]
    Object(String),
    /// An object without the key.
    #[error("couldn't find key {key} in {object}")]
    NoKey { key: String, object: ObjectKey },
    /// A volume that is not one of the pod's.
    #[error("cannot find the volume {0:?} referenced by FileKeyRef")]
    NoVolume(String),
    /// A file that is not there or has another form.
    #[error("couldn't parse env file: {0}")]
    File(String),
    /// A file without the name.
    #[error("environment variable key {key:?} not found in file {path:?}")]
    NotInFile { key: String, path: PathBuf },
}

/// The environment: first all keys of the objects in `envFrom`, then the variables of `env` in the
/// order of the manifest. A later variable sees the earlier ones, and the last one of a name wins.
pub(crate) fn environment(
    container: &Container,
    facts: Facts<'_>,
    looked_up: &LookedUp,
) -> Result<Vec<cri::EnvVar>, EnvironmentError> {
    let mut made = Vec::with_capacity(container.env.len());
    for (name, value) in &looked_up.services {
        set(&mut made, name.clone(), value.clone());
    }
    for from in &container.env_from {
        add_all(&mut made, from, facts.pod, looked_up)?;
    }
    for variable in &container.env {
        let value = match &variable.value {
            EnvValue::Literal(text) => Some(expand(text, |name| value_of(&made, name))),
            EnvValue::Field(path) => {
                let value = field(path, facts).ok_or_else(|| EnvironmentError::UnknownField {
                    variable: variable.name.clone(),
                    path: path.clone(),
                });
                Some(value?)
            }
            EnvValue::Resource(field) => Some(resource(field, facts.allocatable)),
            EnvValue::Key(of) => key(of, facts.pod, looked_up)?,
            EnvValue::FileKey(of) => file_key(of, looked_up)?,
        };
        // What is optional and not there is no variable at all.
        if let Some(value) = value {
            set(&mut made, variable.name.clone(), value);
        }
    }
    Ok(made)
}

fn set(made: &mut Vec<cri::EnvVar>, name: String, value: String) {
    made.retain(|earlier| earlier.name != name);
    made.push(cri::EnvVar { name, value });
}

fn add_all(
    made: &mut Vec<cri::EnvVar>,
    from: &EnvFrom,
    pod: &Pod,
    looked_up: &LookedUp,
) -> Result<(), EnvironmentError> {
    let name = ObjectKey::new(from.kind, &pod.name.namespace, &from.name);
    let Some(object) = object(&name, from.optional, looked_up)? else {
        return Ok(());
    };
    let mut add = |key: &str, value: String| set(made, format!("{}{key}", from.prefix), value);
    match object {
        Object::ConfigMap(map) => {
            for (key, text) in &map.data {
                add(key, text.clone());
            }
        }
        Object::Secret(secret) => {
            for (key, bytes) in &secret.data {
                add(key, text(bytes));
            }
        }
        // Other kinds have no keys, and the environment refers to none.
        Object::PersistentVolume(_)
        | Object::PersistentVolumeClaim(_)
        | Object::RuntimeClass(_)
        | Object::CsiDriver(_)
        | Object::Token(_)
        | Object::TrustBundle(_)
        | Object::TrustBundles(_)
        | Object::PodCertificate(_) => {}
    }
    Ok(())
}

/// The object, or nothing when it may be missing and is.
fn object<'a>(
    key: &ObjectKey,
    optional: bool,
    looked_up: &'a LookedUp,
) -> Result<Option<&'a Object>, EnvironmentError> {
    match looked_up.objects.get(key) {
        Some(Ok(object)) => Ok(Some(object)),
        Some(Err(LookupError::NotFound(_))) | None if optional => Ok(None),
        Some(Err(error)) => Err(EnvironmentError::Object(error.to_string())),
        None => Err(EnvironmentError::Object(format!("{key} was not looked up"))),
    }
}

fn key(
    of: &KeyReference,
    pod: &Pod,
    looked_up: &LookedUp,
) -> Result<Option<String>, EnvironmentError> {
    let name = ObjectKey::new(of.kind, &pod.name.namespace, &of.name);
    let Some(object) = object(&name, of.optional, looked_up)? else {
        return Ok(None);
    };
    let value = match object {
        Object::ConfigMap(map) => map.data.get(&of.key).cloned(),
        Object::Secret(secret) => secret.data.get(&of.key).map(|bytes| text(bytes)),
        Object::PersistentVolume(_)
        | Object::PersistentVolumeClaim(_)
        | Object::RuntimeClass(_)
        | Object::CsiDriver(_)
        | Object::Token(_)
        | Object::TrustBundle(_)
        | Object::TrustBundles(_)
        | Object::PodCertificate(_) => None,
    };
    match value {
        None if !of.optional => Err(EnvironmentError::NoKey {
            key: of.key.clone(),
            object: name,
        }),
        value => Ok(value),
    }
}

/// Variables are texts on the way to the runtime.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file_key(of: &FileKey, looked_up: &LookedUp) -> Result<Option<String>, EnvironmentError> {
    let place = (of.volume.clone(), of.path.clone());
    let Some(FoundFile { path, text }) = looked_up.files.get(&place) else {
        return Err(EnvironmentError::NoVolume(of.volume.clone()));
    };
    let in_file = |why: &dyn std::error::Error| EnvironmentError::File(why.to_string());
    let text = text.as_ref().map_err(|error| in_file(error))?;
    match env_file::value(text, &of.key).map_err(|error| in_file(&error))? {
        None if !of.optional => Err(EnvironmentError::NotInFile {
            key: of.key.clone(),
            path: path.clone(),
        }),
        value => Ok(value),
    }
}

/// A number of the field's divisor.
pub(super) fn resource(field: &ResourceField, allocatable: Allocatable) -> String {
    let amount = match field.amount {
        Amount::Declared(amount) => amount,
        Amount::Allocatable(NodeResource::Cpu) => Quantity::of_millis(allocatable.cpu_millis),
        Amount::Allocatable(NodeResource::Memory) => Quantity::of_units(allocatable.memory_bytes),
        Amount::Allocatable(NodeResource::EphemeralStorage) => {
            Quantity::of_units(allocatable.ephemeral_storage_bytes)
        }
    };
    amount.divided_by(field.divisor).to_string()
}

/// The texts with every variable of the environment expanded.
pub(crate) fn expand_all(texts: &[String], environment: &[cri::EnvVar]) -> Vec<String> {
    let lookup = |name: &str| value_of(environment, name);
    texts.iter().map(|text| expand(text, lookup)).collect()
}

pub(super) fn value_of<'a>(environment: &'a [cri::EnvVar], name: &str) -> Option<&'a str> {
    environment
        .iter()
        .find(|variable| variable.name == name)
        .map(|found| found.value.as_str())
}

pub(super) fn field(path: &str, facts: Facts<'_>) -> Option<String> {
    let pod = facts.pod;
    match path {
        "metadata.name" => Some(pod.name.name.to_string()),
        "metadata.namespace" => Some(pod.name.namespace.to_string()),
        "metadata.uid" => Some(pod.uid.to_string()),
        "spec.nodeName" => Some(facts.node_name.to_owned()),
        // A static pod has none.
        "spec.serviceAccountName" => {
            let spec = pod.manifest.spec.as_ref();
            let account = spec.and_then(|spec| spec.service_account_name.clone());
            Some(account.unwrap_or_default())
        }
        "status.podIP" => Some(first(&in_order(facts))),
        "status.podIPs" => Some(joined(&in_order(facts))),
        "status.hostIP" => Some(first(facts.host_ips)),
        "status.hostIPs" => Some(joined(facts.host_ips)),
        "metadata.labels" => Some(listed(&pod.labels)),
        "metadata.annotations" => Some(listed(&pod.annotations)),
        _ => keyed(path, "metadata.labels", &pod.labels)
            .or_else(|| keyed(path, "metadata.annotations", &pod.annotations)),
    }
}

/// One `key="value"` a line.
fn listed(map: &crate::model::StringMap) -> String {
    let lines = map
        .iter()
        .map(|(key, value)| format!("{key}={}", quoted(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A text as Go's programs quote it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0b' => quoted.push_str("\\v"),
            '\x0c' => quoted.push_str("\\f"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c != ' ' && (c.is_control() || c.is_whitespace()) => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// `metadata.labels['key']`; a key that is not there is empty.
fn keyed(path: &str, field: &str, map: &crate::model::StringMap) -> Option<String> {
    let key = path
        .strip_prefix(field)?
        .strip_prefix("['")?
        .strip_suffix("']")?;
    Some(map.get(key).cloned().unwrap_or_default())
}

/// The pod's addresses, those of the node's own family first.
fn in_order(facts: Facts<'_>) -> Vec<IpAddr> {
    let is_own = |ip: &IpAddr| {
        facts
            .host_ips
            .first()
            .is_none_or(|host| host.is_ipv4() == ip.is_ipv4())
    };
    let (own, other): (Vec<_>, Vec<_>) = facts.pod_ips.iter().copied().partition(is_own);
    own.into_iter().chain(other).collect()
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

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
