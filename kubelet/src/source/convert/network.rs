//! Ports, DNS and hosts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;

use crate::model::{ContainerPort, DnsConfig, DnsOption, DnsPolicy, HostAlias, Protocol};
use crate::source::problem::Problems;

use super::container::unique;

const PROTOCOLS: &[(&str, Protocol)] = &[
    ("TCP", Protocol::Tcp),
    ("UDP", Protocol::Udp),
    ("SCTP", Protocol::Sctp),
];

const DNS_POLICIES: &[(&str, DnsPolicy)] = &[
    ("ClusterFirst", DnsPolicy::ClusterFirst),
    (
        "ClusterFirstWithHostNet",
        DnsPolicy::ClusterFirstWithHostNet,
    ),
    ("Default", DnsPolicy::Default),
    ("None", DnsPolicy::None),
];

pub(super) fn ports(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Vec<ContainerPort> {
    let mut names = BTreeSet::new();
    let ports = container.ports.iter().flatten().enumerate();
    ports
        .map(|(index, port)| {
            let path = format!("{path}.ports[{index}]");
            let name = port.name.clone().filter(|name| !name.is_empty());
            if let Some(name) = &name {
                port_name(&format!("{path}.name"), name, problems);
                unique(format!("{path}.name"), name.clone(), &mut names, problems);
            }
            let protocol = port.protocol.as_deref().unwrap_or_default();
            ContainerPort {
                name,
                protocol: problems
                    .word(format!("{path}.protocol"), protocol, PROTOCOLS)
                    .unwrap_or(Protocol::Tcp),
                container_port: number(
                    &format!("{path}.containerPort"),
                    port.container_port,
                    problems,
                ),
                // Zero says that there is none.
                host_port: port
                    .host_port
                    .filter(|number| *number != 0)
                    .map(|host| number(&format!("{path}.hostPort"), host, problems)),
                host_ip: port
                    .host_ip
                    .as_deref()
                    .filter(|ip| !ip.is_empty())
                    .and_then(|ip| address(&format!("{path}.hostIP"), ip, problems)),
            }
        })
        .collect()
}

pub(super) fn port_name(field: &str, name: &str, problems: &mut Problems) {
    let is_plain = super::super::problem::is_dns_label(name) && !name.contains("--");
    let has_letter = name.bytes().any(|byte| byte.is_ascii_lowercase());
    if name.len() > 15 || !is_plain || !has_letter {
        let message = format!(
            "Invalid value: {name:?}: must be at most 15 lower case letters, digits and single \
             '-', with at least one letter"
        );
        problems.invalid(field, message);
    }
}

pub(super) fn number(field: &str, number: i32, problems: &mut Problems) -> u16 {
    match u16::try_from(number) {
        Ok(port) if port > 0 => port,
        _ => {
            let message = format!("Invalid value: {number}: must be between 1 and 65535");
            problems.invalid(field, message);
            0
        }
    }
}

fn address(field: &str, text: &str, problems: &mut Problems) -> Option<IpAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        problems.invalid(
            field,
            format!("Invalid value: {text:?}: must be a valid IP address"),
        );
    }
    parsed
}

/// A host port leads to one container; on the host's network it is the container's own.
pub(super) fn ports_of_host(spec: &core::PodSpec, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    let containers = spec.containers.iter().enumerate();
    for (index, container) in containers {
        for (at, port) in container.ports.iter().flatten().enumerate() {
            let field = format!("spec.containers[{index}].ports[{at}].hostPort");
            let Some(host) = port.host_port.filter(|host| *host != 0) else {
                continue;
            };
            if spec.host_network == Some(true) && host != port.container_port {
                let message =
                    "Invalid value: must match `containerPort` when `hostNetwork` is true";
                problems.invalid(&field, message);
            }
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let key = (text(&port.protocol), text(&port.host_ip), host);
            unique(field, key, &mut seen, problems);
        }
    }
}

pub(super) fn host_aliases(spec: &core::PodSpec, problems: &mut Problems) -> Vec<HostAlias> {
    let aliases = spec.host_aliases.iter().flatten().enumerate();
    aliases
        .filter_map(|(index, alias)| {
            let path = format!("spec.hostAliases[{index}]");
            let hostnames = alias.hostnames.clone().unwrap_or_default();
            for (at, name) in hostnames.iter().enumerate() {
                problems.dns_subdomain(format!("{path}.hostnames[{at}]"), name);
            }
            let ip = address(&format!("{path}.ip"), &alias.ip, problems)?;
            Some(HostAlias { ip, hostnames })
        })
        .collect()
}

pub(super) fn dns_policy(spec: &core::PodSpec, problems: &mut Problems) -> DnsPolicy {
    let policy = spec.dns_policy.as_deref().unwrap_or_default();
    problems
        .word("spec.dnsPolicy", policy, DNS_POLICIES)
        .unwrap_or_default()
}

pub(super) fn dns(spec: &core::PodSpec, problems: &mut Problems) -> DnsConfig {
    let config = spec.dns_config.clone().unwrap_or_default();
    let nameservers = config.nameservers.unwrap_or_default();
    if spec.dns_policy.as_deref() == Some("None") && nameservers.is_empty() {
        problems.required("spec.dnsConfig.nameservers");
    }
    too_many("spec.dnsConfig.nameservers", nameservers.len(), 3, problems);
    let searches = config.searches.unwrap_or_default();
    too_many("spec.dnsConfig.searches", searches.len(), 32, problems);
    let options = config.options.unwrap_or_default().into_iter().enumerate();
    DnsConfig {
        nameservers: nameservers
            .iter()
            .enumerate()
            .filter_map(|(index, ip)| {
                address(
                    &format!("spec.dnsConfig.nameservers[{index}]"),
                    ip,
                    problems,
                )
            })
            .collect(),
        searches,
        options: options
            .map(|(index, option)| {
                let name = option.name.unwrap_or_default();
                if name.is_empty() {
                    problems.required(format!("spec.dnsConfig.options[{index}].name"));
                }
                DnsOption {
                    name,
                    value: option.value,
                }
            })
            .collect(),
    }
}

fn too_many(field: &str, count: usize, most: usize, problems: &mut Problems) {
    if count > most {
        problems.invalid(
            field,
            format!("Invalid value: must not have more than {most} entries"),
        );
    }
}
