//! SELinux labels of pods, and of what containers are shown.

use std::collections::BTreeSet;
use std::path::Path;

use oci_spec::runtime::Spec;

use super::error::{LifecycleError, chain};
use crate::host::{self, LabelError};
use crate::model::SandboxRecord;
use crate::model::config::{ContainerConfig, SandboxSecurity};
use crate::model::selinux::{Context, PodLabels};
use crate::spec::{self, HostFacts};
use crate::sys::random;

/// What a pod is to be; `taken` are the levels of others.
pub(super) fn of_pod(
    security: &SandboxSecurity,
    host: &HostFacts,
    taken: &BTreeSet<String>,
) -> Result<Option<PodLabels>, LifecycleError> {
    let [a, b, c, d, ..] = random::bytes();
    let anywhere = u32::from_le_bytes([a, b, c, d]);
    let asked = security.selinux.as_ref();
    let labels = spec::pod_labels(asked, &host.selinux, taken, anywhere)
        .map_err(|error| LifecycleError::Invalid(error.to_string()))?;
    if let Some(labels) = &labels {
        for context in [&labels.process, &labels.mount] {
            host::check_selinux_context(context)
                .map_err(|error| LifecycleError::Invalid(chain(&error)))?;
        }
    }
    Ok(labels)
}

/// What pause runs as.
pub(super) fn of_pause(sandbox: &SandboxRecord, host: &HostFacts) -> Option<Context> {
    let privileged = sandbox.config.security.privileged;
    let labels = sandbox.selinux.as_ref()?;
    Some(spec::pause_label(labels, privileged, &host.selinux))
}

/// Refuses labels that the policy does not know.
pub(super) fn check(spec: &Spec) -> Result<(), LabelError> {
    let process = spec.process().as_ref();
    let process = process.and_then(|process| process.selinux_label().as_deref());
    let labels = [process, of_files(spec)].into_iter().flatten();
    let mut contexts = labels.filter_map(|label| label.parse::<Context>().ok());
    contexts.try_for_each(|context| host::check_selinux_context(&context))
}

/// Gives the volumes that are to be the container's to SELinux too its label.
pub(super) fn give_volumes(spec: &Spec, config: &ContainerConfig) -> Result<(), LabelError> {
    let Some(Ok(context)) = of_files(spec).map(str::parse::<Context>) else {
        return Ok(());
    };
    for mount in config.mounts.iter().filter(|mount| mount.selinux_relabel) {
        if let Some(source) = source_at(spec, &mount.container_path) {
            host::label_tree(source, &context)?;
        }
    }
    Ok(())
}

fn of_files(spec: &Spec) -> Option<&str> {
    spec.linux().as_ref()?.mount_label().as_deref()
}

/// What is bound there, with the symlinks of its path followed.
fn source_at<'a>(spec: &'a Spec, place: &str) -> Option<&'a Path> {
    let mut mounts = spec.mounts().iter().flatten();
    let is_there = |mount: &&oci_spec::runtime::Mount| {
        mount
            .destination()
            .components()
            .eq(Path::new(place).components())
    };
    let found = mounts.find(|mount| is_there(mount) && mount.typ().as_deref() == Some("bind"));
    found?.source().as_deref()
}
