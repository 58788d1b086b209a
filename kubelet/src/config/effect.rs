//! Which fields and flags do something? What is missing here is accepted, and named in one warning at
//! the start: nothing that somebody configures is passed over in silence.
#![deny(clippy::disallowed_methods)]

/// Fields with an effect.
const FIELDS: &[&str] = &[
    "address",
    "allowedUnsafeSysctls",
    "authentication",
    "authorization",
    "cgroupDriver",
    "cgroupRoot",
    "cgroupsPerQOS",
    "clusterDNS",
    "clusterDomain",
    "containerLogMaxFiles",
    "containerLogMaxSize",
    "containerLogMaxWorkers",
    "containerLogMonitorInterval",
    "containerRuntimeEndpoint",
    "cpuCFSQuota",
    "cpuCFSQuotaPeriod",
    "cpuManagerPolicy",
    "cpuManagerPolicyOptions",
    "cpuManagerReconcilePeriod",
    "crashLoopBackOff",
    "enableDebuggingHandlers",
    "enableServer",
    "enableSystemLogHandler",
    "enableSystemLogQuery",
    "enforceNodeAllocatable",
    "evictionHard",
    "evictionMaxPodGracePeriod",
    "evictionMinimumReclaim",
    "evictionPressureTransitionPeriod",
    "evictionSoft",
    "evictionSoftGracePeriod",
    "failCgroupV1",
    "failSwapOn",
    "featureGates",
    "fileCheckFrequency",
    "healthzBindAddress",
    "healthzPort",
    "httpCheckFrequency",
    "imageGCHighThresholdPercent",
    "imageGCLowThresholdPercent",
    "imageMaximumGCAge",
    "imageMinimumGCAge",
    "imagePullCredentialsVerificationPolicy",
    "imageServiceEndpoint",
    "kubeReserved",
    "kubeReservedCgroup",
    "kubeletCgroups",
    "localStorageCapacityIsolation",
    "logging",
    "maxOpenFiles",
    "maxParallelImagePulls",
    "maxPods",
    "memoryManagerPolicy",
    "memorySwap",
    "mergeDefaultEvictionSettings",
    "nodeStatusMaxImages",
    "oomScoreAdj",
    "podCIDR",
    "podLogsDir",
    "podPidsLimit",
    "podsPerCore",
    "port",
    "preloadedImagesVerificationAllowlist",
    "qosReserved",
    "readOnlyPort",
    "registryBurst",
    "registryPullQPS",
    "reservedMemory",
    "reservedSystemCPUs",
    "resolvConf",
    "runtimeRequestTimeout",
    "seccompDefault",
    "serializeImagePulls",
    "shutdownGracePeriod",
    "shutdownGracePeriodByPodPriority",
    "shutdownGracePeriodCriticalPods",
    "singleProcessOOMKill",
    "staticPodPath",
    "staticPodURL",
    "staticPodURLHeader",
    "syncFrequency",
    "systemReserved",
    "systemReservedCgroup",
    "tlsCertFile",
    "tlsCipherSuites",
    "tlsMinVersion",
    "tlsPrivateKeyFile",
    "topologyManagerPolicy",
    "topologyManagerPolicyOptions",
    "topologyManagerScope",
    "userNamespaces",
    "volumeStatsAggPeriod",
];

/// Fields with an effect where there is an API server.
const FIELDS_OF_A_CLUSTER: &[&str] = &[
    "configMapAndSecretChangeDetectionStrategy",
    "enableControllerAttachDetach",
    "eventBurst",
    "eventRecordQPS",
    "kubeAPIBurst",
    "kubeAPIQPS",
    "nodeLeaseDurationSeconds",
    "nodeStatusReportFrequency",
    "nodeStatusUpdateFrequency",
    "providerID",
    "registerNode",
    "registerWithTaints",
    "rotateCertificates",
    "serverTLSBootstrap",
];

/// Flags without a field that have an effect.
const FLAGS: &[&str] = &[
    "bootstrap-kubeconfig",
    "cert-dir",
    "hostname-override",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "kubeconfig",
    "maximum-dead-containers",
    "maximum-dead-containers-per-container",
    "minimum-container-ttl-duration",
    "node-ip",
    "node-labels",
    "root-dir",
];

/// The fields among these that have no effect yet.
pub(super) fn without_effect<'a>(
    given: impl Iterator<Item = &'a str>,
    is_in_cluster: bool,
) -> Vec<&'a str> {
    let has_effect = |name: &&str| {
        FIELDS.contains(name) || (is_in_cluster && FIELDS_OF_A_CLUSTER.contains(name))
    };
    given.filter(|name| !has_effect(name)).collect()
}

/// The flags among these that have no effect yet.
pub(super) fn flags_without_effect<'a>(given: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    given.filter(|name| !FLAGS.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;

    #[test]
    fn only_known_fields_are_said_to_have_an_effect() {
        for name in FIELDS.iter().chain(FIELDS_OF_A_CLUSTER) {
            assert!(Configuration::FIELDS.contains(name), "{name}");
        }
    }
}
