//! Pod sandboxes on the wire.

use std::net::IpAddr;

use podling_proto::runtime::v1;

use super::{
    ConvertError, groups_policy_to_wire, int64, namespace_from_wire, namespaces_to_wire,
    resources_to_wire, seccomp_to_wire, selinux_to_wire, time,
};
use crate::cri::{
    DnsConfig, NamespaceMode, PortMapping, Sandbox, SandboxConfig, SandboxMetadata, SandboxStatus,
};
use crate::model::{Protocol, SandboxState};

pub(in crate::cri) fn sandbox_to_wire(config: SandboxConfig) -> v1::PodSandboxConfig {
    let linux = linux_to_wire(&config);
    v1::PodSandboxConfig {
        metadata: Some(metadata_to_wire(config.metadata)),
        hostname: config.hostname,
        log_directory: config.log_directory,
        dns_config: config.dns.map(dns_to_wire),
        port_mappings: config.port_mappings.into_iter().map(port_to_wire).collect(),
        labels: config.labels,
        annotations: config.annotations,
        linux: Some(linux),
        windows: None,
    }
}

fn linux_to_wire(config: &SandboxConfig) -> v1::LinuxPodSandboxConfig {
    let resources = config.resources.clone();
    v1::LinuxPodSandboxConfig {
        cgroup_parent: config.cgroup_parent.clone(),
        security_context: Some(security_to_wire(config)),
        sysctls: config.sysctls.clone(),
        overhead: resources.clone().map(|one| resources_to_wire(one.overhead)),
        resources: resources.map(|one| resources_to_wire(one.containers)),
    }
}

fn security_to_wire(config: &SandboxConfig) -> v1::LinuxSandboxSecurityContext {
    v1::LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces_to_wire(&config.namespaces)),
        selinux_options: config.selinux.clone().map(selinux_to_wire),
        run_as_user: int64(config.run_as_user),
        readonly_rootfs: false,
        supplemental_groups: config.supplemental_groups.clone(),
        privileged: config.privileged,
        seccomp_profile_path: String::new(),
        run_as_group: int64(config.run_as_group),
        seccomp: Some(seccomp_to_wire(config.seccomp.as_ref())),
        apparmor: None,
        supplemental_groups_policy: groups_policy_to_wire(config.supplemental_groups_policy),
    }
}

fn metadata_to_wire(metadata: SandboxMetadata) -> v1::PodSandboxMetadata {
    v1::PodSandboxMetadata {
        name: metadata.name,
        uid: metadata.uid,
        namespace: metadata.namespace,
        attempt: metadata.attempt,
    }
}

fn dns_to_wire(dns: DnsConfig) -> v1::DnsConfig {
    v1::DnsConfig {
        servers: dns.servers,
        searches: dns.searches,
        options: dns.options,
    }
}

fn port_to_wire(port: PortMapping) -> v1::PortMapping {
    let protocol = match port.protocol {
        Protocol::Tcp => v1::Protocol::Tcp,
        Protocol::Udp => v1::Protocol::Udp,
        Protocol::Sctp => v1::Protocol::Sctp,
    };
    v1::PortMapping {
        protocol: protocol.into(),
        container_port: port.container_port.into(),
        host_port: port.host_port.into(),
        host_ip: port.host_ip.map_or_else(String::new, |ip| ip.to_string()),
    }
}

pub(in crate::cri) fn sandbox_from_wire(sandbox: v1::PodSandbox) -> Result<Sandbox, ConvertError> {
    let v1::PodSandbox {
        id,
        metadata,
        state,
        created_at,
        labels,
        annotations,
        runtime_handler: _,
    } = sandbox;
    Ok(Sandbox {
        id: id.into(),
        metadata: metadata_from_wire(metadata)?,
        state: state_from_wire(state)?,
        created_at: time("PodSandbox.created_at", created_at)?,
        labels,
        annotations,
    })
}

pub(in crate::cri) fn sandbox_status_from_wire(
    status: v1::PodSandboxStatus,
) -> Result<SandboxStatus, ConvertError> {
    let v1::PodSandboxStatus {
        id,
        metadata,
        state,
        created_at,
        network,
        linux,
        labels,
        annotations,
        runtime_handler: _,
    } = status;
    Ok(SandboxStatus {
        sandbox: Sandbox {
            id: id.into(),
            metadata: metadata_from_wire(metadata)?,
            state: state_from_wire(state)?,
            created_at: time("PodSandboxStatus.created_at", created_at)?,
            labels,
            annotations,
        },
        ips: network.map_or(Ok(Vec::new()), ips_from_wire)?,
        network: network_mode_from_wire(linux)?,
    })
}

fn metadata_from_wire(
    metadata: Option<v1::PodSandboxMetadata>,
) -> Result<SandboxMetadata, ConvertError> {
    let v1::PodSandboxMetadata {
        name,
        uid,
        namespace,
        attempt,
    } = metadata.ok_or(ConvertError::Missing("PodSandbox.metadata"))?;
    Ok(SandboxMetadata {
        name,
        namespace,
        uid,
        attempt,
    })
}

fn state_from_wire(value: i32) -> Result<SandboxState, ConvertError> {
    match v1::PodSandboxState::try_from(value) {
        Ok(v1::PodSandboxState::SandboxReady) => Ok(SandboxState::Ready),
        Ok(v1::PodSandboxState::SandboxNotready) => Ok(SandboxState::NotReady),
        Err(_) => Err(ConvertError::UnknownValue {
            field: "PodSandbox.state",
            value,
        }),
    }
}

/// A stopped sandbox, or one of the host network, has no address: empty texts are left out.
fn ips_from_wire(network: v1::PodSandboxNetworkStatus) -> Result<Vec<IpAddr>, ConvertError> {
    let v1::PodSandboxNetworkStatus { ip, additional_ips } = network;
    std::iter::once(ip)
        .chain(additional_ips.into_iter().map(|additional| additional.ip))
        .filter(|text| !text.is_empty())
        .map(|text| {
            text.parse().map_err(|_| ConvertError::NotAnAddress {
                field: "PodSandboxNetworkStatus.ip",
                text: text.clone(),
            })
        })
        .collect()
}

fn network_mode_from_wire(
    linux: Option<v1::LinuxPodSandboxStatus>,
) -> Result<NamespaceMode, ConvertError> {
    let options = linux
        .and_then(|linux| linux.namespaces)
        .and_then(|namespaces| namespaces.options);
    options.map_or(Ok(NamespaceMode::Pod), |options| {
        namespace_from_wire(
            "NamespaceOption.network",
            options.network,
            &options.target_id,
        )
    })
}
