//! Room that outlives pods, and claims for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use crate::model::{
    AccessMode, ClaimName, LabelRequirement, LabelSelector, Object, ObjectKey, ObjectKind,
    PersistentSource, PersistentVolume, PersistentVolumeClaim, Quantity, VolumeMode,
};
use crate::source::manifest::Invalid;
use crate::source::problem::Problems;

use super::csi;
use super::in_tree;
use super::object::checked;
use super::resources::quantity;
use super::volume::{HOST_PATH_KINDS, has_dots};

const ACCESS_MODES: &[(&str, AccessMode)] = &[
    ("ReadWriteOnce", AccessMode::ReadWriteOnce),
    ("ReadOnlyMany", AccessMode::ReadOnlyMany),
    ("ReadWriteMany", AccessMode::ReadWriteMany),
    ("ReadWriteOncePod", AccessMode::ReadWriteOncePod),
];

/// The volume, or all that is wrong with it.
pub(super) fn volume(volume: core::PersistentVolume) -> Result<(ObjectKey, Object), Invalid> {
    checked(ObjectKind::PersistentVolume, &volume.metadata, |problems| {
        let spec = volume.spec.clone().unwrap_or_default();
        let modes = spec.access_modes.as_deref();
        let claim = spec.claim_ref.as_ref().map(|claim| ClaimName {
            namespace: claim.namespace.clone().unwrap_or_default(),
            name: claim.name.clone().unwrap_or_default(),
        });
        let nodes = spec.node_affinity.as_ref();
        let nodes = nodes.and_then(|affinity| affinity.required.as_ref());
        let plain = PersistentVolume {
            name: volume.metadata.name.clone().unwrap_or_default(),
            labels: volume.metadata.labels.clone().unwrap_or_default(),
            capacity: storage("spec.capacity", spec.capacity.as_ref(), problems),
            access_modes: access_modes(modes, problems),
            first_access_mode: modes.and_then(first_access_mode),
            mode: mode(spec.volume_mode.as_deref(), problems),
            mount_options: spec.mount_options.clone().unwrap_or_default(),
            storage_class: spec.storage_class_name.clone().unwrap_or_default(),
            claim,
            nodes: nodes.map(|selector| nodes_of(selector, problems)),
            source: source(&spec, problems),
        };
        let volume = in_tree::persistent(&volume, plain, problems);
        Object::PersistentVolume(Arc::new(volume))
    })
}

/// The claim, or all that is wrong with it.
pub(super) fn claim(claim: core::PersistentVolumeClaim) -> Result<(ObjectKey, Object), Invalid> {
    let kind = ObjectKind::PersistentVolumeClaim;
    checked(kind, &claim.metadata, |problems| {
        let spec = claim.spec.clone().unwrap_or_default();
        let resources = spec.resources.unwrap_or_default();
        Object::PersistentVolumeClaim(Arc::new(PersistentVolumeClaim {
            volume: spec.volume_name.filter(|name| !name.is_empty()),
            is_bound: false,
            access_modes: access_modes(spec.access_modes.as_deref(), problems),
            mode: mode(spec.volume_mode.as_deref(), problems),
            owner: owner(&claim.metadata),
            request: storage(
                "spec.resources.requests",
                resources.requests.as_ref(),
                problems,
            ),
            storage_class: spec.storage_class_name.unwrap_or_default(),
            selector: selector("spec.selector", spec.selector, problems),
        }))
    })
}

fn mode(mode: Option<&str>, problems: &mut Problems) -> VolumeMode {
    let words = [VolumeMode::Filesystem, VolumeMode::Block].map(|one| (one.as_str(), one));
    match mode.unwrap_or_default() {
        "" => VolumeMode::default(),
        word => problems
            .word("spec.volumeMode", word, &words)
            .unwrap_or_default(),
    }
}

/// What controls it.
fn owner(metadata: &meta::ObjectMeta) -> Option<String> {
    let mut owners = metadata.owner_references.iter().flatten();
    let owner = owners.find(|one| one.controller == Some(true))?;
    Some(owner.uid.clone())
}

fn first_access_mode(modes: &[String]) -> Option<AccessMode> {
    let first = modes.first()?;
    let mut known = ACCESS_MODES.iter();
    known.find(|(word, _)| word == first).map(|(_, mode)| *mode)
}

fn storage(
    field: &str,
    amounts: Option<&BTreeMap<String, Text>>,
    problems: &mut Problems,
) -> Quantity {
    let field = format!("{field}[storage]");
    match amounts.and_then(|amounts| amounts.get("storage")) {
        Some(text) => quantity(&field, &text.0, problems).unwrap_or(Quantity::ZERO),
        None => {
            problems.required(field);
            Quantity::ZERO
        }
    }
}

