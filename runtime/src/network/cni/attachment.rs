//! What is kept of each attached pod: the configuration with which it was attached, and what came of
//! it. Whatever happens to the configuration's file, a pod is detached as it was attached.
//!
//! Recorded before the first plugin is called, with what each of them has answered, and discarded only
//! when every plugin has let go.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::{self, ConfigError, NetworkConfig, Object};
use super::invocation::Target;
use super::pause::Pause;
use crate::model::SandboxId;
use crate::store::Record;

/// One pod's attachment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attachment {
    /// Its sandbox.
    pub(super) id: SandboxId,
    /// Who holds its network namespace.
    pub(super) pause: Pause,
    /// Name of the configuration's file.
    pub(super) file: String,
    /// Text of the configuration.
    pub(super) config: String,
    /// `CNI_ARGS`.
    pub(super) arguments: String,
    /// Values of capabilities.
    pub(super) values: Object,
    /// The result of the chain; `None` until the last plugin has answered.
    pub(super) result: Option<Value>,
    /// What the plugins before the one that failed came to. Some find what they made, rules of a
    /// firewall for instance, by these addresses alone.
    #[serde(default)]
    pub(super) so_far: Option<Value>,
}

impl Record for Attachment {
    type Id = SandboxId;

    fn id(&self) -> &SandboxId {
        &self.id
    }
}

impl Attachment {
    /// The network that it is to.
    pub(super) fn network(&self) -> Result<NetworkConfig, ConfigError> {
        config::parse(&self.file, &self.config)
    }

    /// What DEL is told: all that is known.
    pub(super) fn known(&self) -> Option<&Value> {
        self.result.as_ref().or(self.so_far.as_ref())
    }

    /// What plugins are told about the pod.
    pub(super) fn target<'a>(&'a self, netns: &'a str) -> Target<'a> {
        Target {
            container: self.id.as_str(),
            netns,
            arguments: &self.arguments,
        }
    }
}
