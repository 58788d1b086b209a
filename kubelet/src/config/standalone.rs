//! What a kubelet without an API server does where upstream's defaults assume one.
//!
//! Upstream listens on every address and asks the API server who comes and what he may do. Without
//! one nobody could be let in safely, so a kubelet alone listens on loopback and lets in who shows a
//! client certificate; what asks an API server is refused by name.
#![deny(clippy::disallowed_methods)]

use super::Loaded;

/// Fields that upstream's kubelet fails over and podling only when they are written: it runs on
/// machines with swap, and with either version of cgroups.
pub(super) fn settle(loaded: &mut Loaded) {
    let is_in_cluster = loaded.flag("kubeconfig").is_some();
    let is_given = |name: &str| loaded.given.contains(name);
    let configuration = &mut loaded.configuration;
    if !is_given("failCgroupV1") {
        configuration.fail_cgroup_v1 = false;
    }
    if !is_given("failSwapOn") {
        configuration.fail_swap_on = false;
    }
    if !is_given("address") && !is_in_cluster {
        "127.0.0.1".clone_into(&mut configuration.address);
    }
    if is_given("nodeStatusUpdateFrequency") && !is_given("nodeStatusReportFrequency") {
        configuration.node_status_report_frequency = configuration.node_status_update_frequency;
    }
    configuration
        .authentication
        .webhook
        .enabled
        .get_or_insert(is_in_cluster);
    configuration
        .authentication
        .anonymous
        .enabled
        .get_or_insert(false);
    if configuration.authorization.mode.is_empty() {
        let mode = if is_in_cluster {
            "Webhook"
        } else {
            "AlwaysAllow"
        };
        mode.clone_into(&mut configuration.authorization.mode);
    }
    let parallel = configuration.max_parallel_image_pulls;
    let serialize = parallel.is_none_or(|count| count < 2);
    configuration.serialize_image_pulls.get_or_insert(serialize);
}

/// What cannot be done without an API server.
pub(super) fn problems(loaded: &Loaded) -> Vec<String> {
    let mut problems = Vec::new();
    if loaded.flag("kubeconfig").is_some() {
        return problems;
    }
    if loaded.flag("bootstrap-kubeconfig").is_some() {
        problems.push(
            "--bootstrap-kubeconfig gets a client certificate for the kubeconfig of --kubeconfig, which \
             is missing: say where that shall be written"
                .to_owned(),
        );
    }
    let configuration = &loaded.configuration;
    if configuration.server_tls_bootstrap {
        problems.push(
            "serverTLSBootstrap (--rotate-server-certificates) lets an API server sign the kubelet's \
             certificate, and this kubelet has none: join one with --kubeconfig, or give tlsCertFile \
             and tlsPrivateKeyFile"
                .to_owned(),
        );
    }
    if configuration.authentication.webhook.enabled == Some(true) {
        problems.push(
            "authentication.webhook.enabled (--authentication-token-webhook) asks an API server \
             whose a token is, and this kubelet has none: join one with --kubeconfig, or set it to false and let clients in by \
             certificate (authentication.x509.clientCAFile)"
                .to_owned(),
        );
    }
    if configuration.authorization.mode == "Webhook" {
        problems.push(
            "authorization.mode (--authorization-mode) Webhook asks an API server what a client \
             may do, and this kubelet has none: use AlwaysAllow, which lets every client with a \
             certificate do everything"
                .to_owned(),
        );
    }
    problems
}
