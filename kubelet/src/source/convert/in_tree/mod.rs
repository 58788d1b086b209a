//! Volumes of plugins that were Kubernetes' own once, as volumes of the drivers that have them now.
//!
//! What a manifest says of such a volume becomes what it would say of the driver's: the driver's name for
//! it, what the driver has to know, how it is used, and which nodes have it.

mod topology;
mod translate;
mod written;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;

use crate::model::{
    AccessMode, CsiSource, InTree, PersistentSource, PersistentVolume, Quantity, StringMap,
    VolumeMode, VolumeSource,
};
use crate::source::problem::Problems;

use written::Written;

/// What is known of a volume beside its source.
struct About<'a> {
    /// Its name, or that of the pod's volume.
    name: &'a str,
    labels: &'a StringMap,
    annotations: &'a StringMap,
    /// Where its Secrets are, when its source does not say it.
    namespace: Option<&'a str>,
}

/// A persistent volume as a driver has it; one of another kind stays as it is.
pub(super) fn persistent(
    volume: &core::PersistentVolume,
    plain: PersistentVolume,
    problems: &mut Problems,
) -> PersistentVolume {
    let spec = volume.spec.as_ref();
    let Some(written) = spec.and_then(Written::of_persistent) else {
        return plain;
    };
    written.check("spec", problems);
    let none = StringMap::new();
    let about = About {
        name: &plain.name,
        labels: &plain.labels,
        annotations: volume.metadata.annotations.as_ref().unwrap_or(&none),
        namespace: plain.claim.as_ref().map(|claim| claim.namespace.as_str()),
    };
    let source = written.translate(&about);
    let plugin = written.plugin();
    PersistentVolume {
        source: source_of(source),
        first_access_mode: match plugin {
            InTree::GcePd => gce_access(&plain.access_modes),
            _ => plain.first_access_mode,
        },
        nodes: topology::nodes(plugin, plain.nodes, &plain.labels),
        ..plain
    }
}

/// A pod's volume as a driver has it, if it is one of a plugin of old.
pub(super) fn inline(
    path: &str,
    volume: &core::Volume,
    namespace: &str,
    problems: &mut Problems,
) -> Option<VolumeSource> {
    let written = Written::of_pod(volume)?;
    written.check(path, problems);
    let none = StringMap::new();
    let about = About {
        name: &volume.name,
        labels: &none,
        annotations: &none,
        namespace: Some(namespace),
    };
    let source = written.translate(&about);
    let source = source.map_err(|problem| match written.plugin() {
        InTree::AwsEbs => format!("failed to translate Kubernetes ID to EBS Volume ID {problem}"),
        _ => problem,
    });
    let access = inline_access(&written);
    let name = source.as_ref().map(|source| inline_name(&written, source));
    Some(VolumeSource::InTree {
        read_only: written.is_read_only(),
        volume: Arc::new(PersistentVolume {
            name: name.unwrap_or_else(|_| volume.name.clone()),
            labels: StringMap::new(),
            capacity: Quantity::ZERO,
            access_modes: BTreeSet::from([access]),
            first_access_mode: Some(access),
            mode: VolumeMode::Filesystem,
            mount_options: Vec::new(),
            storage_class: String::new(),
            claim: None,
            source: source_of(source),
            nodes: None,
        }),
    })
}

fn source_of(source: Result<CsiSource, String>) -> PersistentSource {
    match source {
        Ok(source) => PersistentSource::Csi(Box::new(source)),
        Err(problem) => PersistentSource::NotTranslated { problem },
    }
}

/// What the driver of these disks is told: it refuses what the plugin passed over.
fn gce_access(modes: &BTreeSet<AccessMode>) -> Option<AccessMode> {
    let has = |mode| modes.contains(&mode);
    let is_written = has(AccessMode::ReadWriteOnce) || has(AccessMode::ReadWriteMany);
    let told = match has(AccessMode::ReadOnlyMany) && !is_written {
        true => AccessMode::ReadOnlyMany,
        false => AccessMode::ReadWriteOnce,
    };
    (!modes.is_empty()).then_some(told)
}

fn inline_access(written: &Written<'_>) -> AccessMode {
    match written.plugin() {
        InTree::AzureFile => AccessMode::ReadWriteMany,
        InTree::GcePd | InTree::Portworx if written.is_read_only() => AccessMode::ReadOnlyMany,
        _ => AccessMode::ReadWriteOnce,
    }
}

/// What the volume is called on this node: no other volume of the driver is called so.
fn inline_name(written: &Written<'_>, source: &CsiSource) -> String {
    match written {
        Written::AzureDisk(_) | Written::AzureFile(_) => source.handle.clone(),
        Written::GcePd(disk) => format!("{}-{}", source.driver, disk.pd_name),
        Written::AwsEbs(_) | Written::Cinder(_) | Written::Portworx(_) | Written::Vsphere(_) => {
            format!("{}-{}", source.driver, source.handle)
        }
    }
}
