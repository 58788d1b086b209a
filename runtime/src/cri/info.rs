//! The `info` maps of verbose answers: JSON texts that crictl prints.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::lifecycle::{Lifecycle, PodSnapshot};
use crate::model::ContainerRecord;

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

/// Of the runtime.
pub(super) fn of_runtime(lifecycle: &Lifecycle) -> BTreeMap<String, String> {
    let parts = lifecycle.parts();
    info(&json!({
        "root": parts.layout.root(),
        "cgroupParent": parts.default_cgroup_parent,
        "programs": {
            "monitor": parts.programs.monitor,
            "launch": parts.programs.launch,
            "pause": parts.programs.pause,
        },
    }))
}
