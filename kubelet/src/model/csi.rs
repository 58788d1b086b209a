//! Volumes of CSI drivers, and what a cluster or a manifest says of the drivers.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::{Migrated, ObjectKey, ObjectKind, StringMap};

/// A volume of a driver that outlives pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsiSource {
    /// The driver.
    pub driver: String,
    /// The driver's name of the volume.
    pub handle: String,
    /// What it is formatted as; may be empty.
    pub fs_type: String,
    /// What the driver needs to know of it.
    pub attributes: StringMap,
    /// What shows that it may be staged.
    pub stage_secret: Option<SecretName>,
    /// What shows that it may be published.
    pub publish_secret: Option<SecretName>,
    /// What shows that it may be made larger.
    pub expand_secret: Option<SecretName>,
    /// Whether it is written as a volume of a plugin of old.
    pub migrated: Migrated,
}

/// A volume of a driver that lives as long as the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InlineCsi {
    /// The driver.
    pub driver: String,
    /// Writing is refused.
    pub read_only: bool,
    /// What it is formatted as; may be empty.
    pub fs_type: String,
    /// What the driver needs to know of it.
    pub attributes: StringMap,
    /// The Secret of the pod's namespace that shows that it may be published.
    pub publish_secret: Option<String>,
}

/// A Secret's namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl SecretName {
    /// The key by which it is looked up.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(ObjectKind::Secret, &self.namespace, &self.name)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// How long a volume of a driver lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeLifecycle {
    /// Longer than pods.
    Persistent,
    /// As long as its pod.
    Ephemeral,
}

impl VolumeLifecycle {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "Persistent",
            Self::Ephemeral => "Ephemeral",
        }
    }
}

/// When the files of a volume are given to the pod's group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsGroupPolicy {
    /// When it has a filesystem of a known type and is written to from one node.
    #[default]
    ReadWriteOnceWithFsType,
    /// Always.
    File,
    /// Never.
    None,
}

/// A token that a driver wants of the pod's service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverToken {
    /// For whom; empty for the API server.
    pub audience: String,
    /// How long it shall be good.
    pub seconds: u64,
}

/// What is said of a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsiDriver {
    /// Whether volumes are attached to nodes first; nothing when that is not said.
    pub attach_required: Option<bool>,
    /// Whether it is told of the pod.
    pub pod_info_on_mount: bool,
    /// When files are given to the pod's group.
    pub fs_group: FsGroupPolicy,
    /// Which volumes it has.
    pub lifecycles: BTreeSet<VolumeLifecycle>,
    /// The tokens that it wants.
    pub tokens: Vec<DriverToken>,
    /// Whether tokens are shown as secrets.
    pub tokens_in_secrets: bool,
    /// Whether it publishes again and again.
    pub requires_republish: bool,
    /// How often it is asked how many volumes a node can have, if that changes.
    pub limit_period: Option<Duration>,
}
