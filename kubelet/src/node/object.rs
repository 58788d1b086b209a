//! The v1 Node, field by field as upstream's kubelet fills it in: pure.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::facts::Facts;
use super::{Identity, room};
use crate::cri::RuntimeFeatures;

use crate::model::StringMap;

/// The version of the Kubernetes API that this kubelet speaks, and its own.
pub const VERSION: &str = concat!("v1.36.0+podling.", env!("CARGO_PKG_VERSION"));

pub(super) fn node(
    identity: &Identity,
    facts: &Facts,
    troubles: &[String],
    began: Timestamp,
    now: Timestamp,
) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": identity.name,
            "labels": labels(identity, facts),
            "creationTimestamp": seconds(began),
        },
        "spec": {},
        "status": {
            "capacity": with_devices(capacity(identity, facts), facts, |(all, _)| all),
            "allocatable": with_devices(allocatable(identity, facts), facts, |(_, usable)| usable),
            "conditions": conditions(troubles, began, now),
            "addresses": addresses(identity),
            "daemonEndpoints": { "kubeletEndpoint": { "Port": identity.port.unwrap_or(0) } },
            "nodeInfo": {
                "machineID": facts.machine_id,
                "systemUUID": facts.system_uuid,
                "bootID": facts.boot_id,
                "kernelVersion": facts.kernel,
                "osImage": facts.os_image,
                "containerRuntimeVersion": facts.runtime,
                "kubeletVersion": VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": facts.architecture,
            },
        },
    });
    if let Some(declared) = identity.declared.as_ref().filter(|all| !all.is_empty()) {
        object["status"]["declaredFeatures"] = json!(declared);
    }
    if facts.swap > 0 {
        object["status"]["nodeInfo"]["swap"] = json!({ "capacity": facts.swap });
    }
    object
}

/// What the runtime can do, handler by handler.
pub(super) fn tell_features(status: &mut Value, features: &RuntimeFeatures) {
    let handlers = features.handlers.iter().map(|(name, can)| {
        json!({
            "name": name,
            "features": {
                "recursiveReadOnlyMounts": can.recursive_read_only,
                "userNamespaces": can.user_namespaces,
            },
        })
    });
    let handlers: Vec<Value> = handlers.collect();
    if !handlers.is_empty() {
        status["runtimeHandlers"] = handlers.into();
    }
    status["features"] = json!({ "supplementalGroupsPolicy": features.supplemental_groups_policy });
}

pub(super) fn labels(identity: &Identity, facts: &Facts) -> StringMap {
    let mut labels = StringMap::new();
    for (name, value) in [
        ("beta.kubernetes.io/arch", facts.architecture),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", facts.architecture),
        ("kubernetes.io/hostname", &identity.name),
        ("kubernetes.io/os", "linux"),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    labels.extend(identity.labels.iter().cloned());
    labels
}

fn capacity(identity: &Identity, facts: &Facts) -> Map<String, Value> {
    let pods = identity.reserve.pods(facts.cpus).to_string();
    let disk = identity.reserve.has_storage().then(|| binary(facts.disk));
    resources(facts, (facts.cpus * 1000, facts.memory, disk, pods))
}

/// What is left of the disk is written in bytes, as upstream writes it.
fn allocatable(identity: &Identity, facts: &Facts) -> Map<String, Value> {
    let room = room::allocatable(&identity.reserve, facts);
    let disk = room.ephemeral_storage.to_string();
    let disk = identity.reserve.has_storage().then_some(disk);
    let pods = identity.reserve.pods(facts.cpus).to_string();
    resources(facts, (room.cpu_millis, room.memory, disk, pods))
}

/// Devices of plugins beside what the machine has by itself.
fn with_devices(
    mut all: Map<String, Value>,
    facts: &Facts,
    count: fn((u64, u64)) -> u64,
) -> Map<String, Value> {
    let devices = facts.devices.iter();
    all.extend(devices.map(|(name, counts)| (name.clone(), count(*counts).to_string().into())));
    all
}

fn resources(
    facts: &Facts,
    (cpu_millis, memory, disk, pods): (u64, u64, Option<String>, String),
) -> Map<String, Value> {
    let mut all = Map::new();
    let cpu = match cpu_millis % 1000 {
        0 => (cpu_millis / 1000).to_string(),
        _ => format!("{cpu_millis}m"),
    };
    all.insert("cpu".to_owned(), cpu.into());
    if let Some(disk) = disk {
        all.insert("ephemeral-storage".to_owned(), disk.into());
    }
    for (size, bytes) in &facts.huge_pages {
        all.insert(
            format!("hugepages-{}", binary(*size)),
            binary(*bytes).into(),
        );
    }
    all.insert("memory".to_owned(), binary(memory).into());
    all.insert("pods".to_owned(), pods.into());
    all
}

/// Bytes with the largest binary unit that leaves no fraction: `2Mi`, `16303984Ki`, `0`.
pub(crate) fn binary(bytes: u64) -> String {
    let mut value = bytes;
    let mut unit = "";
    for larger in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
        if value == 0 || !value.is_multiple_of(1024) {
            break;
        }
        value /= 1024;
        unit = larger;
    }
    format!("{value}{unit}")
}

fn conditions(troubles: &[String], began: Timestamp, now: Timestamp) -> Vec<Value> {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind,
            "status": status,
            "lastHeartbeatTime": seconds(now),
            "lastTransitionTime": seconds(began),
            "reason": reason,
            "message": message,
        })
    };
    let ready = if troubles.is_empty() {
        condition(
            "Ready",
            "True",
            "KubeletReady",
            "kubelet is posting ready status",
        )
    } else {
        condition("Ready", "False", "KubeletNotReady", &troubles.join(", "))
    };
    vec![
        condition(
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        condition(
            "DiskPressure",
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        condition(
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ready,
    ]
}

fn addresses(identity: &Identity) -> Vec<Value> {
    let known = identity.addresses.borrow();
    let internal = known.iter();
    let internal = internal.map(|ip| json!({ "type": "InternalIP", "address": ip }));
    let hostname = json!({ "type": "Hostname", "address": identity.name });
    internal.chain([hostname]).collect()
}

/// API times have no fraction.
pub(super) fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}
