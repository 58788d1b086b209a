//! `describe`: an object as kubectl describes it, line by line.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, Node, Pod};
use k8s_openapi::jiff::Timestamp;

use super::events::Event;
use super::{age, pod_status};

/// Where values begin: of an object, and of what is indented below it.
const COLUMN: usize = 18;
const COLUMN_BELOW: usize = 20;

/// Lines that grow.
#[derive(Default)]
struct Page(String);

impl Page {
    fn field(&mut self, depth: usize, name: &str, value: impl AsRef<str>) {
        let name = format!("{:indent$}{name}:", "", indent = 2 * depth);
        let column = if depth == 0 { COLUMN } else { COLUMN_BELOW };
        let line = format!("{name:<column$}{}", value.as_ref());
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// The first value behind the name, the others below it.
    fn fields(&mut self, depth: usize, name: &str, values: &[String]) {
        let none = ["<none>".to_owned()];
        let values = if values.is_empty() { &none } else { values };
        self.field(depth, name, &values[0]);
        for value in &values[1..] {
            self.0.push_str(&format!("{:COLUMN$}{value}\n", ""));
        }
    }
}

/// A pod with what happened to it.
pub(crate) fn pod(pod: &Pod, events: &[&Event], now: Timestamp) -> String {
    let mut page = Page::default();
    let metadata = &pod.metadata;
    let status = pod.status.clone().unwrap_or_default();
    let Some(spec) = &pod.spec else {
        return String::new();
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    page.field(0, "Name", text(&metadata.name));
    page.field(0, "Namespace", text(&metadata.namespace));
    page.field(0, "Priority", spec.priority.unwrap_or(0).to_string());
    let host = text(&status.host_ip);
    page.field(0, "Node", format!("{}/{host}", text(&spec.node_name)));
    let started = status.start_time.as_ref().map(|time| time.0.to_string());
    page.field(0, "Start Time", started.unwrap_or_default());
    page.fields(0, "Labels", &pairs(metadata.labels.as_ref(), "="));
    page.fields(
        0,
        "Annotations",
        &pairs(metadata.annotations.as_ref(), ": "),
    );
    page.field(0, "Status", pod_status::summarize(pod).status);
    for (name, value) in [("Reason", &status.reason), ("Message", &status.message)] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            page.field(0, name, value);
        }
    }
    page.field(0, "IP", text(&status.pod_ip));
    let ips = status
        .pod_ips
        .iter()
        .flatten()
        .map(|ip| ip.ip.clone())
        .collect::<Vec<_>>();
    page.fields(0, "IPs", &ips);
    let init = spec.init_containers.as_deref().unwrap_or(&[]);
    containers(
        &mut page,
        "Init Containers",
        init,
        status.init_container_statuses.as_deref(),
    );
    containers(
        &mut page,
        "Containers",
        &spec.containers,
        status.container_statuses.as_deref(),
    );
    page.0.push_str("Conditions:\n");
    for condition in status.conditions.iter().flatten() {
        page.0
            .push_str(&format!("  {:<28}{}\n", condition.type_, condition.status));
    }
    let volumes = spec
        .volumes
        .iter()
        .flatten()
        .map(|volume| volume.name.clone());
    page.fields(0, "Volumes", &volumes.collect::<Vec<_>>());
    page.field(0, "QoS Class", text(&status.qos_class));
    page.fields(
        0,
        "Node-Selectors",
        &pairs(spec.node_selector.as_ref(), "="),
    );
    happened(&mut page, events, now);
    page.0
}

fn containers(
    page: &mut Page,
    title: &str,
    specs: &[Container],
    statuses: Option<&[ContainerStatus]>,
) {
    if specs.is_empty() {
        return;
    }
    page.0.push_str(&format!("{title}:\n"));
    for spec in specs {
        let of_name = |one: &&ContainerStatus| one.name == spec.name;
        let status = statuses.unwrap_or(&[]).iter().find(of_name);
        page.0.push_str(&format!("  {}:\n", spec.name));
        container(page, spec, status);
    }
}

