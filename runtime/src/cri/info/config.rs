//! Requests as JSON, with the names that the contract's messages have in it.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use crate::model::config::{Mount, Resources};
use crate::model::{ContainerConfig, SandboxConfig};

/// `ContainerConfig`, as far as it was asked for.
pub(super) fn container_config(config: &ContainerConfig) -> Value {
    let envs = config.envs.iter().map(|variable| {
        json!({ "key": variable.name, "value": String::from_utf8_lossy(&variable.value) })
    });
    json!({
        "metadata": { "name": config.metadata.name, "attempt": config.metadata.attempt },
        "image": { "image": config.image, "user_specified_image": config.user_specified_image },
        "command": config.command,
        "args": config.args,
        "working_dir": config.working_dir,
        "envs": envs.collect::<Vec<_>>(),
        "mounts": config.mounts.iter().map(mount).collect::<Vec<_>>(),
        "devices": config.devices,
        "labels": config.labels,
        "annotations": config.annotations,
        "log_path": config.log_path,
        "stdin": config.stdin,
        "stdin_once": config.stdin_once,
        "tty": config.tty,
        "linux": {
            "resources": resources(&config.resources),
            "security_context": config.security,
        },
    })
}

/// `PodSandboxConfig`.
pub(super) fn sandbox_config(config: &SandboxConfig) -> Value {
    let pod = &config.resources;
    json!({
        "metadata": config.metadata,
        "hostname": config.hostname,
        "log_directory": config.log_directory,
        "dns_config": config.dns,
        "port_mappings": config.port_mappings,
        "labels": config.labels,
        "annotations": config.annotations,
        "linux": {
            "cgroup_parent": config.cgroup_parent,
            "sysctls": config.sysctls,
            "security_context": config.security,
            "resources": pod.containers.as_ref().map(resources),
            "overhead": pod.overhead.as_ref().map(resources),
        },
    })
}

fn mount(mount: &Mount) -> Value {
    json!({
        "container_path": mount.container_path,
        "host_path": mount.host_path,
        "readonly": mount.readonly,
    })
}

fn resources(resources: &Resources) -> Value {
    json!({
        "cpu_period": resources.cpu_period.unwrap_or(0),
        "cpu_quota": resources.cpu_quota.unwrap_or(0),
        "cpu_shares": resources.cpu_shares.unwrap_or(0),
        "memory_limit_in_bytes": resources.memory_limit.unwrap_or(0),
        "memory_swap_limit_in_bytes": resources.memory_swap_limit.unwrap_or(0),
        "oom_score_adj": resources.oom_score_adj,
        "cpuset_cpus": resources.cpuset_cpus,
        "cpuset_mems": resources.cpuset_mems,
        "hugepage_limits": resources.hugepage_limits,
        "unified": resources.unified,
    })
}
