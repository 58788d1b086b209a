//! Objects that pods refer to.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::credential::{read_cfg, read_json};
use crate::model::{ConfigMap, Object, ObjectKey, ObjectKind, Secret};
use crate::source::Problem;
use crate::source::decode::Written;
use crate::source::manifest::Invalid;
use crate::source::problem::Problems;

use super::{csi, persistent, resources, trust};

/// What an API server stores of one object at most.
const MOST_BYTES: usize = 1 << 20;

/// The object, or all that is wrong with it. Pods are none.
pub(in crate::source) fn object(written: Written) -> Result<(ObjectKey, Object), Invalid> {
    match written {
        Written::ConfigMap(map) => config_map(map),
        Written::Secret(one) => secret(one),
        Written::PersistentVolume(volume) => persistent::volume(*volume),
        Written::PersistentVolumeClaim(claim) => persistent::claim(*claim),
        Written::RuntimeClass(class) => runtime_class(*class),
        Written::CsiDriver(driver) => csi::driver(*driver),
        Written::ClusterTrustBundle(bundle) => trust::bundle(*bundle),
        Written::Pod(pod) => {
            let problem = Problem {
                field: "kind".to_owned(),
                message: "a Pod is no object that pods refer to".to_owned(),
            };
            let name = pod.metadata.name.unwrap_or_default();
            Err((format!("pod {name:?}"), vec![problem]))
        }
    }
}

/// An object of an API server, which has checked what it has; or why it is of no use here.
pub fn read_object(kind: ObjectKind, object: Value) -> Result<Object, String> {
    let written = match kind {
        ObjectKind::ConfigMap => serde_json::from_value(object).map(Written::ConfigMap),
        ObjectKind::Secret => serde_json::from_value(object).map(Written::Secret),
        ObjectKind::PersistentVolume => {
            serde_json::from_value(object).map(|one| Written::PersistentVolume(Box::new(one)))
        }
        ObjectKind::PersistentVolumeClaim => {
            serde_json::from_value(object).map(|one| Written::PersistentVolumeClaim(Box::new(one)))
        }
        ObjectKind::RuntimeClass => {
            serde_json::from_value(object).map(|one| Written::RuntimeClass(Box::new(one)))
        }
        ObjectKind::CsiDriver => {
            serde_json::from_value(object).map(|one| Written::CsiDriver(Box::new(one)))
        }
        ObjectKind::ClusterTrustBundle => {
            serde_json::from_value(object).map(|one| Written::ClusterTrustBundle(Box::new(one)))
        }
        ObjectKind::ServiceAccountToken | ObjectKind::PodCertificate => {
            return Err(format!("a {} is no object", kind.as_str()));
        }
    };
    let written = written.map_err(|error| error.to_string())?;
    let read = self::object(written).map_err(|(what, problems)| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        format!("{what} is of no use: {}", problems.join("; "))
    });
    read.map(|(_, object)| object)
}

fn runtime_class(class: RuntimeClass) -> Result<(ObjectKey, Object), Invalid> {
    checked(ObjectKind::RuntimeClass, &class.metadata, |problems| {
        match class.handler.as_str() {
            "" => problems.required("handler"),
            name => problems.dns_label("handler", name),
        }
        let overhead = class.overhead.clone().and_then(|one| one.pod_fixed);
        let overhead = overhead.unwrap_or_default();
        resources::overhead("overhead.podFixed", &overhead, problems);
        let overhead = overhead.into_iter().map(|(name, amount)| (name, amount.0));
        Object::RuntimeClass(Arc::new(crate::model::RuntimeClass {
            handler: class.handler.clone(),
            overhead: overhead.collect(),
        }))
    })
}

/// The ConfigMap, or all that is wrong with it.
fn config_map(map: core::ConfigMap) -> Result<(ObjectKey, Object), Invalid> {
    let data = map.data.unwrap_or_default();
    let binary_data = bytes(map.binary_data);
    checked(ObjectKind::ConfigMap, &map.metadata, |problems| {
        keys("data", data.keys(), problems);
        keys("binaryData", binary_data.keys(), problems);
        for key in binary_data.keys().filter(|key| data.contains_key(*key)) {
            let message = "Invalid value: duplicate of key present in data";
            problems.invalid(format!("data[{key}]"), message);
        }
        let texts = data.values().map(String::len);
        size(texts.chain(binary_data.values().map(Vec::len)), problems);
        Object::ConfigMap(Arc::new(ConfigMap { data, binary_data }))
    })
}

