//! Whether a configuration can be used: upstream's rules and words, every one that is broken.
#![deny(clippy::disallowed_methods)]

mod limits;
mod numbers;
mod words;

use std::net::IpAddr;

use super::{Configuration, Duration, gates, logging};
use crate::server::TlsWords;
use crate::source::Page;

/// What rules need to know of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its cgroups.
    pub cgroups: CgroupVersion,
    /// Its swap.
    pub swap: Swap,
}

/// The cgroups of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// The hierarchies of controllers.
    V1,
    /// The one hierarchy.
    V2,
}

/// Whether a machine swaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It may.
    On,
    /// It has nowhere to.
    Off,
}

/// Collects what is wrong.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn when(&mut self, is_wrong: bool, message: impl FnOnce() -> String) {
        if is_wrong {
            self.0.push(message());
        }
    }
}

/// Everything that is wrong with the configuration, in upstream's words.
pub(super) fn validate(configuration: &Configuration, machine: Machine) -> Vec<String> {
    let mut complaints = Complaints::default();
    numbers::check(configuration, &mut complaints);
    words::check(configuration, &mut complaints);
    limits::check(configuration, &mut complaints);
    addresses(configuration, &mut complaints);
    page(configuration, &mut complaints);
    complaints.0.extend(gates::complaints(configuration));
    complaints.0.extend(logging::complaints(configuration));
    shutdown(configuration, &mut complaints);
    tls(configuration, &mut complaints);
    complaints
        .0
        .extend(crate::evict::thresholds(configuration).1);
    kernel(configuration, machine, &mut complaints);
    complaints.0
}

fn addresses(configuration: &Configuration, complaints: &mut Complaints) {
    for (name, address) in [
        ("address (--address)", &configuration.address),
        (
            "healthzBindAddress (--healthz-bind-address)",
            &configuration.healthz_bind_address,
        ),
    ] {
        complaints.when(address.parse::<IpAddr>().is_err(), || {
            format!("{name} {address:?} must be an IP address")
        });
    }
    for server in &configuration.cluster_dns {
        complaints.when(server.parse::<IpAddr>().is_err(), || {
            format!("clusterDNS (--cluster-dns) {server:?} must be an IP address")
        });
    }
    let logs = &configuration.pod_logs_dir;
    complaints.when(!logs.starts_with('/'), || {
        format!("pod logs path {logs:?} must be absolute path")
    });
    complaints.when(!is_normalized(logs), || {
        format!("pod logs path {logs:?} must be normalized")
    });
    complaints.when(!logs.is_ascii(), || {
        format!("pod logs path {logs:?} must contain ASCII characters only")
    });
}

fn page(configuration: &Configuration, complaints: &mut Complaints) {
    let (url, headers) = (
        &configuration.static_pod_url,
        &configuration.static_pod_url_header,
    );
    let period = configuration.http_check_frequency;
    complaints.when(!url.is_empty() && period <= Duration::default(), || {
        format!("httpCheckFrequency (--http-check-frequency) {period} must be greater than 0")
    });
    let read = Page::read(url, headers, period.to_std());
    for problem in read.err().into_iter().flatten().filter(|_| !url.is_empty()) {
        complaints.when(true, || problem);
    }
}

/// A final slash is let pass: upstream's own documentation writes the default with one.
fn is_normalized(path: &str) -> bool {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner
        .split('/')
        .all(|part| !matches!(part, "" | "." | ".."))
}

fn shutdown(configuration: &Configuration, complaints: &mut Complaints) {
    let (all, critical) = (
        configuration.shutdown_grace_period,
        configuration.shutdown_grace_period_critical_pods,
    );
    complaints.when(critical > all, || {
        format!("shutdownGracePeriodCriticalPods {critical} must be <= shutdownGracePeriod {all}")
    });
    for (name, period) in [
        ("shutdownGracePeriod", all),
        ("shutdownGracePeriodCriticalPods", critical),
    ] {
        let is_short = period > Duration::default() && period < Duration::seconds(1);
        complaints.when(period.is_negative() || is_short, || {
            format!("{name} {period} must be either zero or otherwise >= 1 sec")
        });
    }
    let is_by_priority = !configuration
        .shutdown_grace_period_by_pod_priority
        .is_empty();
    complaints.when(
        is_by_priority && (all > Duration::default() || critical > Duration::default()),
        || {
            "Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the \
             same time"
                .to_owned()
        },
    );
}

fn tls(configuration: &Configuration, complaints: &mut Complaints) {
    let words = TlsWords::read(
        &configuration.tls_min_version,
        &configuration.tls_cipher_suites,
    );
    for unknown in words.err().into_iter().flatten() {
        complaints.when(true, || unknown.to_string());
    }
    let is_half =
        configuration.tls_cert_file.is_empty() != configuration.tls_private_key_file.is_empty();
    complaints.when(is_half, || {
        "tlsCertFile (--tls-cert-file) and tlsPrivateKeyFile (--tls-private-key-file) must be \
         given together"
            .to_owned()
    });
}

fn kernel(configuration: &Configuration, machine: Machine, complaints: &mut Complaints) {
    complaints.when(configuration.fail_swap_on && machine.swap == Swap::On, || {
        "running with swap on is not supported, please disable swap or set --fail-swap-on flag to \
         false"
            .to_owned()
    });
    let is_v1 = machine.cgroups == CgroupVersion::V1;
    complaints.when(is_v1 && configuration.fail_cgroup_v1, || {
        "kubelet is configured to not run on a host using cgroup v1 (failCgroupV1, \
         --fail-cgroupv1)"
            .to_owned()
    });
    complaints.when(
        is_v1 && configuration.single_process_oom_kill == Some(false),
        || {
            "singleProcessOOMKill must not be explicitly set to false when using cgroup v1"
                .to_owned()
        },
    );
    let ids = configuration
        .user_namespaces
        .as_ref()
        .and_then(|one| one.ids_per_pod);
    if let Some(ids) = ids {
        complaints.when(ids < 65_536, || {
            "userNamespaces.idsPerPod must not be less than 65536".to_owned()
        });
        complaints.when(ids % 65_536 != 0, || {
            "userNamespaces.idsPerPod must be a multiple of 65536".to_owned()
        });
        complaints.when(ids > i64::from(u32::MAX), || {
            format!(
                "userNamespaces.idsPerPod must not be more than {}",
                u32::MAX
            )
        });
    }
}

#[cfg(test)]
mod tests;
