//! `ContainerConfig`.

use podling_proto::runtime::v1 as cri;

use super::super::signal;
use super::mount::mount;
use super::security::security;
use super::{DecodeError, invalid};
use crate::model::ContainerConfig;
use crate::model::config::{ContainerMetadata, Device, EnvVar, Resources};

/// Decodes what a container is to be made from.
pub(crate) fn container_config(
    config: Option<cri::ContainerConfig>,
) -> Result<ContainerConfig, DecodeError> {
    let cri::ContainerConfig {
        metadata,
        image,
        command,
        args,
        working_dir,
        envs,
        mounts,
        devices,
        labels,
        annotations,
        log_path,
        stdin,
        stdin_once,
        tty,
        linux,
        windows,
        cdi_devices,
        stop_signal,
    } = config.ok_or(DecodeError::Missing("config"))?;
    if windows.is_some() {
        return Err(DecodeError::Unsupported("config.windows"));
    }
    let cri::LinuxContainerConfig {
        resources,
        security_context,
    } = linux.unwrap_or_default();
    let image = image.ok_or(DecodeError::Missing("config.image"))?;
    Ok(ContainerConfig {
        metadata: container_metadata(metadata)?,
        image: image.image,
        user_specified_image: image.user_specified_image,
        command,
        args,
        working_dir,
        envs: envs
            .into_iter()
            .map(|cri::KeyValue { key, value }| EnvVar { name: key, value })
            .collect(),
        mounts: mounts.into_iter().map(mount).collect::<Result<_, _>>()?,
        devices: devices.into_iter().map(device).collect(),
        labels: labels.into_iter().collect(),
        annotations: annotations.into_iter().collect(),
        log_path: relative("config.log_path", log_path)?,
        stdin,
        stdin_once,
        tty,
        resources: resources.map(resources_of).transpose()?.unwrap_or_default(),
        security: security(security_context.unwrap_or_default())?,
        cdi_devices: cdi_devices
            .into_iter()
            .map(|cri::CdiDevice { name }| name)
            .collect(),
        stop_signal: stop_signal_of(stop_signal)?,
    })
}

fn container_metadata(
    metadata: Option<cri::ContainerMetadata>,
) -> Result<ContainerMetadata, DecodeError> {
    let metadata = metadata.ok_or(DecodeError::Missing("config.metadata"))?;
    let cri::ContainerMetadata { name, attempt } = metadata;
    if name.is_empty() {
        return Err(DecodeError::Missing("config.metadata.name"));
    }
    Ok(ContainerMetadata { name, attempt })
}

/// A path below the sandbox's log directory that cannot leave it (CVE-2025-0750).
fn relative(field: &'static str, path: String) -> Result<String, DecodeError> {
    let climbs = path.starts_with('/') || path.split('/').any(|part| part == "..");
    if climbs {
        return Err(invalid(
            field,
            path,
            "a relative path without .. is expected",
        ));
    }
    Ok(path)
}

fn device(device: cri::Device) -> Device {
    let cri::Device {
        container_path,
        host_path,
        permissions,
    } = device;
    Device {
        container_path,
        host_path,
        permissions,
    }
}

/// Decodes limits.
pub(crate) fn resources_of(
    resources: cri::LinuxContainerResources,
) -> Result<Resources, DecodeError> {
    let cri::LinuxContainerResources {
        cpu_period,
        cpu_quota,
        cpu_shares,
        memory_limit_in_bytes,
        oom_score_adj,
        cpuset_cpus,
        cpuset_mems,
        hugepage_limits,
        unified,
        memory_swap_limit_in_bytes,
    } = resources;
    let oom_score_adj = i32::try_from(oom_score_adj)
        .ok()
        .filter(|score| (-1000..=1000).contains(score))
        .ok_or_else(|| invalid("oom_score_adj", oom_score_adj, "-1000 to 1000"))?;
    Ok(Resources {
        cpu_period: positive("cpu_period", cpu_period)?,
        cpu_quota: Some(cpu_quota).filter(|quota| *quota != 0),
        cpu_shares: positive("cpu_shares", cpu_shares)?,
        memory_limit: Some(memory_limit_in_bytes).filter(|limit| *limit != 0),
        memory_swap_limit: Some(memory_swap_limit_in_bytes).filter(|limit| *limit != 0),
        oom_score_adj,
        cpuset_cpus,
        cpuset_mems,
        hugepage_limits: hugepage_limits
            .into_iter()
            .map(|cri::HugepageLimit { page_size, limit }| (page_size, limit))
            .collect(),
        unified: unified.into_iter().collect(),
    })
}

/// Zero means "not given" in CRI.
fn positive(field: &'static str, value: i64) -> Result<Option<u64>, DecodeError> {
    match u64::try_from(value) {
        Ok(0) => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(invalid(field, value, "a number that is not negative")),
    }
}

fn stop_signal_of(value: i32) -> Result<Option<i32>, DecodeError> {
    let signal = cri::Signal::try_from(value)
        .map_err(|_| invalid("stop_signal", value, "a Signal is expected"))?;
    Ok(signal::number(signal))
}
