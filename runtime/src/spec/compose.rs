//! The whole spec, put together from its sections.

use std::collections::HashMap;

use oci_spec::runtime::{Root, Spec};

use super::linux::linux;
use super::process::process;
use super::{
    ContainerSpec, SpecError, SpecInput, capabilities, device_mounts, mounts, selinux, stop_signal,
    user, user_namespace, volumes,
};

/// The version of the OCI runtime spec that is written.
const VERSION: &str = "1.2.0";

/// Describes a container.
pub fn container_spec(input: &SpecInput<'_>) -> Result<ContainerSpec, SpecError> {
    let SpecInput {
        config,
        image,
        sandbox,
        host,
        ..
    } = *input;
    let mut notes = Vec::new();
    let identity = user::identity(&config.security, image, input.accounts)?;
    user_namespace::check(&config.security, &identity, sandbox)?;
    let masks = capabilities::capabilities(&config.security, host, &mut notes)?;
    let labels = selinux::container_labels(
        config.security.selinux.as_ref(),
        config.security.privileged,
        sandbox.selinux.as_ref(),
        &host.selinux,
    )?;
    let (process_label, mount_label) = labels
        .map(|labels| (labels.process.to_string(), labels.mount.to_string()))
        .unzip();
    let mut process = process(input, &identity, &masks, &mut notes)?;
    process.set_selinux_label(process_label);
    let mut directories = vec![process.cwd().display().to_string()];
    directories.extend(volumes::volumes(image, input.mounts)?);
    let mounts = mounts::mounts(input.mounts, &config.security, sandbox, host)?;
    let mut linux = linux(input, masks.bounding, &mut notes)?;
    linux.set_mount_label(mount_label);
    let mut spec = Spec::default();
    spec.set_version(VERSION.to_owned())
        .set_root(Some(root(input)))
        .set_process(Some(process))
        // The hostname is set in the pod's namespace, once.
        .set_hostname(None)
        .set_mounts(Some(device_mounts::add(mounts, input.device_mounts)?))
        .set_linux(Some(linux))
        // Nothing a client or an image says ever runs on the host or becomes an annotation.
        .set_hooks(None)
        .set_annotations(Some(annotations(input)));
    let stop_signal = stop_signal::stop_signal(config, image)?;
    Ok(ContainerSpec {
        spec,
        directories,
        stop_signal,
        notes,
    })
}

fn root(input: &SpecInput<'_>) -> Root {
    let mut root = Root::default();
    root.set_path(input.rootfs.to_owned())
        .set_readonly(Some(input.config.security.readonly_rootfs));
    root
}

fn annotations(input: &SpecInput<'_>) -> HashMap<String, String> {
    HashMap::from([
        ("dev.podling.container".to_owned(), input.id.to_string()),
        (
            "dev.podling.sandbox".to_owned(),
            input.sandbox.id.to_string(),
        ),
    ])
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