/// The Secret, or all that is wrong with it. What stands in `stringData` goes before `data`.
fn secret(secret: core::Secret) -> Result<(ObjectKey, Object), Invalid> {
    let mut data = bytes(secret.data);
    let texts = secret.string_data.unwrap_or_default().into_iter();
    data.extend(texts.map(|(key, text)| (key, text.into_bytes())));
    let kind = secret.type_.unwrap_or_else(|| "Opaque".to_owned());
    let uid = secret.metadata.uid.clone().unwrap_or_default();
    checked(ObjectKind::Secret, &secret.metadata, |problems| {
        keys("data", data.keys(), problems);
        size(data.values().map(Vec::len), problems);
        logins(&kind, &data, problems);
        Object::Secret(Arc::new(Secret { uid, kind, data }))
    })
}

/// Logins are there and can be read.
fn logins(kind: &str, data: &BTreeMap<String, Vec<u8>>, problems: &mut Problems) {
    let key = match kind {
        Secret::DOCKER_CONFIG_JSON => Secret::DOCKER_CONFIG_JSON_KEY,
        Secret::DOCKER_CFG => Secret::DOCKER_CFG_KEY,
        _ => return,
    };
    let field = format!("data[{key}]");
    let Some(bytes) = data.get(key) else {
        return problems.required(field);
    };
    let read = match kind {
        Secret::DOCKER_CFG => read_cfg(bytes),
        _ => read_json(bytes),
    };
    if let Err(error) = read {
        let message = format!("Invalid value: \"<secret contents redacted>\": {error}");
        problems.invalid(field, message);
    }
}

pub(super) fn checked(
    kind: ObjectKind,
    metadata: &ObjectMeta,
    convert: impl FnOnce(&mut Problems) -> Object,
) -> Result<(ObjectKey, Object), Invalid> {
    let mut problems = Problems::default();
    let name = metadata.name.as_deref().unwrap_or_default();
    match name {
        "" => problems.required("metadata.name"),
        name => problems.dns_subdomain("metadata.name", name),
    }
    let namespace = match kind {
        ObjectKind::PersistentVolume | ObjectKind::RuntimeClass | ObjectKind::CsiDriver => "",
        ObjectKind::ServiceAccountToken
        | ObjectKind::ClusterTrustBundle
        | ObjectKind::PodCertificate => "",
        ObjectKind::ConfigMap | ObjectKind::Secret | ObjectKind::PersistentVolumeClaim => {
            let written = metadata.namespace.as_deref().unwrap_or_default();
            let namespace = if written.is_empty() {
                "default"
            } else {
                written
            };
            problems.dns_label("metadata.namespace", namespace);
            namespace
        }
    };
    let object = convert(&mut problems);
    if problems.0.is_empty() {
        Ok((ObjectKey::new(kind, namespace, name), object))
    } else {
        Err((format!("{} {name:?}", kind.as_str()), problems.0))
    }
}

fn bytes(data: Option<BTreeMap<String, ByteString>>) -> BTreeMap<String, Vec<u8>> {
    let data = data.unwrap_or_default().into_iter();
    data.map(|(key, bytes)| (key, bytes.0)).collect()
}

/// A key becomes the name of a file.
fn keys<'a>(field: &str, keys: impl Iterator<Item = &'a String>, problems: &mut Problems) {
    for key in keys {
        key_name(format!("{field}[{key}]"), key, problems);
    }
}

/// Checks a key of a ConfigMap or a Secret.
pub(super) fn key_name(field: String, key: &str, problems: &mut Problems) {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_plain = key.len() <= 253 && key.bytes().all(is_allowed);
    if !is_plain || key.is_empty() || key == "." || key.starts_with("..") {
        let message = format!(
            "Invalid value: {key:?}: a valid config key must consist of at most 253 alphanumeric \
             characters, '-', '_' or '.', and not begin with '..'"
        );
        problems.invalid(field, message);
    }
}

fn size(lengths: impl Iterator<Item = usize>, problems: &mut Problems) {
    if lengths.sum::<usize>() > MOST_BYTES {
        let message = format!("Too long: must have at most {MOST_BYTES} bytes");
        problems.invalid("data", message);
    }
}
