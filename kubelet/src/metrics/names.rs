//! Words in the names and labels of metrics that are not made of what is counted.

/// Reasons of refusals that are counted by name; all others would be too many series.
pub(super) const REFUSALS: &[&str] = &[
    "AppArmor",
    "Evicted",
    "NodeAffinity",
    "NodePorts",
    "NodeShutdown",
    "OutOfcpu",
    "OutOfephemeral-storage",
    "OutOfmemory",
    "OutOfpods",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "SMTAlignmentError",
    "SupplementalGroupsPolicyNotSupported",
    "SysctlForbidden",
    "TopologyAffinityError",
    "UnexpectedAdmissionError",
];

/// Counters that are older than the custom of ending in `_total`.
pub(super) const OLD_NAMES: &[&str] = &[
    "kubelet_certificate_manager_client_expiration_renew_errors",
    "kubelet_container_aligned_compute_resources_count",
    "kubelet_container_aligned_compute_resources_failure_count",
    "kubelet_evictions",
    "kubelet_pleg_discard_events",
    "kubelet_pod_resources_endpoint_errors_get",
    "kubelet_pod_resources_endpoint_errors_get_allocatable",
    "kubelet_pod_resources_endpoint_errors_list",
    "kubelet_pod_resources_endpoint_requests_get",
    "kubelet_pod_resources_endpoint_requests_get_allocatable",
    "kubelet_pod_resources_endpoint_requests_list",
    "kubelet_preemptions",
    "kubelet_server_expiration_renew_errors",
];
