//! What is told to the plugins about a pod: values by capability, and `CNI_ARGS`. Pure.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::bandwidth::{self, BandwidthError};
use super::config::{NetworkConfig, Object};
use crate::model::SandboxId;
use crate::model::config::{DnsConfig, PortMapping, Protocol};
use crate::network::pod_cidr::PodCidr;
use crate::network::request::Wishes;

/// Why a pod cannot be attached to a network, now or later.
#[derive(Debug, thiserror::Error)]
pub enum RefusedWish {
    /// Its host ports would lead nowhere.
    #[error(
        "host port {port} is asked for, and no plugin of network {network:?} has the capability portMappings"
    )]
    HostPort {
        /// The port.
        port: u16,
        /// The network.
        network: String,
    },
    /// An annotation cannot be read.
    #[error("{0}")]
    Bandwidth(String),
    /// A name would be taken for something else.
    #[error("{field} {value:?} has a ';', which separates the arguments of plugins")]
    Separator {
        /// Which name.
        field: &'static str,
        /// As it was given.
        value: String,
    },
}

impl From<BandwidthError> for RefusedWish {
    fn from(error: BandwidthError) -> Self {
        Self::Bandwidth(error.to_string())
    }
}

/// The value of each capability that the network wants and the pod has something to say about.
pub(super) fn values(
    network: &NetworkConfig,
    wishes: &Wishes,
    pod_cidr: PodCidr,
) -> Result<Object, RefusedWish> {
    if let Some(mapping) = wishes.port_mappings.first()
        && !network.wants("portMappings")
    {
        return Err(RefusedWish::HostPort {
            port: mapping.host_port,
            network: network.name.clone(),
        });
    }
    let ports = (!wishes.port_mappings.is_empty()).then(|| port_mappings(&wishes.port_mappings));
    let cgroup = Some(wishes.cgroup_parent.as_str()).filter(|path| !path.is_empty());
    let all = [
        ("portMappings", ports),
        ("bandwidth", bandwidth::of(&wishes.annotations)?),
        ("ipRanges", Some(ip_ranges(pod_cidr))),
        ("dns", wishes.dns.as_ref().map(dns)),
        ("aliases", Some(json!([wishes.metadata.name]))),
        ("cgroupPath", cgroup.map(|path| json!(path))),
        // As containerd calls it.
        (
            "io.kubernetes.cri.pod-annotations",
            Some(json!(wishes.annotations)),
        ),
    ];
    let wanted = all
        .into_iter()
        .filter(|(capability, _)| network.wants(capability));
    Ok(wanted
        .filter_map(|(capability, value)| Some((capability.to_owned(), value?)))
        .collect())
}

/// A set of ranges for each address that a pod is to get.
fn ip_ranges(pod_cidr: PodCidr) -> Value {
    let subnets = pod_cidr.subnets();
    subnets
        .map(|subnet| json!([{ "subnet": subnet.to_string() }]))
        .collect()
}

fn port_mappings(mappings: &[PortMapping]) -> Value {
    mappings.iter().map(port_mapping).collect()
}

fn port_mapping(mapping: &PortMapping) -> Value {
    let protocol = match mapping.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    let address = mapping.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
    json!({
        "hostPort": mapping.host_port,
        "containerPort": mapping.container_port,
        "protocol": protocol,
        "hostIP": address,
    })
}

fn dns(config: &DnsConfig) -> Value {
    json!({
        "servers": config.servers,
        "searches": config.searches,
        "options": config.options,
    })
}

/// `CNI_ARGS`, by which plugins know the pod.
pub(super) fn arguments(id: &SandboxId, wishes: &Wishes) -> Result<String, RefusedWish> {
    let metadata = &wishes.metadata;
    let names = [
        (
            "K8S_POD_NAMESPACE",
            "namespace",
            metadata.namespace.as_str(),
        ),
        ("K8S_POD_NAME", "name", metadata.name.as_str()),
        ("K8S_POD_INFRA_CONTAINER_ID", "id", id.as_str()),
        ("K8S_POD_UID", "uid", metadata.uid.as_str()),
    ];
    let mut arguments = "IgnoreUnknown=1".to_owned();
    for (key, field, value) in names {
        if value.contains(';') {
            let value = value.to_owned();
            return Err(RefusedWish::Separator { field, value });
        }
        arguments.push_str(&format!(";{key}={value}"));
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::PodMetadata;
    use crate::network::cni::config::parse;

    fn network(capabilities: &str) -> NetworkConfig {
        let text = format!(
            r#"{{"cniVersion": "1.0.0", "name": "net", "type": "p", "capabilities": {capabilities}}}"#
        );
        parse("net.conf", &text).unwrap()
    }

    fn cidr(text: &str) -> PodCidr {
        text.parse().unwrap()
    }

    fn wishes() -> Wishes {
        Wishes {
            metadata: PodMetadata {
                name: "web".into(),
                namespace: "default".into(),
                uid: "u-1".into(),
                attempt: 0,
            },
            port_mappings: vec![PortMapping {
                protocol: Protocol::Udp,
                container_port: 53,
                host_port: 5353,
                host_ip: Some("127.0.0.1".parse().unwrap()),
            }],
            dns: Some(DnsConfig {
                servers: vec!["10.0.0.1".into()],
                ..DnsConfig::default()
            }),
            cgroup_parent: "/pods/1".into(),
            ..Wishes::default()
        }
    }

    #[test]
    fn a_network_is_told_what_it_has_capabilities_for() {
        let network = network(
            r#"{"portMappings": true, "dns": true, "cgroupPath": true, "ipRanges": true,
                "aliases": true, "bandwidth": true, "io.kubernetes.cri.pod-annotations": true}"#,
        );
        let values = values(&network, &wishes(), cidr("10.1.0.0/16,fd01::/64")).unwrap();
        let expected = json!({
            "portMappings": [{"hostPort": 5353, "containerPort": 53, "protocol": "udp",
                              "hostIP": "127.0.0.1"}],
            "ipRanges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "fd01::/64"}]],
            "dns": {"servers": ["10.0.0.1"], "searches": [], "options": []},
            "aliases": ["web"],
            "cgroupPath": "/pods/1",
            "io.kubernetes.cri.pod-annotations": {},
        });
        assert_eq!(Value::Object(values), expected);
    }

    #[test]
    fn host_ports_that_would_lead_nowhere_are_refused() {
        let error = values(&network("{}"), &wishes(), cidr("10.1.0.0/16")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "host port 5353 is asked for, and no plugin of network \"net\" has the capability \
             portMappings"
        );
    }

    #[test]
    fn the_arguments_name_the_pod_and_no_name_can_add_to_them() {
        let id = SandboxId::from_random([1; 32]);
        let expected = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;\
             K8S_POD_INFRA_CONTAINER_ID={id};K8S_POD_UID=u-1"
        );
        assert_eq!(arguments(&id, &wishes()).unwrap(), expected);

        let mut wishes = wishes();
        wishes.metadata.uid = "1;IP=10.0.0.1".into();
        assert!(matches!(
            arguments(&id, &wishes),
            Err(RefusedWish::Separator { field: "uid", .. })
        ));
    }
}
