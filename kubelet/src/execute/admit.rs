//! What a pod asks for that this node does not give: pure.

#![deny(clippy::disallowed_methods)]

use super::node::PodSettings;
use crate::cri::RuntimeFeatures;
use crate::model::{NetworkMode, Pod, PodSpec, SupplementalGroupsPolicy, UserMode};

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

/// Why a pod does not run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// One word.
    pub(super) reason: &'static str,
    /// A sentence.
    pub(super) message: String,
}

/// What stands against running the pod, if anything does.
pub(super) fn refusal(
    pod: &Pod,
    settings: &PodSettings,
    (features, handler): (&RuntimeFeatures, &str),
) -> Option<Refusal> {
    let sysctls = sysctls(&pod.spec, &settings.allowed_unsafe_sysctls);
    sysctls.or_else(|| runtime(&pod.spec, features, handler))
}

/// Whether the runtime has to be asked what it can.
pub(super) fn needs_features(spec: &PodSpec) -> bool {
    spec.namespaces.user == UserMode::Pod
        || spec.security.supplemental_groups_policy == SupplementalGroupsPolicy::Strict
}

fn runtime(spec: &PodSpec, features: &RuntimeFeatures, handler: &str) -> Option<Refusal> {
    let is_strict = spec.security.supplemental_groups_policy == SupplementalGroupsPolicy::Strict;
    if is_strict && !features.supplemental_groups_policy {
        return Some(Refusal {
            reason: "SupplementalGroupsPolicyNotSupported",
            message: "SupplementalGroupsPolicy=Strict is not supported in this node".to_owned(),
        });
    }
    if spec.namespaces.user == UserMode::Pod && !features.handler(handler).user_namespaces {
        let who = match handler {
            "" => "runtime".to_owned(),
            name => format!("RuntimeClass handler {name:?}"),
        };
        return Some(Refusal {
            reason: "FailedCreatePodSandBox",
            message: format!(
                "Failed to create pod sandbox: can't set `spec.hostUsers: false`, {who} does not \
                 support user namespaces"
            ),
        });
    }
    None
}

fn sysctls(spec: &PodSpec, allowed: &[String]) -> Option<Refusal> {
    let mut names = spec.security.sysctls.iter().map(|one| dotted(&one.name));
    names.find_map(|name| {
        let why = forbidden(&name, spec, allowed)?;
        Some(Refusal {
            reason: "SysctlForbidden",
            message: format!("forbidden sysctl: {why}"),
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::HandlerFeatures;
    use crate::model::{RestartPolicy, Sysctl};
    use crate::plan::fixture;

    fn with_sysctl(name: &str) -> Pod {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        pod.spec.security.sysctls = vec![Sysctl {
            name: name.to_owned(),
            value: "1".to_owned(),
        }];
        pod
    }

    fn told(pod: &Pod) -> Option<String> {
        let settings = PodSettings {
            allowed_unsafe_sysctls: vec!["kernel.msg*".to_owned(), "net.core.somaxconn".to_owned()],
            ..PodSettings::default()
        };
        let refusal = refusal(pod, &settings, (&RuntimeFeatures::default(), ""))?;
        Some(format!("{}: {}", refusal.reason, refusal.message))
    }

    #[test]
    fn safe_and_allowed_parameters_are_set_and_all_others_forbidden() {
        let rows = [
            ("net.ipv4.tcp_syncookies", None),
            ("net/ipv4/tcp_syncookies", None),
            ("net.core.somaxconn", None),
            ("kernel.msgmax", None),
            (
                "vm.swappiness",
                Some("SysctlForbidden: forbidden sysctl: \"vm.swappiness\" not allowlisted"),
            ),
        ];
        for (name, expected) in rows {
            assert_eq!(told(&with_sysctl(name)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_parameter_of_a_namespace_of_the_host_is_forbidden() {
        let mut pod = with_sysctl("net.ipv4.tcp_syncookies");
        pod.spec.namespaces.network = NetworkMode::Host;
        let expected = "SysctlForbidden: forbidden sysctl: \"net.ipv4.tcp_syncookies\" not \
                        allowed with host net enabled";
        assert_eq!(told(&pod).as_deref(), Some(expected));
    }

    #[test]
    fn what_the_runtime_cannot_is_refused() {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        pod.spec.namespaces.user = UserMode::Pod;
        assert!(told(&pod).is_some_and(|told| told.contains("user namespaces")));
        let can = RuntimeFeatures {
            handlers: [(
                String::new(),
                HandlerFeatures {
                    user_namespaces: true,
                    ..HandlerFeatures::default()
                },
            )]
            .into(),
            ..RuntimeFeatures::default()
        };
        assert_eq!(refusal(&pod, &PodSettings::default(), (&can, "")), None);
        pod.spec.security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
        let refusal = refusal(&pod, &PodSettings::default(), (&can, ""));
        assert_eq!(
            refusal.map(|refusal| refusal.reason),
            Some("SupplementalGroupsPolicyNotSupported")
        );
    }
}
