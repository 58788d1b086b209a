//! The hooks of a container.

use std::time::Duration;

use k8s_openapi::api::core::v1 as core;

use crate::model::{ContainerPort, Hook, Lifecycle, Protocol};
use crate::source::problem::Problems;

use super::probe::{command, http_get, only};

pub(super) fn lifecycle(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Lifecycle {
    let Some(lifecycle) = &container.lifecycle else {
        return Lifecycle::default();
    };
    let mut read = |field: &str, handler: &Option<core::LifecycleHandler>| {
        let handler = handler.as_ref()?;
        hook(&format!("{path}.lifecycle.{field}"), handler, problems)
    };
    Lifecycle {
        post_start: read("postStart", &lifecycle.post_start),
        pre_stop: read("preStop", &lifecycle.pre_stop),
    }
}

fn hook(path: &str, handler: &core::LifecycleHandler, problems: &mut Problems) -> Option<Hook> {
    let mut hooks = Vec::new();
    if let Some(exec) = &handler.exec {
        let command = command(&format!("{path}.exec"), exec, problems);
        hooks.push(("exec", Some(Hook::Exec(command))));
    }
    if let Some(get) = &handler.http_get {
        let get = http_get(&format!("{path}.httpGet"), get, problems);
        hooks.push(("httpGet", get.map(Hook::HttpGet)));
    }
    if let Some(sleep) = &handler.sleep {
        let seconds = u64::try_from(sleep.seconds).unwrap_or_default();
        hooks.push(("sleep", Some(Hook::Sleep(Duration::from_secs(seconds)))));
    }
    if handler.tcp_socket.is_some() {
        let message = "Forbidden: not supported as a lifecycle handler: use exec, httpGet or sleep";
        problems.invalid(format!("{path}.tcpSocket"), message);
        hooks.push(("tcpSocket", None));
    }
    only(path, hooks, problems)
}

/// No hook sleeps longer than its pod may take to end.
pub(super) fn sleeps_fit(spec: &core::PodSpec, problems: &mut Problems) {
    let grace = spec.termination_grace_period_seconds.unwrap_or_default();
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (list, containers) in [("initContainers", init), ("containers", &spec.containers)] {
        for (index, container) in containers.iter().enumerate() {
            let Some(lifecycle) = &container.lifecycle else {
                continue;
            };
            let hooks = [
                ("postStart", &lifecycle.post_start),
                ("preStop", &lifecycle.pre_stop),
            ];
            for (field, hook) in hooks {
                let sleep = hook.as_ref().and_then(|hook| hook.sleep.as_ref());
                let path = format!("spec.{list}[{index}].lifecycle.{field}.sleep");
                if let Some(sleep) = sleep {
                    sleep_fits(&path, sleep.seconds, grace, problems);
                }
            }
        }
    }
}

fn sleep_fits(path: &str, seconds: i64, grace: i64, problems: &mut Problems) {
    if seconds < 0 || seconds > grace {
        let message = format!(
            "Invalid value: {seconds}: must be non-negative and less than \
             terminationGracePeriodSeconds ({grace})"
        );
        problems.invalid(path, message);
    }
}

/// A hook from the annotation of a container that was made with it, and the ports from the other.
/// What cannot be read is no hook.
pub fn read_hook(json: &str, ports: Option<&str>) -> Option<Hook> {
    let handler: core::LifecycleHandler = serde_json::from_str(json).ok()?;
    let hook = hook("preStop", &handler, &mut Problems::default())?;
    let ports: Vec<core::ContainerPort> = ports
        .and_then(|ports| serde_json::from_str(ports).ok())
        .unwrap_or_default();
    let named = ports.into_iter().filter_map(|port| {
        Some(ContainerPort {
            name: port.name,
            protocol: Protocol::Tcp,
            container_port: u16::try_from(port.container_port).ok()?,
            host_port: None,
            host_ip: None,
        })
    });
    Some(hook.resolved(&named.collect::<Vec<_>>()))
}