fn container(page: &mut Page, spec: &Container, status: Option<&ContainerStatus>) {
    let id = status.and_then(|status| status.container_id.clone());
    page.field(2, "Container ID", id.unwrap_or_default());
    page.field(2, "Image", spec.image.clone().unwrap_or_default());
    page.field(
        2,
        "Image ID",
        status
            .map(|status| status.image_id.clone())
            .unwrap_or_default(),
    );
    let ports = spec.ports.iter().flatten().map(|port| {
        format!(
            "{}/{}",
            port.container_port,
            port.protocol.as_deref().unwrap_or("TCP")
        )
    });
    let ports: Vec<_> = ports.collect();
    let name = if ports.len() > 1 { "Ports" } else { "Port" };
    page.field(2, name, or_none(ports.join(", ")));
    for (name, words) in [("Command", &spec.command), ("Args", &spec.args)] {
        if let Some(words) = words {
            page.0.push_str(&format!("    {name}:\n"));
            for word in words {
                page.0.push_str(&format!("      {word}\n"));
            }
        }
    }
    if let Some(status) = status {
        state(page, "State", status.state.as_ref());
        if status
            .last_state
            .as_ref()
            .is_some_and(|last| last.terminated.is_some())
        {
            state(page, "Last State", status.last_state.as_ref());
        }
        page.field(2, "Ready", if status.ready { "True" } else { "False" });
        page.field(2, "Restart Count", status.restart_count.to_string());
    }
    resources(page, spec);
    let variables = spec.env.iter().flatten().map(|one| {
        let value = one
            .value
            .clone()
            .unwrap_or_else(|| "<set from elsewhere>".to_owned());
        format!("{}:  {value}", one.name)
    });
    below(page, "Environment", variables.collect());
    let mounts = spec.volume_mounts.iter().flatten().map(|mount| {
        let mode = if mount.read_only == Some(true) {
            "ro"
        } else {
            "rw"
        };
        format!("{} from {} ({mode})", mount.mount_path, mount.name)
    });
    below(page, "Mounts", mounts.collect());
}

fn state(page: &mut Page, name: &str, state: Option<&ContainerState>) {
    let Some(state) = state else {
        return page.field(2, name, "Waiting");
    };
    if let Some(running) = &state.running {
        page.field(2, name, "Running");
        let started = running.started_at.as_ref().map(|time| time.0.to_string());
        page.field(3, "Started", started.unwrap_or_default());
    } else if let Some(ended) = &state.terminated {
        page.field(2, name, "Terminated");
        page.field(3, "Reason", ended.reason.clone().unwrap_or_default());
        if let Some(message) = &ended.message {
            page.field(3, "Message", message.trim_end());
        }
        page.field(3, "Exit Code", ended.exit_code.to_string());
        for (name, time) in [
            ("Started", &ended.started_at),
            ("Finished", &ended.finished_at),
        ] {
            let time = time.as_ref().map(|time| time.0.to_string());
            page.field(3, name, time.unwrap_or_default());
        }
    } else {
        page.field(2, name, "Waiting");
        let waiting = state.waiting.as_ref();
        for (name, value) in [
            (
                "Reason",
                waiting.and_then(|waiting| waiting.reason.as_ref()),
            ),
            (
                "Message",
                waiting.and_then(|waiting| waiting.message.as_ref()),
            ),
        ] {
            if let Some(value) = value {
                page.field(3, name, value);
            }
        }
    }
}

fn resources(page: &mut Page, spec: &Container) {
    let Some(resources) = &spec.resources else {
        return;
    };
    for (name, list) in [
        ("Limits", &resources.limits),
        ("Requests", &resources.requests),
    ] {
        let Some(list) = list.as_ref().filter(|list| !list.is_empty()) else {
            continue;
        };
        page.0.push_str(&format!("    {name}:\n"));
        for (resource, quantity) in list {
            page.field(3, resource, &quantity.0);
        }
    }
}

fn below(page: &mut Page, name: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return page.field(2, name, "<none>");
    }
    page.0.push_str(&format!("    {name}:\n"));
    for line in lines {
        page.0.push_str(&format!("      {line}\n"));
    }
}

fn happened(page: &mut Page, events: &[&Event], now: Timestamp) {
    if events.is_empty() {
        return page.field(0, "Events", "<none>");
    }
    page.0.push_str("Events:\n");
    for line in super::events::rows(events, now).lines() {
        page.0.push_str(&format!("  {line}\n"));
    }
}

