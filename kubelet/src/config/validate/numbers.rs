//! Numbers that must lie in a range.

use super::Complaints;
use crate::config::{Configuration, Duration};

pub(super) fn check(configuration: &Configuration, complaints: &mut Complaints) {
    not_negative(configuration, complaints);
    in_range(configuration, complaints);
    ports(configuration, complaints);
    images(configuration, complaints);
    logs(configuration, complaints);
    times(configuration, complaints);
}

fn not_negative(configuration: &Configuration, complaints: &mut Complaints) {
    let numbers: [(&str, i64); 9] = [
        (
            "eventBurst (--event-burst)",
            configuration.event_burst.into(),
        ),
        (
            "eventRecordQPS (--event-qps)",
            configuration.event_record_qps.into(),
        ),
        (
            "kubeAPIBurst (--kube-api-burst)",
            configuration.kube_api_burst.into(),
        ),
        (
            "kubeAPIQPS (--kube-api-qps)",
            configuration.kube_api_qps.into(),
        ),
        (
            "maxOpenFiles (--max-open-files)",
            configuration.max_open_files,
        ),
        ("maxPods (--max-pods)", configuration.max_pods.into()),
        (
            "podsPerCore (--pods-per-core)",
            configuration.pods_per_core.into(),
        ),
        (
            "registryBurst (--registry-burst)",
            configuration.registry_burst.into(),
        ),
        (
            "registryPullQPS (--registry-qps)",
            configuration.registry_pull_qps.into(),
        ),
    ];
    for (name, number) in numbers {
        complaints.when(number < 0, || {
            format!("{name} {number} must not be a negative number")
        });
    }
    complaints.when(configuration.node_lease_duration_seconds <= 0, || {
        "nodeLeaseDurationSeconds must be greater than 0".to_owned()
    });
    let images = configuration.node_status_max_images;
    complaints.when(images < -1, || {
        format!("nodeStatusMaxImages (--node-status-max-images) {images} must be -1 or greater")
    });
}

fn in_range(configuration: &Configuration, complaints: &mut Complaints) {
    let numbers = [
        (
            "iptablesDropBit (--iptables-drop-bit)",
            configuration.iptables_drop_bit,
            0,
            31,
        ),
        (
            "iptablesMasqueradeBit (--iptables-masquerade-bit)",
            configuration.iptables_masquerade_bit,
            0,
            31,
        ),
        (
            "oomScoreAdj (--oom-score-adj)",
            configuration.oom_score_adj,
            -1000,
            1000,
        ),
        (
            "imageGCHighThresholdPercent (--image-gc-high-threshold)",
            configuration.image_gc_high_threshold_percent,
            0,
            100,
        ),
        (
            "imageGCLowThresholdPercent (--image-gc-low-threshold)",
            configuration.image_gc_low_threshold_percent,
            0,
            100,
        ),
    ];
    for (name, number, least, most) in numbers {
        complaints.when(!(least..=most).contains(&number), || {
            format!("{name} {number} must be between {least} and {most}, inclusive")
        });
    }
    let factor = configuration.memory_throttling_factor;
    complaints.when(factor <= 0.0 || factor > 1.0, || {
        format!(
            "memoryThrottlingFactor {factor} must be greater than 0 and less than or equal to 1.0"
        )
    });
}

fn ports(configuration: &Configuration, complaints: &mut Complaints) {
    let ports = [
        ("port (--port)", configuration.port, 1),
        (
            "readOnlyPort (--read-only-port)",
            configuration.read_only_port,
            0,
        ),
        (
            "healthzPort (--healthz-port)",
            configuration.healthz_port,
            0,
        ),
    ];
    for (name, port, least) in ports {
        complaints.when(!(least..=65_535).contains(&port), || {
            format!("{name} {port} must be between {least} and 65535, inclusive")
        });
    }
}

fn images(configuration: &Configuration, complaints: &mut Complaints) {
    let (low, high) = (
        configuration.image_gc_low_threshold_percent,
        configuration.image_gc_high_threshold_percent,
    );
    complaints.when(low >= high, || {
        format!(
            "imageGCLowThresholdPercent (--image-gc-low-threshold) {low} must be less than \
             imageGCHighThresholdPercent (--image-gc-high-threshold) {high}"
        )
    });
    let (least, most) = (
        configuration.image_minimum_gc_age,
        configuration.image_maximum_gc_age,
    );
    complaints.when(least.is_negative(), || {
        format!("imageMinimumGCAge {least} must not be negative")
    });
    complaints.when(most.is_negative(), || {
        format!("imageMaximumGCAge {most} must not be negative")
    });
    complaints.when(most > Duration::default() && most <= least, || {
        format!("imageMaximumGCAge {most} must be greater than imageMinimumGCAge {least}")
    });
    if let Some(parallel) = configuration.max_parallel_image_pulls {
        complaints.when(parallel < 1, || {
            format!("maxParallelImagePulls {parallel} must be a positive number")
        });
        complaints.when(
            parallel > 1 && configuration.serialize_image_pulls == Some(true),
            || {
                "maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls \
             (--serialize-image-pulls) is set to false"
                    .to_owned()
            },
        );
    }
}

fn logs(configuration: &Configuration, complaints: &mut Complaints) {
    complaints.when(configuration.container_log_max_workers < 1, || {
        "containerLogMaxWorkers must be greater than or equal to 1".to_owned()
    });
    complaints.when(configuration.container_log_monitor_interval < Duration::seconds(3), || {
        "containerLogMonitorInterval must be a positive time duration greater than or equal to 3s"
            .to_owned()
    });
    complaints.when(configuration.container_log_max_files <= 1, || {
        "containerLogMaxFiles must be greater than 1".to_owned()
    });
}

fn times(configuration: &Configuration, complaints: &mut Complaints) {
    let period = configuration.cpu_cfs_quota_period;
    if configuration.is_open("CustomCPUCFSQuotaPeriod") {
        let is_in_range = (Duration::milliseconds(1)..=Duration::seconds(1)).contains(&period);
        complaints.when(!is_in_range, || {
            format!(
                "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {period} must be between 1ms and 1sec, \
                 inclusive"
            )
        });
    } else {
        complaints.when(period != Duration::milliseconds(100), || {
            format!(
                "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {period} requires feature gate \
                 CustomCPUCFSQuotaPeriod"
            )
        });
    }
    let back_off = configuration
        .crash_loop_back_off
        .max_container_restart_period;
    if let Some(period) = back_off {
        let is_in_range = (Duration::seconds(1)..=Duration::seconds(300)).contains(&period);
        complaints.when(!is_in_range, || {
            format!(
                "CrashLoopBackOff.MaxContainerRestartPeriod (got: {} seconds) must be set between \
                 1s and 300s",
                period.to_std().as_secs_f64()
            )
        });
    }
}
