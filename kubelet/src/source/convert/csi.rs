//! CSI drivers and their volumes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::storage::v1::CSIDriver;

use crate::model::{
    CsiDriver, CsiSource, DriverToken, FsGroupPolicy, InlineCsi, Migrated, Object, ObjectKey,
    ObjectKind, SecretName, VolumeLifecycle,
};
use crate::source::manifest::Invalid;
use crate::source::problem::Problems;

use super::object::checked;

const FS_GROUP_POLICIES: &[(&str, FsGroupPolicy)] = &[
    (
        "ReadWriteOnceWithFSType",
        FsGroupPolicy::ReadWriteOnceWithFsType,
    ),
    ("File", FsGroupPolicy::File),
    ("None", FsGroupPolicy::None),
];

const LIFECYCLES: &[(&str, VolumeLifecycle)] = &[
    ("Persistent", VolumeLifecycle::Persistent),
    ("Ephemeral", VolumeLifecycle::Ephemeral),
];

/// How long a token is good that says nothing of it.
const TOKEN_SECONDS: u64 = 3600;

/// The driver, or all that is wrong with it.
pub(super) fn driver(driver: CSIDriver) -> Result<(ObjectKey, Object), Invalid> {
    checked(ObjectKind::CsiDriver, &driver.metadata, |problems| {
        let spec = &driver.spec;
        let policy = spec.fs_group_policy.as_deref().unwrap_or_default();
        let policy = match policy {
            "" => None,
            policy => problems.word("spec.fsGroupPolicy", policy, FS_GROUP_POLICIES),
        };
        Object::CsiDriver(Arc::new(CsiDriver {
            attach_required: spec.attach_required,
            pod_info_on_mount: spec.pod_info_on_mount == Some(true),
            fs_group: policy.unwrap_or_default(),
            lifecycles: lifecycles(spec.volume_lifecycle_modes.as_deref(), problems),
            tokens: spec
                .token_requests
                .iter()
                .flatten()
                .map(|one| DriverToken {
                    audience: one.audience.clone(),
                    seconds: seconds(one.expiration_seconds),
                })
                .collect(),
            tokens_in_secrets: spec.service_account_token_in_secrets == Some(true),
            requires_republish: spec.requires_republish == Some(true),
            limit_period: spec
                .node_allocatable_update_period_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        }))
    })
}

fn seconds(written: Option<i64>) -> u64 {
    let written = written.and_then(|seconds| u64::try_from(seconds).ok());
    written.unwrap_or(TOKEN_SECONDS)
}

fn lifecycles(modes: Option<&[String]>, problems: &mut Problems) -> BTreeSet<VolumeLifecycle> {
    let modes = modes.unwrap_or_default();
    if modes.is_empty() {
        return BTreeSet::from([VolumeLifecycle::Persistent]);
    }
    let modes = modes.iter().enumerate();
    modes
        .filter_map(|(index, mode)| {
            let field = format!("spec.volumeLifecycleModes[{index}]");
            problems.word(field, mode, LIFECYCLES)
        })
        .collect()
}

/// The source of a persistent volume.
pub(super) fn source(csi: &core::CSIPersistentVolumeSource, problems: &mut Problems) -> CsiSource {
    if csi.driver.is_empty() {
        problems.required("spec.csi.driver");
    }
    if csi.volume_handle.is_empty() {
        problems.required("spec.csi.volumeHandle");
    }
    let mut secret = |field: &str, of: &Option<core::SecretReference>| {
        let of = of.as_ref()?;
        let name = of.name.clone().unwrap_or_default();
        let namespace = of.namespace.clone().unwrap_or_default();
        for (part, value) in [("name", &name), ("namespace", &namespace)] {
            if value.is_empty() {
                problems.required(format!("spec.csi.{field}.{part}"));
            }
        }
        Some(SecretName { namespace, name })
    };
    CsiSource {
        driver: csi.driver.clone(),
        handle: csi.volume_handle.clone(),
        fs_type: csi.fs_type.clone().unwrap_or_default(),
        attributes: csi.volume_attributes.clone().unwrap_or_default(),
        stage_secret: secret("nodeStageSecretRef", &csi.node_stage_secret_ref),
        publish_secret: secret("nodePublishSecretRef", &csi.node_publish_secret_ref),
        expand_secret: secret("nodeExpandSecretRef", &csi.node_expand_secret_ref),
        migrated: Migrated::No,
    }
}

/// A pod's own volume.
pub(super) fn inline(
    path: &str,
    csi: &core::CSIVolumeSource,
    problems: &mut Problems,
) -> InlineCsi {
    if csi.driver.is_empty() {
        problems.required(format!("{path}.driver"));
    }
    let secret = csi.node_publish_secret_ref.as_ref();
    let secret = secret.map(|secret| secret.name.clone());
    if secret.as_deref() == Some("") {
        problems.required(format!("{path}.nodePublishSecretRef.name"));
    }
    InlineCsi {
        driver: csi.driver.clone(),
        read_only: csi.read_only == Some(true),
        fs_type: csi.fs_type.clone().unwrap_or_default(),
        attributes: csi.volume_attributes.clone().unwrap_or_default(),
        publish_secret: secret,
    }
}
