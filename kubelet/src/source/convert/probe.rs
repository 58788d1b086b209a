//! The probes of a container.

use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::model::{HttpGet, HttpHeader, PortRef, Probe, ProbeAction, ProbeKind, Probes, Scheme};
use crate::source::problem::Problems;

use super::network;

const SCHEMES: &[(&str, Scheme)] = &[("HTTP", Scheme::Http), ("HTTPS", Scheme::Https)];

pub(super) fn probes(path: &str, container: &core::Container, problems: &mut Problems) -> Probes {
    let mut read = |field: &str, probe: &Option<core::Probe>, kind| {
        let probe = probe.as_ref()?;
        one(&format!("{path}.{field}"), probe, kind, problems)
    };
    Probes {
        startup: read("startupProbe", &container.startup_probe, ProbeKind::Startup),
        readiness: read(
            "readinessProbe",
            &container.readiness_probe,
            ProbeKind::Readiness,
        ),
        liveness: read(
            "livenessProbe",
            &container.liveness_probe,
            ProbeKind::Liveness,
        ),
    }
}

/// An init container ends before anybody could ask it anything.
pub(super) fn refuse_for_init(spec: &core::PodSpec, problems: &mut Problems) {
    let init = spec.init_containers.iter().flatten().enumerate();
    let is_sidecar = |one: &core::Container| one.restart_policy.as_deref() == Some("Always");
    for (index, container) in init.filter(|(_, one)| !is_sidecar(one)) {
        let set = [
            ("lifecycle", container.lifecycle.is_some()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
        ];
        for (field, _) in set.iter().filter(|(_, is_set)| *is_set) {
            problems.invalid(
                format!("spec.initContainers[{index}].{field}"),
                "Forbidden: may not be set for init containers without restartPolicy=Always",
            );
        }
    }
}

fn one(path: &str, probe: &core::Probe, kind: ProbeKind, problems: &mut Problems) -> Option<Probe> {
    let mut count = |field: &str, value: Option<i32>| {
        not_negative(
            &format!("{path}.{field}"),
            value.unwrap_or_default().into(),
            problems,
        )
    };
    let initial_delay = count("initialDelaySeconds", probe.initial_delay_seconds);
    let timeout = count("timeoutSeconds", probe.timeout_seconds);
    let period = count("periodSeconds", probe.period_seconds);
    let successes = count("successThreshold", probe.success_threshold);
    let failures = count("failureThreshold", probe.failure_threshold);
    if kind != ProbeKind::Readiness && successes > 1 {
        let message = format!("Invalid value: {successes}: must be 1");
        problems.invalid(format!("{path}.successThreshold"), message);
    }
    let termination_grace = grace(path, probe, kind, problems);
    Some(Probe {
        action: action(path, probe, problems)?,
        initial_delay: Duration::from_secs(initial_delay),
        // A clock that ticks without a pause would never let go.
        period: Duration::from_secs(period.max(1)),
        timeout: Duration::from_secs(timeout.max(1)),
        success_threshold: threshold(successes),
        failure_threshold: threshold(failures),
        termination_grace,
    })
}

fn threshold(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

fn not_negative(field: &str, value: i64, problems: &mut Problems) -> u64 {
    u64::try_from(value).unwrap_or_else(|_| {
        let message = format!("Invalid value: {value}: must be greater than or equal to 0");
        problems.invalid(field, message);
        0
    })
}

fn grace(
    path: &str,
    probe: &core::Probe,
    kind: ProbeKind,
    problems: &mut Problems,
) -> Option<Duration> {
    let seconds = probe.termination_grace_period_seconds?;
    let field = format!("{path}.terminationGracePeriodSeconds");
    if kind == ProbeKind::Readiness {
        let message = format!("Invalid value: {seconds}: must not be set for readinessProbes");
        problems.invalid(field, message);
        return None;
    }
    let positive = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    if positive.is_none() {
        let message = format!("Invalid value: {seconds}: must be greater than 0");
        problems.invalid(field, message);
    }
    positive.map(Duration::from_secs)
}

/// Exactly one way of asking.
fn action(path: &str, probe: &core::Probe, problems: &mut Problems) -> Option<ProbeAction> {
    let mut actions = Vec::new();
    if let Some(exec) = &probe.exec {
        let command = command(&format!("{path}.exec"), exec, problems);
        actions.push(("exec", Some(ProbeAction::Exec(command))));
    }
    if let Some(get) = &probe.http_get {
        let get = http_get(&format!("{path}.httpGet"), get, problems);
        actions.push(("httpGet", get.map(ProbeAction::HttpGet)));
    }
    if let Some(socket) = &probe.tcp_socket {
        let port = port(&format!("{path}.tcpSocket.port"), &socket.port, problems);
        let host = socket.host.clone().filter(|host| !host.is_empty());
        let action = port.map(|port| ProbeAction::TcpSocket { host, port });
        actions.push(("tcpSocket", action));
    }
    if let Some(grpc) = &probe.grpc {
        let port = network::number(&format!("{path}.grpc.port"), grpc.port, problems);
        let service = grpc.service.clone().unwrap_or_default();
        actions.push(("grpc", Some(ProbeAction::Grpc { port, service })));
    }
    only(path, actions, problems)
}

/// The only one of the handlers that are written; it is a problem when there is none, or another.
pub(super) fn only<T>(
    path: &str,
    handlers: Vec<(&str, Option<T>)>,
    problems: &mut Problems,
) -> Option<T> {
    if handlers.is_empty() {
        problems.invalid(path, "Required value: must specify a handler type");
    }
    for (field, _) in handlers.iter().skip(1) {
        problems.invalid(
            format!("{path}.{field}"),
            "Forbidden: may not specify more than 1 handler type",
        );
    }
    handlers.into_iter().next().and_then(|(_, handler)| handler)
}

pub(super) fn command(path: &str, exec: &core::ExecAction, problems: &mut Problems) -> Vec<String> {
    let command = exec.command.clone().unwrap_or_default();
    if command.is_empty() {
        problems.required(format!("{path}.command"));
    }
    command
}

pub(super) fn http_get(
    path: &str,
    get: &core::HTTPGetAction,
    problems: &mut Problems,
) -> Option<HttpGet> {
    let scheme = get.scheme.as_deref().unwrap_or_default();
    let scheme = problems.word(format!("{path}.scheme"), scheme, SCHEMES);
    let port = port(&format!("{path}.port"), &get.port, problems);
    let headers = get.http_headers.iter().flatten().enumerate();
    let headers = headers
        .map(|(index, header)| {
            header_name(
                &format!("{path}.httpHeaders[{index}].name"),
                &header.name,
                problems,
            );
            HttpHeader {
                name: header.name.clone(),
                value: header.value.clone(),
            }
        })
        .collect();
    Some(HttpGet {
        scheme: scheme?,
        host: get.host.clone().filter(|host| !host.is_empty()),
        port: port?,
        path: get.path.clone().unwrap_or_default(),
        headers,
    })
}

fn header_name(field: &str, name: &str, problems: &mut Problems) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_plain) {
        let message = format!(
            "Invalid value: {name:?}: a valid HTTP header must consist of alphanumeric characters \
             or '-' (e.g. 'X-Header-Name')"
        );
        problems.invalid(field, message);
    }
}

pub(super) fn port(field: &str, port: &IntOrString, problems: &mut Problems) -> Option<PortRef> {
    match port {
        IntOrString::Int(number) => {
            let number = network::number(field, *number, problems);
            (number > 0).then_some(PortRef::Number(number))
        }
        IntOrString::String(name) => {
            // A number in quotes is a number all the same, unless a port is called so.
            if let Ok(number) = name.parse::<u16>() {
                return Some(PortRef::Number(number));
            }
            network::port_name(field, name, problems);
            Some(PortRef::Name(name.clone()))
        }
    }
}
