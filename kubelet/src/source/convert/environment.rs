//! The environment of a container.

use k8s_openapi::api::core::v1 as core;

use crate::model::{
    Amount, EnvFrom, EnvValue, EnvVar, FileKey, KeyReference, NodeResource, ObjectKind, Quantity,
    ResourceField,
};
use crate::source::problem::Problems;

use super::object::key_name;
use super::resources::quantity;
use super::volume::has_dots;

/// Fields of a pod that an environment variable may show.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What a container asks for or may use, as variables and files may show it.
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const CPU_DIVISORS: &[&str] = &["1m", "1"];
const DIVISORS: &[&str] = &[
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

pub(super) fn env_from(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Vec<EnvFrom> {
    let sources = container.env_from.iter().flatten().enumerate();
    sources
        .filter_map(|(index, source)| {
            let path = format!("{path}.envFrom[{index}]");
            let prefix = source.prefix.clone().unwrap_or_default();
            if !prefix.chars().all(is_allowed) {
                unprintable(format!("{path}.prefix"), &prefix, problems);
            }
            let (kind, field, name, optional) = match (&source.config_map_ref, &source.secret_ref) {
                (Some(map), None) => (
                    ObjectKind::ConfigMap,
                    "configMapRef",
                    &map.name,
                    map.optional,
                ),
                (None, Some(secret)) => (
                    ObjectKind::Secret,
                    "secretRef",
                    &secret.name,
                    secret.optional,
                ),
                (None, None) => {
                    let message =
                        "Invalid value: must specify one of: `configMapRef` or `secretRef`";
                    problems.invalid(path, message);
                    return None;
                }
                (Some(_), Some(_)) => {
                    let message =
                        "Invalid value: may not have more than one field specified at a time";
                    problems.invalid(path, message);
                    return None;
                }
            };
            object_name(&format!("{path}.{field}.name"), name, problems);
            Some(EnvFrom {
                kind,
                name: name.clone(),
                prefix,
                optional: optional == Some(true),
            })
        })
        .collect()
}

pub(super) fn environment(
    path: &str,
    container: &core::Container,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Vec<EnvVar> {
    let variables = container.env.iter().flatten().enumerate();
    variables
        .filter_map(|(index, variable)| {
            let path = format!("{path}.env[{index}]");
            name(&format!("{path}.name"), &variable.name, problems);
            let value = value(&path, variable, container, spec, problems)?;
            Some(EnvVar {
                name: variable.name.clone(),
                value,
            })
        })
        .collect()
}

fn is_allowed(c: char) -> bool {
    (' '..='~').contains(&c) && c != '='
}

fn name(field: &str, name: &str, problems: &mut Problems) {
    if name.is_empty() {
        problems.required(field);
    } else if !name.chars().all(is_allowed) {
        unprintable(field.to_owned(), name, problems);
    }
}

fn unprintable(field: String, text: &str, problems: &mut Problems) {
    let message =
        format!("Invalid value: {text:?}: must be printable ASCII characters other than '='");
    problems.invalid(field, message);
}

fn value(
    path: &str,
    variable: &core::EnvVar,
    container: &core::Container,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Option<EnvValue> {
    let value = variable.value.clone().unwrap_or_default();
    let Some(from) = &variable.value_from else {
        return Some(EnvValue::Literal(value));
    };
    let path = format!("{path}.valueFrom");
    if !value.is_empty() {
        let message = "Invalid value: may not be specified when `value` is not empty";
        problems.invalid(&path, message);
    }
    if sources(from) != 1 {
        let message = match sources(from) {
            0 => {
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
                  `secretKeyRef` or `fileKeyRef`"
            }
            _ => "may not have more than one field specified at a time",
        };
        problems.invalid(path, format!("Invalid value: {message}"));
        return None;
    }
    if let Some(field) = &from.field_ref {
        return Some(field_of_pod(&path, field, problems));
    }
    if let Some(resource) = &from.resource_field_ref {
        let path = format!("{path}.resourceFieldRef");
        return resource_field(&path, resource, Some(container), spec, problems)
            .map(EnvValue::Resource);
    }
    if let Some(map) = &from.config_map_key_ref {
        let path = format!("{path}.configMapKeyRef");
        let of = key(&path, ObjectKind::ConfigMap, &map.name, &map.key, problems);
        let optional = map.optional == Some(true);
        return Some(EnvValue::Key(KeyReference { optional, ..of }));
    }
    if let Some(secret) = &from.secret_key_ref {
        let path = format!("{path}.secretKeyRef");
        let of = key(
            &path,
            ObjectKind::Secret,
            &secret.name,
            &secret.key,
            problems,
        );
        let optional = secret.optional == Some(true);
        return Some(EnvValue::Key(KeyReference { optional, ..of }));
    }
    let file = from.file_key_ref.as_ref()?;
    Some(EnvValue::FileKey(file_key(
        &format!("{path}.fileKeyRef"),
        file,
        spec,
        problems,
    )))
}

fn sources(from: &core::EnvVarSource) -> usize {
    [
        from.field_ref.is_some(),
        from.resource_field_ref.is_some(),
        from.config_map_key_ref.is_some(),
        from.secret_key_ref.is_some(),
        from.file_key_ref.is_some(),
    ]
    .into_iter()
    .filter(|is_set| *is_set)
    .count()
}

fn field_of_pod(
    path: &str,
    field: &core::ObjectFieldSelector,
    problems: &mut Problems,
) -> EnvValue {
    let known = is_subscripted(&field.field_path) || FIELDS.contains(&field.field_path.as_str());
    if !known {
        let field_path = format!("{path}.fieldRef.fieldPath");
        problems.unsupported(field_path, &field.field_path, FIELDS);
    }
    EnvValue::Field(field.field_path.clone())
}

/// `metadata.labels['key']` or `metadata.annotations['key']`.
pub(super) fn is_subscripted(path: &str) -> bool {
    let rest = path
        .strip_prefix("metadata.labels['")
        .or_else(|| path.strip_prefix("metadata.annotations['"));
    rest.and_then(|rest| rest.strip_suffix("']"))
        .is_some_and(|key| !key.is_empty())
}

/// A key that must be there.
fn key(
    path: &str,
    kind: ObjectKind,
    name: &str,
    key: &str,
    problems: &mut Problems,
) -> KeyReference {
    object_name(&format!("{path}.name"), name, problems);
    if key.is_empty() {
        problems.required(format!("{path}.key"));
    } else {
        key_name(format!("{path}.key"), key, problems);
    }
    KeyReference {
        kind,
        name: name.to_owned(),
        key: key.to_owned(),
        optional: false,
    }
}

/// Checks the name of an object that is referred to.
pub(super) fn object_name(field: &str, name: &str, problems: &mut Problems) {
    if name.is_empty() {
        problems.required(field);
    } else {
        problems.dns_subdomain(field, name);
    }
}

/// Only a volume that containers write and nobody else has lines for a container.
fn file_key(
    path: &str,
    file: &core::FileKeySelector,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> FileKey {
    name(&format!("{path}.key"), &file.key, problems);
    if file.path.is_empty() {
        problems.required(format!("{path}.path"));
    } else if file.path.starts_with('/') || has_dots(&file.path) {
        let message = "Invalid value: must be a relative path without '..'";
        problems.invalid(format!("{path}.path"), message);
    }
    let field = format!("{path}.volumeName");
    let volume = spec
        .volumes
        .iter()
        .flatten()
        .find(|volume| volume.name == file.volume_name);
    match volume {
        _ if file.volume_name.is_empty() => problems.required(field),
        None => problems.invalid(field, format!("Not found: {:?}", file.volume_name)),
        Some(volume) if volume.empty_dir.is_none() => {
            problems.invalid(
                field,
                "Invalid value: referenced volume must be of type emptyDir",
            );
        }
        Some(_) => {}
    }
    FileKey {
        volume: file.volume_name.clone(),
        path: file.path.clone(),
        key: file.key.clone(),
        optional: file.optional == Some(true),
    }
}

/// How much a container asks for or may use; `own` is the container that asks, if one does.
pub(super) fn resource_field(
    path: &str,
    field: &core::ResourceFieldSelector,
    own: Option<&core::Container>,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Option<ResourceField> {
    let of_pages = |prefix| field.resource.strip_prefix(prefix);
    let is_pages = of_pages("limits.hugepages-").or(of_pages("requests.hugepages-"));
    if !RESOURCES.contains(&field.resource.as_str()) && is_pages.is_none() {
        problems.unsupported(format!("{path}.resource"), &field.resource, RESOURCES);
        return None;
    }
    let divisor = divisor(path, field, problems)?;
    let subject = subject(path, field, own, spec, problems)?;
    let (list, name) = field.resource.split_once('.')?;
    let amount = declared(list, name, subject.container.resources.as_ref())
        .or_else(|| subject.limit_of_pod(list, name, spec))
        .map(Amount::Declared)
        .or_else(|| subject.default(list, name));
    let nothing = Amount::Declared(Quantity::ZERO);
    Some(ResourceField {
        amount: amount.unwrap_or(nothing),
        divisor,
    })
}

fn divisor(
    path: &str,
    field: &core::ResourceFieldSelector,
    problems: &mut Problems,
) -> Option<Quantity> {
    let text = field.divisor.as_ref().map_or("", |divisor| &divisor.0);
    if matches!(text, "" | "0") {
        return Some(Quantity::ONE);
    }
    let known = match field.resource.as_str() {
        "limits.cpu" | "requests.cpu" => CPU_DIVISORS,
        _ => DIVISORS,
    };
    let path = format!("{path}.divisor");
    let divisor = quantity(&path, text, problems)?;
    if !known.iter().any(|one| Quantity::parse(one) == Ok(divisor)) {
        problems.unsupported(path, text, known);
    }
    Some(divisor)
}

/// The container whose resources are asked for.
struct Subject<'a> {
    container: &'a core::Container,
    /// Whether it may use all that the node has, when it has no limit.
    takes_all: bool,
}

impl Subject<'_> {
    /// Without a limit of its own it may use what its pod may.
    fn limit_of_pod(&self, list: &str, name: &str, spec: &core::PodSpec) -> Option<Quantity> {
        let is_asked = self.takes_all && list == "limits" && matches!(name, "cpu" | "memory");
        is_asked
            .then(|| declared(list, name, spec.resources.as_ref()))
            .flatten()
    }

    fn default(&self, list: &str, name: &str) -> Option<Amount> {
        let resource = match name {
            "cpu" => NodeResource::Cpu,
            "memory" => NodeResource::Memory,
            "ephemeral-storage" => NodeResource::EphemeralStorage,
            _ => return None,
        };
        (list == "limits" && self.takes_all).then_some(Amount::Allocatable(resource))
    }
}

fn subject<'a>(
    path: &str,
    field: &core::ResourceFieldSelector,
    own: Option<&'a core::Container>,
    spec: &'a core::PodSpec,
    problems: &mut Problems,
) -> Option<Subject<'a>> {
    let name = field.container_name.as_deref().unwrap_or_default();
    if name.is_empty() {
        if own.is_none() {
            problems.required(format!("{path}.containerName"));
        }
        return own.map(|container| Subject {
            container,
            takes_all: true,
        });
    }
    let is_it = |container: &&core::Container| container.name == name;
    let init = spec.init_containers.as_deref().unwrap_or_default();
    if let Some(container) = spec.containers.iter().find(is_it) {
        return Some(Subject {
            container,
            takes_all: true,
        });
    }
    let Some(container) = init.iter().find(is_it) else {
        problems.invalid(
            format!("{path}.containerName"),
            format!("Not found: {name:?}"),
        );
        return None;
    };
    Some(Subject {
        container,
        takes_all: false,
    })
}

/// What is not a quantity is told of where it stands.
fn declared(
    list: &str,
    name: &str,
    resources: Option<&core::ResourceRequirements>,
) -> Option<Quantity> {
    let resources = resources?;
    let list = match list {
        "limits" => resources.limits.as_ref(),
        _ => resources.requests.as_ref(),
    };
    let text = list?.get(name)?;
    Quantity::parse(&text.0)
        .ok()
        .filter(|quantity| *quantity != Quantity::ZERO)
}
