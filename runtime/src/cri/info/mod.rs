//! The `info` maps of verbose answers: JSON texts that crictl prints.
//!
//! The names are those that scripts around crictl ask for: `.info.pid`, `.info.runtimeSpec`,
//! `.info.config`. `record` is podling's own.
#![deny(clippy::disallowed_methods)]

mod config;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use self::config::{container_config, sandbox_config};
use crate::lifecycle::{Lifecycle, PodSnapshot};
use crate::model::ContainerRecord;
use crate::model::config::NamespaceMode;
use crate::network::NetworkStatus;

/// What runs containers here.
const RUNTIME: &str = "podling";

fn info(value: &Value) -> BTreeMap<String, String> {
    BTreeMap::from([("info".to_owned(), value.to_string())])
}

/// Of a sandbox, whose cgroup is at `cgroup`.
pub(super) fn of_sandbox(pod: &PodSnapshot, cgroup: &str) -> BTreeMap<String, String> {
    let sandbox = &pod.sandbox;
    let pid = pod.pause_pid();
    info(&json!({
        "pid": pid.unwrap_or(0),
        "processStatus": if pid.is_some() { "running" } else { "stopped" },
        "netNamespaceClosed": pid.is_none(),
        "runtimeHandler": sandbox.config.runtime_handler,
        "runtimeType": RUNTIME,
        "config": sandbox_config(&sandbox.config),
        "runtimeSpec": {
            "hostname": sandbox.config.hostname,
            "linux": { "cgroupsPath": cgroup, "namespaces": namespaces(pod) },
        },
        "record": sandbox,
    }))
}

/// The namespaces that pause keeps for the pod, in the terms of the OCI spec; those of the host have
/// no entry.
fn namespaces(pod: &PodSnapshot) -> Vec<Value> {
    let Some(pid) = pod.pause_pid() else {
        return Vec::new();
    };
    let modes = &pod.sandbox.config.security.namespaces;
    let kinds = [
        ("network", "net", &modes.network),
        ("ipc", "ipc", &modes.ipc),
        ("uts", "uts", &modes.network),
        ("pid", "pid", &modes.pid),
    ];
    let of_pod = kinds
        .into_iter()
        .filter(|(_, _, mode)| **mode != NamespaceMode::Node);
    of_pod
        .map(|(kind, file, _)| json!({ "type": kind, "path": format!("/proc/{pid}/ns/{file}") }))
        .collect()
}

/// Of a container; `spec` is what it was, or will be, launched from.
pub(super) fn of_container(
    container: &ContainerRecord,
    spec: Option<Value>,
) -> BTreeMap<String, String> {
    info(&json!({
        "sandboxID": container.sandbox_id,
        "pid": container.running_pid().unwrap_or(0),
        "removing": false,
        "snapshotKey": container.id,
        "snapshotter": "overlayfs",
        "runtimeType": RUNTIME,
        "privileged": container.config.security.privileged,
        "config": container_config(&container.config),
        "runtimeSpec": spec,
        "record": container,
    }))
}

/// Where else the runtime is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    /// Streams.
    pub(super) streaming: SocketAddr,
    /// Metrics, if they are served.
    pub(super) metrics: Option<SocketAddr>,
}

/// Of the runtime. What concerns CNI has the names that containerd gives it.
pub(super) fn of_runtime(
    lifecycle: &Lifecycle,
    network: &NetworkStatus,
    addresses: Addresses,
) -> BTreeMap<String, String> {
    let parts = lifecycle.parts();
    let host = &parts.host;
    let mut all = info(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "streamingAddress": addresses.streaming,
        "metricsAddress": addresses.metrics,
        "eventSubscribers": parts.events.subscribers(),
        "host": {
            "cgroups": format!("{:?}", host.cgroup_mode),
            "swapLimit": host.swap_limit,
            "userNamespaces": host.user_namespaces,
            "recursiveReadOnly": host.recursive_read_only,
            "appArmor": format!("{:?}", host.apparmor),
        },
        "root": parts.layout.root(),
        "cgroupParent": parts.default_cgroup_parent,
        "programs": {
            "monitor": parts.programs.monitor,
            "launch": parts.programs.launch,
            "pause": parts.programs.pause,
        },
    }));
    // critest looks here for the file system that containers lie on.
    let config = json!({
        "stateDir": parts.layout.state_dir(),
        "cgroupDriver": parts.cgroup_driver.to_string(),
    });
    all.insert("config".to_owned(), config.to_string());
    all.insert("cniconfig".to_owned(), network.cni_config.to_string());
    all.insert(
        "lastCNILoadStatus".to_owned(),
        network.cni_load_status.clone(),
    );
    all
}

#[cfg(test)]
mod tests;
