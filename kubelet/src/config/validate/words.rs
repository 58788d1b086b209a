//! Words that must be one of a few.

use super::Complaints;
use crate::config::Configuration;
use crate::pinning;
use crate::pulled::Policy;

pub(super) fn check(configuration: &Configuration, complaints: &mut Complaints) {
    let fields: [(&str, &str, &[&str]); 9] = [
        (
            "topologyManagerPolicy (--topology-manager-policy)",
            &configuration.topology_manager_policy,
            &["none", "best-effort", "restricted", "single-numa-node"],
        ),
        (
            "topologyManagerScope (--topology-manager-scope)",
            &configuration.topology_manager_scope,
            &["container", "pod"],
        ),
        (
            "memorySwap.swapBehavior",
            &configuration.memory_swap.swap_behavior,
            &["", "LimitedSwap", "NoSwap"],
        ),
        (
            "hairpinMode (--hairpin-mode)",
            &configuration.hairpin_mode,
            &["none", "hairpin-veth", "promiscuous-bridge"],
        ),
        (
            "imagePullCredentialsVerificationPolicy",
            &configuration.image_pull_credentials_verification_policy,
            &[
                "NeverVerify",
                "NeverVerifyPreloadedImages",
                "NeverVerifyAllowlistedImages",
                "AlwaysVerify",
            ],
        ),
        (
            "memoryReservationPolicy",
            &configuration.memory_reservation_policy,
            &["None", "TieredReservation"],
        ),
        (
            "cgroupDriver (--cgroup-driver)",
            &configuration.cgroup_driver,
            &["cgroupfs", "systemd"],
        ),
        (
            "authorization.mode (--authorization-mode)",
            &configuration.authorization.mode,
            &["", "AlwaysAllow", "Webhook"],
        ),
        (
            "configMapAndSecretChangeDetectionStrategy",
            &configuration.change_detection_strategy,
            &["Get", "Cache", "Watch"],
        ),
    ];
    for (name, word, known) in fields {
        complaints.when(!known.contains(&word), || {
            let known: Vec<_> = known.iter().map(|one| format!("{one:?}")).collect();
            format!("{name} {word:?} must be one of: {}", known.join(", "))
        });
    }
    complaints
        .0
        .extend(pinning::Settings::problems(configuration));
    policies(configuration, complaints);
    taints(configuration, complaints);
}

fn policies(configuration: &Configuration, complaints: &mut Complaints) {
    let policy = &configuration.image_pull_credentials_verification_policy;
    let has_list = !configuration
        .preloaded_images_verification_allowlist
        .is_empty();
    complaints.when(has_list && policy != "NeverVerifyAllowlistedImages", || {
        "can't set `preloadedImagesVerificationAllowlist` if \
         `imagePullCredentialsVerificationPolicy` is not \"NeverVerifyAllowlistedImages\""
            .to_owned()
    });
    let read = Policy::read(
        policy,
        &configuration.preloaded_images_verification_allowlist,
    );
    for problem in read.err().into_iter().flatten() {
        complaints.when(true, || problem);
    }
    let policy = &configuration.memory_reservation_policy;
    complaints.when(
        policy == "TieredReservation" && !configuration.is_open("MemoryQoS"),
        || {
            format!(
                "memoryReservationPolicy {policy:?} requires MemoryQoS feature gate to be enabled"
            )
        },
    );
    complaints.when(configuration.run_once, || {
        "runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set"
            .to_owned()
    });
    complaints.when(
        configuration.enable_system_log_query && !configuration.enable_system_log_handler,
        || "enableSystemLogHandler is required for enableSystemLogQuery".to_owned(),
    );
    complaints.when(
        !matches!(configuration.logging.format.as_str(), "text" | "json"),
        || {
            format!(
                "logging.format: Invalid value: {:?}: Unsupported log format",
                configuration.logging.format
            )
        },
    );
}

fn taints(configuration: &Configuration, complaints: &mut Complaints) {
    for taint in &configuration.register_with_taints {
        let is_known = matches!(
            taint.effect.as_str(),
            "NoSchedule" | "PreferNoSchedule" | "NoExecute"
        );
        complaints.when(taint.key.is_empty() || !is_known, || {
            format!(
                "invalid taint: {}={}:{}",
                taint.key, taint.value, taint.effect
            )
        });
        complaints.when(taint.time_added.is_some(), || {
            "taint.TimeAdded is not nil".to_owned()
        });
    }
}
