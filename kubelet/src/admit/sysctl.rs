//! Whether the kernel parameters that a pod sets are its own.

use super::Refusal;
use crate::model::{NetworkMode, PodSpec};

/// Kernel parameters that are a pod's own and touch nobody else, on kernels from 4.15 on.
const SAFE_SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// Why the pod may not set what it wants to, if it may not.
pub(super) fn refusal(spec: &PodSpec, allowed: &[String]) -> Option<Refusal> {
    let mut names = spec.security.sysctls.iter().map(|one| dotted(&one.name));
    names.find_map(|name| {
        let why = forbidden(&name, spec, allowed)?;
        let message = format!("forbidden sysctl: {why}");
        Some(Refusal::new("SysctlForbidden", message))
    })
}

fn forbidden(name: &str, spec: &PodSpec, allowed: &[String]) -> Option<String> {
    let matches = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(&dotted(prefix)),
        None => name == dotted(pattern),
    };
    if !SAFE_SYSCTLS.contains(&name) && !allowed.iter().any(matches) {
        return Some(format!("{name:?} not allowlisted"));
    }
    let host = match namespace(name)? {
        "net" => spec.namespaces.network == NetworkMode::Host,
        _ => spec.namespaces.host_ipc,
    };
    host.then(|| {
        let namespace = namespace(name).unwrap_or_default();
        format!("{name:?} not allowed with host {namespace} enabled")
    })
}

/// The namespace that a parameter belongs to.
fn namespace(name: &str) -> Option<&'static str> {
    const IPC: [&str; 3] = ["kernel.shm", "kernel.msg", "fs.mqueue."];
    if name.starts_with("net.") {
        Some("net")
    } else if name == "kernel.sem" || IPC.iter().any(|prefix| name.starts_with(prefix)) {
        Some("ipc")
    } else {
        None
    }
}

/// A name may be written with slashes: then dots are part of its words.
fn dotted(name: &str) -> String {
    match name.find(['.', '/']).map(|first| name.as_bytes()[first]) {
        Some(b'/') => name
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                c => c,
            })
            .collect(),
        _ => name.to_owned(),
    }
}
