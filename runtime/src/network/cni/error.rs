//! Why something about a CNI network was not done.

use std::io;
use std::path::PathBuf;

use super::answer::AnswerError;
use super::config::ConfigError;
use super::invocation::Verb;
use super::offer::RefusedWish;
use super::plugin::PluginError;
use crate::network::pod::PodLinkError;
use crate::store::StoreError;

/// Why something about a CNI network was not done.
#[derive(Debug, thiserror::Error)]
pub enum CniError {
    /// The directory of configurations cannot be read.
    #[error("read the network configurations in {dir}", dir = dir.display())]
    Directory {
        /// Which one.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no configuration, or none that is valid.
    #[error("{0}")]
    NoNetwork(String),
    /// The pod cannot have what it wants.
    #[error(transparent)]
    Wish(#[from] RefusedWish),
    /// The pod has ended before it was attached.
    #[error("find the network namespace of process {pid}")]
    Namespace {
        /// Pid of its pause.
        pid: i32,
        /// Why.
        source: io::Error,
    },
    /// Its loopback cannot be brought up.
    #[error("bring the pod's loopback up")]
    Loopback(#[source] PodLinkError),
    /// What is to be remembered cannot be written or read.
    #[error("keep the attachments to CNI networks")]
    Record(#[from] StoreError),
    /// What was remembered cannot be used.
    #[error("use the configuration {file} that the pod was attached with")]
    Kept {
        /// Name of its file.
        file: String,
        /// Why.
        source: KeptError,
    },
    /// A plugin did not do it.
    #[error("plugin {plugin:?} of network {network:?}: {verb}", verb = verb.as_str())]
    Plugin {
        /// What was asked.
        verb: Verb,
        /// Of which network.
        network: String,
        /// Which plugin.
        plugin: String,
        /// Why.
        source: PluginError,
    },
    /// A plugin is too old or too new.
    #[error(
        "network {network:?} ({file}) has cniVersion {version}, and plugin {plugin:?} speaks {spoken}"
    )]
    Version {
        /// The network.
        network: String,
        /// Its file.
        file: String,
        /// Its version.
        version: String,
        /// The plugin.
        plugin: String,
        /// What it speaks.
        spoken: String,
    },
    /// The chain came to nothing that a pod can use.
    #[error("network {network:?}")]
    Result {
        /// The network.
        network: String,
        /// Why.
        source: AnswerError,
    },
    /// Programs cannot be run at all.
    #[error("prepare to run CNI plugins")]
    Prepare(#[source] io::Error),
}

/// Why a kept configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct KeptError(ConfigError);

impl CniError {
    pub(super) fn kept(file: &str, error: ConfigError) -> Self {
        Self::Kept {
            file: file.to_owned(),
            source: KeptError(error),
        }
    }
}
