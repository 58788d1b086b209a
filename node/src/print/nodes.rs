//! `get nodes`: the rows of the table of nodes.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;

use super::{Width, age};

/// The columns of the table.
pub(crate) fn header(width: Width) -> Vec<&'static str> {
    let mut header = vec!["NAME", "STATUS", "ROLES", "AGE", "VERSION"];
    if width == Width::Wide {
        header.extend([
            "INTERNAL-IP",
            "EXTERNAL-IP",
            "OS-IMAGE",
            "KERNEL-VERSION",
            "CONTAINER-RUNTIME",
        ]);
    }
    header
}

/// The row of a node at the time `now`.
pub(crate) fn row(node: &Node, width: Width, now: Timestamp) -> Vec<String> {
    let created = node.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let status = node.status.as_ref();
    let facts = status.and_then(|status| status.node_info.as_ref());
    let mut cells = vec![
        node.metadata.name.clone().unwrap_or_default(),
        state(node),
        roles(node),
        age::since(created, now),
        facts
            .map(|facts| facts.kubelet_version.clone())
            .unwrap_or_default(),
    ];
    if width == Width::Wide {
        let none = || "<none>".to_owned();
        let unknown = || "<unknown>".to_owned();
        cells.extend([
            address(node, "InternalIP").unwrap_or_else(none),
            address(node, "ExternalIP").unwrap_or_else(none),
            facts.map_or_else(unknown, |facts| facts.os_image.clone()),
            facts.map_or_else(unknown, |facts| facts.kernel_version.clone()),
            facts.map_or_else(unknown, |facts| facts.container_runtime_version.clone()),
        ]);
    }
    cells
}

/// `Ready`, `NotReady` or `Unknown`.
fn state(node: &Node) -> String {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    let ready = conditions
        .unwrap_or(&[])
        .iter()
        .find(|one| one.type_ == "Ready");
    let word = match ready.map(|one| one.status.as_str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    word.to_owned()
}

/// The words behind `node-role.kubernetes.io/`.
fn roles(node: &Node) -> String {
    let labels = node.metadata.labels.iter().flatten();
    let roles: Vec<_> = labels
        .filter_map(|(name, value)| {
            let role = name.strip_prefix("node-role.kubernetes.io/");
            role.or((name == "kubernetes.io/role").then_some(value.as_str()))
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() {
        return "<none>".to_owned();
    }
    roles.join(",")
}

fn address(node: &Node, kind: &str) -> Option<String> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    let found = addresses.iter().find(|address| address.type_ == kind)?;
    Some(found.address.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table;
    use super::*;

    #[test]
    fn the_table_has_kubectls_columns() {
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": "node-a", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True" }],
                "addresses": [{ "type": "InternalIP", "address": "10.0.0.5" }],
                "nodeInfo": {
                    "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "6.1.0",
                    "osImage": "Debian", "containerRuntimeVersion": "podling://0.1.0",
                    "kubeletVersion": "v1.36.0", "kubeProxyVersion": "",
                    "operatingSystem": "linux", "architecture": "amd64",
                },
            },
        }))
        .unwrap();
        let now = "2026-01-01T00:02:00Z".parse().unwrap();
        let table = |width| table::lay_out(&header(width), &[row(&node, width, now)]);
        assert_eq!(
            table(Width::Usual),
            "NAME     STATUS   ROLES    AGE   VERSION\nnode-a   Ready    <none>   2m    v1.36.0\n"
        );
        let wide = table(Width::Wide);
        assert!(
            wide.ends_with(
                "10.0.0.5      <none>        Debian     6.1.0            podling://0.1.0\n"
            ),
            "{wide}"
        );
    }
}
