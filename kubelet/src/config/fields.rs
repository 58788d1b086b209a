//! Every field of a KubeletConfiguration, with its type and default: one table.
//!
//! `pointer` is absent or said; of what is `plain`, the zero of its type counts as absent too: so
//! upstream's own types have it, and a configuration means the same to both.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Duration;
use super::nested::{
    Authentication, Authorization, CrashLoopBackOff, Logging, MemoryReservation, MemorySwap,
    ShutdownGracePeriod, Taint, Tracing, UserNamespaces,
};

type Text = String;
type Texts = Vec<String>;
type Words = BTreeMap<String, String>;

macro_rules! configuration {
    ($($name:literal $field:ident: $nature:ident $type:ty = $default:expr;)*) => {
        /// A kubelet's configuration, complete: what is not written has its default.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Configuration {
            $(pub(crate) $field: $type,)*
        }

        impl Default for Configuration {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Configuration {
            /// The names of all fields.
            pub(crate) const FIELDS: &'static [&'static str] = &[$($name),*];

            /// Sets a field; `None` when there is none of that name.
            pub(super) fn set(&mut self, name: &str, value: &Value) -> Option<Reading> {
                match name {
                    $($name => Some(configuration!(@$nature value, self.$field, $default)),)*
                    _ => None,
                }
            }

            /// The same by a flag, of which zero is what it says.
            pub(super) fn say(&mut self, name: &str, value: &Value) {
                match name {
                    // A mismatch was told when the flag was read.
                    $($name => drop(read(value, &mut self.$field, never, $default)),)*
                    _ => {}
                }
            }

            /// All fields, as upstream writes them.
            pub fn to_json(&self) -> Map<String, Value> {
                let mut fields = Map::new();
                $(write($name, &self.$field, &mut fields);)*
                fields
            }
        }
    };
    (@plain $value:expr, $field:expr, $default:expr) => {
        read($value, &mut $field, is_zero, $default)
    };
    (@pointer $value:expr, $field:expr, $default:expr) => {
        read($value, &mut $field, never, $default)
    };
}

/// What came of reading one field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Paths, below the field, that nobody knows.
    pub(super) unknown: Vec<String>,
    /// Why the value cannot be the field's.
    pub(super) mismatch: Option<String>,
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn never<T>(_: &T) -> bool {
    false
}

fn read<T: DeserializeOwned>(
    value: &Value,
    field: &mut T,
    is_absent: fn(&T) -> bool,
    default: T,
) -> Reading {
    let mut reading = Reading::default();
    if value.is_null() {
        *field = default;
        return reading;
    }
    let unknown = &mut reading.unknown;
    match serde_ignored::deserialize(value, |path| unknown.push(path.to_string())) {
        Ok(read) if is_absent(&read) => *field = default,
        Ok(read) => *field = read,
        Err(error) => reading.mismatch = Some(error.to_string()),
    }
    reading
}

/// Leaves out what is nothing, as `omitempty` does for maps, lists and pointers.
fn write(name: &str, value: &impl Serialize, fields: &mut Map<String, Value>) {
    let value = serde_json::to_value(value).expect("fields have only text keys");
    let is_empty = match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(below) => below.is_empty() && name != "memorySwap",
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !is_empty {
        fields.insert(name.to_owned(), value);
    }
}

