//! The mirror pod of a static pod: what the API server is shown of it. Pure.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{HASH, MIRROR, annotation};

/// What is known of the node that a mirror pod belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) uid: String,
}

/// The mirror pod of a static pod of this node.
pub(super) fn mirror(pod: &core::Pod, node: &Owner) -> core::Pod {
    let mut annotations = pod.metadata.annotations.clone().unwrap_or_default();
    if let Some(hash) = annotation(pod, HASH) {
        annotations.insert(MIRROR.to_owned(), hash.to_owned());
    }
    core::Pod {
        metadata: ObjectMeta {
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            labels: pod.metadata.labels.clone(),
            annotations: Some(annotations),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Node".to_owned(),
                name: node.name.clone(),
                uid: node.uid.clone(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        },
        spec: pod.spec.clone(),
        status: None,
    }
}

/// Whether `mirror` shows this version of a static pod.
pub(super) fn shows(mirror: &core::Pod, pod: &core::Pod) -> bool {
    let shown = annotation(mirror, MIRROR);
    shown.is_some()
        && shown == annotation(pod, HASH)
        && mirror.metadata.deletion_timestamp.is_none()
}
