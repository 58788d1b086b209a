//! `PodSandboxConfig`.

use podling_proto::runtime::v1 as cri;

use super::common::{groups, id32, namespaces, profile, selinux};
use super::container::resources_of;
use super::{DecodeError, invalid};
use crate::model::SandboxConfig;
use crate::model::config::{
    DnsConfig, PodMetadata, PodResources, PortMapping, Protocol, SandboxSecurity,
};

/// Decodes what a sandbox is to be made from.
pub(crate) fn sandbox_config(
    config: Option<cri::PodSandboxConfig>,
    runtime_handler: String,
) -> Result<SandboxConfig, DecodeError> {
    let cri::PodSandboxConfig {
        metadata,
        hostname,
        log_directory,
        dns_config,
        port_mappings,
        labels,
        annotations,
        linux,
        windows,
    } = config.ok_or(DecodeError::Missing("config"))?;
    if windows.is_some() {
        return Err(DecodeError::Unsupported("config.windows"));
    }
    let cri::LinuxPodSandboxConfig {
        cgroup_parent,
        security_context,
        sysctls,
        overhead,
        resources,
    } = linux.unwrap_or_default();
    let security = security(security_context.unwrap_or_default())?;
    Ok(SandboxConfig {
        metadata: pod_metadata(metadata)?,
        hostname,
        log_directory: absolute("config.log_directory", log_directory)?,
        dns: dns_config.map(dns),
        port_mappings: port_mappings
            .into_iter()
            .map(port_mapping)
            .collect::<Result<_, _>>()?,
        labels: labels.into_iter().collect(),
        annotations: annotations.into_iter().collect(),
        cgroup_parent: cgroup_parent_of(cgroup_parent)?,
        security,
        sysctls: sysctls.into_iter().collect(),
        runtime_handler,
        resources: pod_resources(resources, overhead)?,
    })
}

/// They describe the pod's cgroup, which the client itself has made.
pub(crate) fn pod_resources(
    containers: Option<cri::LinuxContainerResources>,
    overhead: Option<cri::LinuxContainerResources>,
) -> Result<PodResources, DecodeError> {
    Ok(PodResources {
        containers: containers.map(resources_of).transpose()?,
        overhead: overhead.map(resources_of).transpose()?,
    })
}

fn pod_metadata(metadata: Option<cri::PodSandboxMetadata>) -> Result<PodMetadata, DecodeError> {
    let metadata = metadata.ok_or(DecodeError::Missing("config.metadata"))?;
    let cri::PodSandboxMetadata {
        name,
        uid,
        namespace,
        attempt,
    } = metadata;
    if uid.is_empty() {
        return Err(DecodeError::Missing("config.metadata.uid"));
    }
    Ok(PodMetadata {
        name,
        uid,
        namespace,
        attempt,
    })
}

/// An empty path, or an absolute one that climbs nowhere (CVE-2025-0750).
fn absolute(field: &'static str, path: String) -> Result<String, DecodeError> {
    if path.is_empty() || (path.starts_with('/') && !path.split('/').any(|part| part == "..")) {
        return Ok(path);
    }
    Err(invalid(
        field,
        path,
        "an absolute path without .. is expected",
    ))
}

/// Which of the two it has to be is for the cgroup driver to say.
fn cgroup_parent_of(path: String) -> Result<String, DecodeError> {
    match path.ends_with(".slice") && !path.contains('/') {
        true => Ok(path),
        false => absolute("config.linux.cgroup_parent", path),
    }
}

fn dns(config: cri::DnsConfig) -> DnsConfig {
    let cri::DnsConfig {
        servers,
        searches,
        options,
    } = config;
    DnsConfig {
        servers,
        searches,
        options,
    }
}

fn port_mapping(mapping: cri::PortMapping) -> Result<PortMapping, DecodeError> {
    let cri::PortMapping {
        protocol,
        container_port,
        host_port,
        host_ip,
    } = mapping;
    let protocol = match cri::Protocol::try_from(protocol) {
        Ok(cri::Protocol::Tcp) => Protocol::Tcp,
        Ok(cri::Protocol::Udp) => Protocol::Udp,
        Ok(cri::Protocol::Sctp) => Protocol::Sctp,
        Err(_) => {
            return Err(invalid(
                "port_mappings[].protocol",
                protocol,
                "TCP, UDP or SCTP",
            ));
        }
    };
    let host_ip = match host_ip.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            invalid(
                "port_mappings[].host_ip",
                text,
                "an IP address or nothing is expected",
            )
        })?),
    };
    Ok(PortMapping {
        protocol,
        container_port: port("port_mappings[].container_port", container_port)?,
        host_port: port("port_mappings[].host_port", host_port)?,
        host_ip,
    })
}

fn port(field: &'static str, number: i32) -> Result<u16, DecodeError> {
    u16::try_from(number).map_err(|_| invalid(field, number, "a port is 0 to 65535"))
}

fn security(context: cri::LinuxSandboxSecurityContext) -> Result<SandboxSecurity, DecodeError> {
    let cri::LinuxSandboxSecurityContext {
        namespace_options,
        selinux_options,
        run_as_user,
        run_as_group,
        // Pause's root is always read-only.
        readonly_rootfs: _,
        supplemental_groups,
        privileged,
        seccomp_profile_path,
        seccomp,
        apparmor: _,
        // Pause has no image whose groups could count.
        supplemental_groups_policy: _,
    } = context;
    Ok(SandboxSecurity {
        namespaces: namespaces(namespace_options)?,
        run_as_user: id32("run_as_user", run_as_user)?,
        run_as_group: id32("run_as_group", run_as_group)?,
        supplemental_groups: groups(supplemental_groups)?,
        privileged,
        seccomp: profile("seccomp", seccomp, &seccomp_profile_path)?,
        selinux: selinux(selinux_options)?,
    })
}