configuration! {
    "enableServer" enable_server: pointer bool = true;
    "staticPodPath" static_pod_path: plain Text = Text::new();
    "podLogsDir" pod_logs_dir: plain Text = "/var/log/pods".to_owned();
    "syncFrequency" sync_frequency: plain Duration = Duration::seconds(60);
    "fileCheckFrequency" file_check_frequency: plain Duration = Duration::seconds(20);
    "httpCheckFrequency" http_check_frequency: plain Duration = Duration::seconds(20);
    "staticPodURL" static_pod_url: plain Text = Text::new();
    "staticPodURLHeader" static_pod_url_header: plain BTreeMap<String, Texts> = BTreeMap::new();
    "address" address: plain Text = "0.0.0.0".to_owned();
    "port" port: plain i32 = 10250;
    "readOnlyPort" read_only_port: plain i32 = 0;
    "tlsCertFile" tls_cert_file: plain Text = Text::new();
    "tlsPrivateKeyFile" tls_private_key_file: plain Text = Text::new();
    "tlsCipherSuites" tls_cipher_suites: plain Texts = Texts::new();
    "tlsCurvePreferences" tls_curve_preferences: plain Vec<i32> = Vec::new();
    "tlsMinVersion" tls_min_version: plain Text = Text::new();
    "rotateCertificates" rotate_certificates: plain bool = false;
    "serverTLSBootstrap" server_tls_bootstrap: plain bool = false;
    "authentication" authentication: plain Authentication = Authentication::default();
    "authorization" authorization: plain Authorization = Authorization::default();
    "registryPullQPS" registry_pull_qps: pointer i32 = 5;
    "registryBurst" registry_burst: plain i32 = 10;
    "imagePullCredentialsVerificationPolicy" image_pull_credentials_verification_policy: plain Text =
        "NeverVerifyPreloadedImages".to_owned();
    "preloadedImagesVerificationAllowlist" preloaded_images_verification_allowlist: plain Texts =
        Texts::new();
    "eventRecordQPS" event_record_qps: pointer i32 = 50;
    "eventBurst" event_burst: plain i32 = 100;
    "enableDebuggingHandlers" enable_debugging_handlers: pointer bool = true;
    "enableContentionProfiling" enable_contention_profiling: plain bool = false;
    "healthzPort" healthz_port: pointer i32 = 10248;
    "healthzBindAddress" healthz_bind_address: plain Text = "127.0.0.1".to_owned();
    "oomScoreAdj" oom_score_adj: pointer i32 = -999;
    "clusterDomain" cluster_domain: plain Text = Text::new();
    "clusterDNS" cluster_dns: plain Texts = Texts::new();
    "streamingConnectionIdleTimeout" streaming_connection_idle_timeout: plain Duration =
        Duration::seconds(4 * 3600);
    "nodeStatusUpdateFrequency" node_status_update_frequency: plain Duration = Duration::seconds(10);
    "nodeStatusReportFrequency" node_status_report_frequency: plain Duration = Duration::seconds(300);
    "nodeLeaseDurationSeconds" node_lease_duration_seconds: plain i32 = 40;
    "imageMinimumGCAge" image_minimum_gc_age: plain Duration = Duration::seconds(120);
    "imageMaximumGCAge" image_maximum_gc_age: plain Duration = Duration::seconds(0);
    "imageGCHighThresholdPercent" image_gc_high_threshold_percent: pointer i32 = 85;
    "imageGCLowThresholdPercent" image_gc_low_threshold_percent: pointer i32 = 80;
    "volumeStatsAggPeriod" volume_stats_agg_period: plain Duration = Duration::seconds(60);
    "kubeletCgroups" kubelet_cgroups: plain Text = Text::new();
    "systemCgroups" system_cgroups: plain Text = Text::new();
    "cgroupRoot" cgroup_root: plain Text = Text::new();
    "cgroupsPerQOS" cgroups_per_qos: pointer bool = true;
    "cgroupDriver" cgroup_driver: plain Text = "cgroupfs".to_owned();
    "cpuManagerPolicy" cpu_manager_policy: plain Text = "none".to_owned();
    "singleProcessOOMKill" single_process_oom_kill: pointer Option<bool> = None;
    "cpuManagerPolicyOptions" cpu_manager_policy_options: plain Words = Words::new();
    "cpuManagerReconcilePeriod" cpu_manager_reconcile_period: plain Duration = Duration::seconds(10);
    "memoryManagerPolicy" memory_manager_policy: plain Text = "None".to_owned();
    "topologyManagerPolicy" topology_manager_policy: plain Text = "none".to_owned();
    "topologyManagerScope" topology_manager_scope: plain Text = "container".to_owned();
    "topologyManagerPolicyOptions" topology_manager_policy_options: plain Words = Words::new();
    "qosReserved" qos_reserved: plain Words = Words::new();
    "runtimeRequestTimeout" runtime_request_timeout: plain Duration = Duration::seconds(120);
    "hairpinMode" hairpin_mode: plain Text = "promiscuous-bridge".to_owned();
    "maxPods" max_pods: plain i32 = 110;
    "podCIDR" pod_cidr: plain Text = Text::new();
    "podPidsLimit" pod_pids_limit: pointer i64 = -1;
    "resolvConf" resolv_conf: pointer Text = "/etc/resolv.conf".to_owned();
    "runOnce" run_once: plain bool = false;
    "cpuCFSQuota" cpu_cfs_quota: pointer bool = true;
    "cpuCFSQuotaPeriod" cpu_cfs_quota_period: pointer Duration = Duration::milliseconds(100);
    "nodeStatusMaxImages" node_status_max_images: pointer i32 = 50;
    "maxOpenFiles" max_open_files: plain i64 = 1_000_000;
    "contentType" content_type: plain Text = "application/vnd.kubernetes.protobuf".to_owned();
    "kubeAPIQPS" kube_api_qps: pointer i32 = 50;
    "kubeAPIBurst" kube_api_burst: plain i32 = 100;
    "serializeImagePulls" serialize_image_pulls: pointer Option<bool> = None;
    "maxParallelImagePulls" max_parallel_image_pulls: pointer Option<i32> = None;
    "evictionHard" eviction_hard: plain Words = Words::new();
    "evictionSoft" eviction_soft: plain Words = Words::new();
    "evictionSoftGracePeriod" eviction_soft_grace_period: plain Words = Words::new();
    "evictionPressureTransitionPeriod" eviction_pressure_transition_period: plain Duration =
        Duration::seconds(300);
    "evictionMaxPodGracePeriod" eviction_max_pod_grace_period: plain i32 = 0;
    "evictionMinimumReclaim" eviction_minimum_reclaim: plain Words = Words::new();
    "mergeDefaultEvictionSettings" merge_default_eviction_settings: pointer bool = false;
    "podsPerCore" pods_per_core: plain i32 = 0;
    "enableControllerAttachDetach" enable_controller_attach_detach: pointer bool = true;
    "protectKernelDefaults" protect_kernel_defaults: plain bool = false;
    "makeIPTablesUtilChains" make_iptables_util_chains: pointer bool = true;
    "iptablesMasqueradeBit" iptables_masquerade_bit: pointer i32 = 14;
    "iptablesDropBit" iptables_drop_bit: pointer i32 = 15;
    "featureGates" feature_gates: plain BTreeMap<String, bool> = BTreeMap::new();
    "failSwapOn" fail_swap_on: pointer bool = true;
    "memorySwap" memory_swap: plain MemorySwap = MemorySwap::default();
    "containerLogMaxSize" container_log_max_size: plain Text = "10Mi".to_owned();
    "containerLogMaxFiles" container_log_max_files: pointer i32 = 5;
    "containerLogMaxWorkers" container_log_max_workers: pointer i32 = 1;
    "containerLogMonitorInterval" container_log_monitor_interval: pointer Duration =
        Duration::seconds(10);
    "configMapAndSecretChangeDetectionStrategy" change_detection_strategy: plain Text =
        "Watch".to_owned();
    "systemReserved" system_reserved: plain Words = Words::new();
    "kubeReserved" kube_reserved: plain Words = Words::new();
    "reservedSystemCPUs" reserved_system_cpus: plain Text = Text::new();
    "showHiddenMetricsForVersion" show_hidden_metrics_for_version: plain Text = Text::new();
    "systemReservedCgroup" system_reserved_cgroup: plain Text = Text::new();
    "kubeReservedCgroup" kube_reserved_cgroup: plain Text = Text::new();
    "enforceNodeAllocatable" enforce_node_allocatable: pointer Texts = vec!["pods".to_owned()];
    "allowedUnsafeSysctls" allowed_unsafe_sysctls: plain Texts = Texts::new();
    "volumePluginDir" volume_plugin_dir: plain Text =
        "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/".to_owned();
    "providerID" provider_id: plain Text = Text::new();
    "kernelMemcgNotification" kernel_memcg_notification: plain bool = false;
    "logging" logging: plain Logging = Logging::default();
    "enableSystemLogHandler" enable_system_log_handler: pointer bool = true;
    "enableSystemLogQuery" enable_system_log_query: pointer bool = false;
    "shutdownGracePeriod" shutdown_grace_period: plain Duration = Duration::seconds(0);
    "shutdownGracePeriodCriticalPods" shutdown_grace_period_critical_pods: plain Duration =
        Duration::seconds(0);
    "shutdownGracePeriodByPodPriority" shutdown_grace_period_by_pod_priority:
        plain Vec<ShutdownGracePeriod> = Vec::new();
    "crashLoopBackOff" crash_loop_back_off: plain CrashLoopBackOff = CrashLoopBackOff {
        max_container_restart_period: Some(Duration::seconds(300)),
    };
    "reservedMemory" reserved_memory: plain Vec<MemoryReservation> = Vec::new();
    "enableProfilingHandler" enable_profiling_handler: pointer bool = true;
    "enableDebugFlagsHandler" enable_debug_flags_handler: pointer bool = true;
    "seccompDefault" seccomp_default: pointer bool = false;
    "memoryThrottlingFactor" memory_throttling_factor: pointer f64 = 0.9;
    "memoryReservationPolicy" memory_reservation_policy: plain Text = "None".to_owned();
    "registerWithTaints" register_with_taints: plain Vec<Taint> = Vec::new();
    "registerNode" register_node: pointer bool = true;
    "tracing" tracing: pointer Option<Tracing> = None;
    "localStorageCapacityIsolation" local_storage_capacity_isolation: pointer bool = true;
    "containerRuntimeEndpoint" container_runtime_endpoint: plain Text =
        "unix:///run/containerd/containerd.sock".to_owned();
    "imageServiceEndpoint" image_service_endpoint: plain Text = Text::new();
    "failCgroupV1" fail_cgroup_v1: pointer bool = true;
    "userNamespaces" user_namespaces: pointer Option<UserNamespaces> = None;
}