fn access_modes(modes: Option<&[String]>, problems: &mut Problems) -> BTreeSet<AccessMode> {
    let modes = modes.unwrap_or_default();
    if modes.is_empty() {
        problems.required("spec.accessModes");
    }
    let modes = modes.iter().enumerate();
    modes
        .filter_map(|(index, mode)| {
            problems.word(format!("spec.accessModes[{index}]"), mode, ACCESS_MODES)
        })
        .collect()
}

fn source(spec: &core::PersistentVolumeSpec, problems: &mut Problems) -> PersistentSource {
    if let Some(host) = &spec.host_path {
        path("spec.hostPath.path", &host.path, problems);
        let kind = host.type_.as_deref().unwrap_or_default();
        return PersistentSource::HostPath {
            path: host.path.clone(),
            kind: problems
                .word("spec.hostPath.type", kind, HOST_PATH_KINDS)
                .unwrap_or_default(),
        };
    }
    if let Some(local) = &spec.local {
        path("spec.local.path", &local.path, problems);
        if spec.node_affinity.is_none() {
            let message = "Required value: Local volume requires node affinity";
            problems.invalid("spec.nodeAffinity", message);
        }
        return PersistentSource::Local {
            path: local.path.clone(),
        };
    }
    if let Some(csi) = &spec.csi {
        return PersistentSource::Csi(Box::new(csi::source(csi, problems)));
    }
    let kind = kind(spec);
    if kind.is_empty() {
        problems.invalid("spec", "Required value: must specify a volume type");
    }
    PersistentSource::NotHandled { kind }
}

/// The manifest's name of what else the volume is.
fn kind(spec: &core::PersistentVolumeSpec) -> String {
    const OTHERS: [&str; 8] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeMode",
    ];
    let value = serde_json::to_value(spec).unwrap_or_default();
    let fields = value.as_object().into_iter().flatten();
    let mut kinds = fields.map(|(key, _)| key).filter(|key| {
        !OTHERS.contains(&key.as_str()) && key.as_str() != "volumeAttributesClassName"
    });
    kinds.next().cloned().unwrap_or_default()
}

fn path(field: &str, path: &str, problems: &mut Problems) {
    if path.is_empty() {
        problems.required(field);
    } else if !path.starts_with('/') || has_dots(path) {
        let message = "Invalid value: must be an absolute path without '..'";
        problems.invalid(field, message);
    }
}

/// What labels must be; nothing is asked of them when nothing is said.
pub(super) fn selector(
    field: &str,
    selector: Option<meta::LabelSelector>,
    problems: &mut Problems,
) -> LabelSelector {
    let selector = selector.unwrap_or_default();
    let labels = selector.match_labels.unwrap_or_default().into_iter();
    let mut all: Vec<_> = labels
        .map(|(key, value)| LabelRequirement::In(key, vec![value]))
        .collect();
    let expressions = selector.match_expressions.unwrap_or_default();
    for (index, one) in expressions.into_iter().enumerate() {
        let field = format!("{field}.matchExpressions[{index}].operator");
        let values = one.values.unwrap_or_default();
        all.extend(requirement(
            &field,
            one.key,
            &one.operator,
            values,
            problems,
        ));
    }
    LabelSelector(all)
}

fn nodes_of(selector: &core::NodeSelector, problems: &mut Problems) -> Vec<Vec<LabelRequirement>> {
    let terms = selector.node_selector_terms.iter().enumerate();
    terms
        .map(|(index, term)| {
            let expressions = term.match_expressions.iter().flatten().enumerate();
            expressions
                .filter_map(|(at, one)| {
                    let field = format!(
                        "spec.nodeAffinity.required.nodeSelectorTerms[{index}].\
                         matchExpressions[{at}].operator"
                    );
                    let values = one.values.clone().unwrap_or_default();
                    requirement(&field, one.key.clone(), &one.operator, values, problems)
                })
                .collect()
        })
        .collect()
}

fn requirement(
    field: &str,
    key: String,
    operator: &str,
    values: Vec<String>,
    problems: &mut Problems,
) -> Option<LabelRequirement> {
    match operator {
        "In" => Some(LabelRequirement::In(key, values)),
        "NotIn" => Some(LabelRequirement::NotIn(key, values)),
        "Exists" => Some(LabelRequirement::Exists(key)),
        "DoesNotExist" => Some(LabelRequirement::DoesNotExist(key)),
        other => {
            let known = ["In", "NotIn", "Exists", "DoesNotExist"];
            problems.unsupported(field, other, &known);
            None
        }
    }
}