/// A node.
pub(crate) fn node(node: &Node, now: Timestamp) -> String {
    let mut page = Page::default();
    let status = node.status.clone().unwrap_or_default();
    page.field(0, "Name", node.metadata.name.clone().unwrap_or_default());
    page.fields(0, "Labels", &pairs(node.metadata.labels.as_ref(), "="));
    page.fields(
        0,
        "Annotations",
        &pairs(node.metadata.annotations.as_ref(), ": "),
    );
    let created = node.metadata.creation_timestamp.as_ref().map(|time| time.0);
    page.field(0, "Age", age::since(created, now));
    page.0.push_str("Conditions:\n");
    for condition in status.conditions.iter().flatten() {
        let reason = condition.reason.as_deref().unwrap_or_default();
        let message = condition.message.as_deref().unwrap_or_default();
        page.0.push_str(&format!(
            "  {:<17}{:<9}{reason:<29}{message}\n",
            condition.type_, condition.status
        ));
    }
    page.0.push_str("Addresses:\n");
    for address in status.addresses.iter().flatten() {
        page.field(1, &address.type_, &address.address);
    }
    for (name, list) in [
        ("Capacity", &status.capacity),
        ("Allocatable", &status.allocatable),
    ] {
        page.0.push_str(&format!("{name}:\n"));
        for (resource, quantity) in list.iter().flatten() {
            page.0
                .push_str(&format!("  {:<20}{}\n", format!("{resource}:"), quantity.0));
        }
    }
    page.0.push_str("System Info:\n");
    if let Some(facts) = &status.node_info {
        for (name, value) in [
            ("Machine ID", &facts.machine_id),
            ("System UUID", &facts.system_uuid),
            ("Boot ID", &facts.boot_id),
            ("Kernel Version", &facts.kernel_version),
            ("OS Image", &facts.os_image),
            ("Operating System", &facts.operating_system),
            ("Architecture", &facts.architecture),
            (
                "Container Runtime Version",
                &facts.container_runtime_version,
            ),
            ("Kubelet Version", &facts.kubelet_version),
        ] {
            page.0
                .push_str(&format!("  {:<28}{value}\n", format!("{name}:")));
        }
    }
    page.0
}

fn pairs(map: Option<&BTreeMap<String, String>>, between: &str) -> Vec<String> {
    let all = map.into_iter().flatten();
    all.map(|(name, value)| format!("{name}{between}{value}"))
        .collect()
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_described_with_its_containers() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "web-node", "namespace": "default", "labels": { "app": "web", "tier": "1" },
            },
            "spec": {
                "nodeName": "node",
                "containers": [{
                    "name": "web", "image": "web:1", "args": ["-v"],
                    "ports": [{ "containerPort": 80 }],
                    "resources": { "limits": { "memory": "1Gi" } },
                    "env": [{ "name": "A", "value": "b" }],
                    "volumeMounts": [{ "name": "data", "mountPath": "/data", "readOnly": true }],
                }],
                "volumes": [{ "name": "data" }],
            },
            "status": {
                "phase": "Running", "hostIP": "10.0.0.5", "podIP": "10.88.0.2", "qosClass": "Burstable",
                "podIPs": [{ "ip": "10.88.0.2" }],
                "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": [{
                    "name": "web", "image": "web:1", "imageID": "sha256:1", "ready": true,
                    "restartCount": 2, "containerID": "podling://c",
                    "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
                    "lastState": { "terminated": { "exitCode": 1, "reason": "Error" } },
                }],
            },
        }))
        .unwrap();
        let text = super::pod(&pod, &[], Timestamp::UNIX_EPOCH);
        for line in [
            "Name:             web-node",
            "Node:             node/10.0.0.5",
            "Labels:           app=web",
            "                  tier=1",
            "Annotations:      <none>",
            "Status:           Running",
            "Containers:",
            "  web:",
            "    Container ID:   podling://c",
            "    Port:           80/TCP",
            "    State:          Running",
            "      Started:      2026-01-01T00:00:00Z",
            "    Last State:     Terminated",
            "      Exit Code:    1",
            "    Ready:          True",
            "    Restart Count:  2",
            "      memory:       1Gi",
            "      A:  b",
            "      /data from data (ro)",
            "  Ready                       True",
            "Volumes:          data",
            "QoS Class:        Burstable",
            "Events:           <none>",
        ] {
            assert!(text.lines().any(|one| one == line), "{line:?}\n{text}");
        }
    }
}
