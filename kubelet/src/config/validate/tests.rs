//! Rules that are broken, one by one and together.

use super::*;
use crate::config::nested::VModule;

fn machine(cgroups: CgroupVersion) -> Machine {
    Machine {
        cgroups,
        swap: Swap::Off,
    }
}

fn complaints(change: impl FnOnce(&mut Configuration)) -> Vec<String> {
    let mut configuration = Configuration::default();
    change(&mut configuration);
    validate(&configuration, machine(CgroupVersion::V2))
}

#[test]
fn the_defaults_are_valid_on_one_hierarchy() {
    assert_eq!(complaints(|_| {}), Vec::<String>::new());
    let told = validate(&Configuration::default(), machine(CgroupVersion::V1));
    assert_eq!(told.len(), 1);
}

#[test]
fn every_broken_rule_is_told_at_once() {
    let told = complaints(|configuration| {
        configuration.port = 70_000;
        configuration.max_pods = -1;
        configuration.topology_manager_scope = "node".to_owned();
        configuration.image_gc_low_threshold_percent = 90;
        configuration.enforce_node_allocatable = vec!["pods".to_owned(), "none".to_owned()];
        configuration.container_log_max_files = 1;
    });
    assert_eq!(
        told,
        [
            "maxPods (--max-pods) -1 must not be a negative number",
            "port (--port) 70000 must be between 1 and 65535, inclusive",
            "imageGCLowThresholdPercent (--image-gc-low-threshold) 90 must be less than \
             imageGCHighThresholdPercent (--image-gc-high-threshold) 85",
            "containerLogMaxFiles must be greater than 1",
            "topologyManagerScope (--topology-manager-scope) \"node\" must be one of: \
             \"container\", \"pod\"",
            "enforceNodeAllocatable (--enforce-node-allocatable) may not contain additional \
             enforcements when \"none\" is specified",
        ]
    );
}

#[test]
fn rules_follow_feature_gates() {
    let half = |configuration: &mut Configuration| {
        configuration.cpu_cfs_quota_period = Duration::milliseconds(50);
    };
    assert_eq!(complaints(half), Vec::<String>::new());
    let told = complaints(|configuration| {
        half(configuration);
        let gate = ("CustomCPUCFSQuotaPeriod".to_owned(), false);
        configuration.feature_gates = [gate].into();
    });
    assert!(told[0].contains("requires feature gate"));
}

#[test]
fn logs_lie_in_a_plain_absolute_path() {
    for (path, is_fine) in [
        ("/var/log/pods", true),
        ("/var/log/pods/", true),
        ("pods", false),
        ("/var//log", false),
        ("/var/../log", false),
    ] {
        let told = complaints(|configuration| configuration.pod_logs_dir = path.to_owned());
        assert_eq!(told.is_empty(), is_fine, "{path}: {told:?}");
    }
}

#[test]
fn tls_is_given_whole_and_in_known_words() {
    let told = complaints(|configuration| {
        configuration.tls_cert_file = "/cert.pem".to_owned();
        configuration.tls_min_version = "VersionTLS11".to_owned();
    });
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn swap_is_refused_when_it_shall_be() {
    let swapping = Machine {
        swap: Swap::On,
        ..machine(CgroupVersion::V2)
    };
    let told = validate(&Configuration::default(), swapping);
    assert!(told[0].starts_with("running with swap on"), "{told:?}");
}

#[test]
fn a_log_is_asked_for_in_known_words() {
    let told = complaints(|configuration| {
        "xml".clone_into(&mut configuration.logging.format);
        configuration.logging.vmodule = vec![VModule::default()];
    });
    assert_eq!(
        told,
        [
            "logging.format: Invalid value: \"xml\": Unsupported log format",
            "logging.vmodule: Forbidden: Only supported for text log format",
            "logging.vmodule[0]: Required value: File pattern must not be empty",
        ]
    );
}
