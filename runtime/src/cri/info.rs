//! The `info` maps of verbose answers: JSON texts that crictl prints.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::lifecycle::{Lifecycle, PodSnapshot};
use crate::model::ContainerRecord;
use crate::network::NetworkStatus;

fn info(value: &Value) -> BTreeMap<String, String> {
    BTreeMap::from([("info".to_owned(), value.to_string())])
}

/// Of a sandbox.
pub(super) fn of_sandbox(pod: &PodSnapshot) -> BTreeMap<String, String> {
    info(&json!({ "pid": pod.pause_pid().unwrap_or(0), "record": pod.sandbox }))
}

/// Of a container.
pub(super) fn of_container(container: &ContainerRecord) -> BTreeMap<String, String> {
    let pid = container.running_pid().unwrap_or(0);
    info(&json!({ "sandboxID": container.sandbox_id, "pid": pid, "record": container }))
}

/// Of the runtime. What concerns CNI has the names that containerd gives it.
pub(super) fn of_runtime(
    lifecycle: &Lifecycle,
    network: &NetworkStatus,
) -> BTreeMap<String, String> {
    let parts = lifecycle.parts();
    let mut all = info(&json!({
        "root": parts.layout.root(),
        "cgroupParent": parts.default_cgroup_parent,
        "programs": {
            "monitor": parts.programs.monitor,
            "launch": parts.programs.launch,
            "pause": parts.programs.pause,
        },
    }));
    all.insert("cniconfig".to_owned(), network.cni_config.to_string());
    all.insert(
        "lastCNILoadStatus".to_owned(),
        network.cni_load_status.clone(),
    );
    all
}
