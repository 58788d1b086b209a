//! The parts of a configuration that have fields of their own.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Duration;

/// Who may ask the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Authentication {
    /// By client certificates.
    pub(crate) x509: X509,
    /// By tokens that an API server knows.
    pub(crate) webhook: WebhookAuthentication,
    /// Whoever does neither.
    pub(crate) anonymous: Anonymous,
}

/// Client certificates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct X509 {
    /// Who signs them.
    #[serde(rename = "clientCAFile", skip_serializing_if = "String::is_empty")]
    pub(crate) client_ca_file: String,
}

/// Tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WebhookAuthentication {
    /// Whether they are asked for.
    pub(crate) enabled: Option<bool>,
    /// How long an answer holds.
    #[serde(rename = "cacheTTL")]
    pub(crate) cache_ttl: Duration,
}

impl Default for WebhookAuthentication {
    fn default() -> Self {
        Self {
            enabled: None,
            cache_ttl: Duration::seconds(120),
        }
    }
}

/// Those who do not say who they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Anonymous {
    /// Whether they are let in.
    pub(crate) enabled: Option<bool>,
}

/// What those may do who may ask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Authorization {
    /// `AlwaysAllow` or `Webhook`; empty when nothing is said.
    pub(crate) mode: String,
    /// How long answers of an API server hold.
    pub(crate) webhook: WebhookAuthorization,
}

/// How long answers of an API server hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct WebhookAuthorization {
    /// A yes.
    #[serde(rename = "cacheAuthorizedTTL")]
    pub(crate) cache_authorized_ttl: Duration,
    /// A no.
    #[serde(rename = "cacheUnauthorizedTTL")]
    pub(crate) cache_unauthorized_ttl: Duration,
}

impl Default for WebhookAuthorization {
    fn default() -> Self {
        Self {
            cache_authorized_ttl: Duration::seconds(300),
            cache_unauthorized_ttl: Duration::seconds(30),
        }
    }
}

/// What swap containers get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MemorySwap {
    /// `NoSwap`, `LimitedSwap` or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) swap_behavior: String,
}

/// How long a container that fails waits at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct CrashLoopBackOff {
    /// Nothing: five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_container_restart_period: Option<Duration>,
}

/// Memory of one NUMA node that pods do not get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MemoryReservation {
    pub(crate) numa_node: i32,
    pub(crate) limits: BTreeMap<String, String>,
}

/// How long pods of a priority have when the machine goes down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ShutdownGracePeriod {
    pub(crate) priority: i32,
    pub(crate) shutdown_grace_period_seconds: i64,
}

/// A taint that the node is registered with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Taint {
    pub(crate) key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) value: String,
    pub(crate) effect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_added: Option<String>,
}

/// Where spans are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Tracing {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sampling_rate_per_million: Option<i32>,
}

/// User namespaces of pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UserNamespaces {
    #[serde(rename = "idsPerPod", skip_serializing_if = "Option::is_none")]
    pub(crate) ids_per_pod: Option<i64>,
}

/// How the daemon logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Logging {
    pub(crate) format: String,
    /// A duration, or nanoseconds.
    pub(crate) flush_frequency: Value,
    pub(crate) verbosity: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) vmodule: Vec<VModule>,
    pub(crate) options: LoggingOptions,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            format: "text".to_owned(),
            flush_frequency: 5_000_000_000_u64.into(),
            verbosity: 0,
            vmodule: Vec::new(),
            options: LoggingOptions::default(),
        }
    }
}

/// How much a file of the kubelet logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VModule {
    pub(crate) file_pattern: String,
    pub(crate) verbosity: u32,
}

/// What only one format of logs has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LoggingOptions {
    pub(crate) text: OutputRouting,
    pub(crate) json: OutputRouting,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct OutputRouting {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) split_stream: bool,
    pub(crate) info_buffer_size: Value,
}

impl Default for OutputRouting {
    fn default() -> Self {
        Self {
            split_stream: false,
            info_buffer_size: "0".into(),
        }
    }
}
