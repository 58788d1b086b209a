//! Room that outlives pods, and claims for it.

use std::collections::BTreeSet;
use std::fmt;

use super::{CsiSource, HostPathKind, Quantity, StringMap};

/// Room that outlives pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentVolume {
    /// Its name.
    pub name: String,
    /// Its labels, by which claims select it.
    pub labels: StringMap,
    /// How much it holds.
    pub capacity: Quantity,
    /// How it may be used.
    pub access_modes: BTreeSet<AccessMode>,
    /// What drivers are told: the first of them, or what its driver has in its place.
    pub first_access_mode: Option<AccessMode>,
    /// What it looks like.
    pub mode: VolumeMode,
    /// How its filesystem is mounted.
    pub mount_options: Vec<String>,
    /// The class that claims ask for; empty for none.
    pub storage_class: String,
    /// The one claim that it is for, if it is.
    pub claim: Option<ClaimName>,
    /// What it is.
    pub source: PersistentSource,
    /// Which nodes have it: one of these must hold for the node's labels. None: all.
    pub nodes: Option<Vec<Vec<LabelRequirement>>>,
}

/// What room that outlives pods is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersistentSource {
    /// A path of the host.
    HostPath {
        /// Which.
        path: String,
        /// What must be there.
        kind: HostPathKind,
    },
    /// A directory of the host that is there already.
    Local {
        /// Which.
        path: String,
    },
    /// A volume of a driver.
    Csi(Box<CsiSource>),
    /// A volume of a plugin of old that no driver could have.
    NotTranslated {
        /// Why not.
        problem: String,
    },
    /// A kind that this kubelet does not mount yet.
    NotHandled {
        /// The manifest's name of the kind.
        kind: String,
    },
}

/// A claim for room that outlives pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentVolumeClaim {
    /// The volume that it wants or has.
    pub volume: Option<String>,
    /// Whether it has that volume.
    pub is_bound: bool,
    /// How it will be used.
    pub access_modes: BTreeSet<AccessMode>,
    /// What its volume looks like.
    pub mode: VolumeMode,
    /// The UID of what it was made for, if it was.
    pub owner: Option<String>,
    /// How much it needs.
    pub request: Quantity,
    /// The class of volumes it takes; empty for those without one.
    pub storage_class: String,
    /// Which of them.
    pub selector: LabelSelector,
}

/// A claim's namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a volume looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeMode {
    /// A tree of files.
    #[default]
    Filesystem,
    /// A device.
    Block,
}

impl VolumeMode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filesystem => "Filesystem",
            Self::Block => "Block",
        }
    }
}

/// How a volume may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessMode {
    /// Written from one node.
    ReadWriteOnce,
    /// Read from many.
    ReadOnlyMany,
    /// Written from many.
    ReadWriteMany,
    /// Written by one pod.
    ReadWriteOncePod,
}

/// Requirements that must all hold for some labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(pub Vec<LabelRequirement>);

/// Something that holds for labels or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelRequirement {
    /// The label has one of these values.
    In(String, Vec<String>),
    /// The label is missing or has another value.
    NotIn(String, Vec<String>),
    /// There is such a label.
    Exists(String),
    /// There is none.
    DoesNotExist(String),
}

impl LabelSelector {
    /// Whether all requirements hold.
    pub fn matches(&self, labels: &StringMap) -> bool {
        self.0.iter().all(|one| one.holds(labels))
    }
}

impl LabelRequirement {
    /// The label that it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) => key,
            Self::Exists(key) | Self::DoesNotExist(key) => key,
        }
    }

    /// The values that it names.
    pub fn values(&self) -> &[String] {
        match self {
            Self::In(_, values) | Self::NotIn(_, values) => values,
            Self::Exists(_) | Self::DoesNotExist(_) => &[],
        }
    }

    /// The same about another label.
    #[must_use]
    pub fn about(self, key: &str) -> Self {
        let key = key.to_owned();
        match self {
            Self::In(_, values) => Self::In(key, values),
            Self::NotIn(_, values) => Self::NotIn(key, values),
            Self::Exists(_) => Self::Exists(key),
            Self::DoesNotExist(_) => Self::DoesNotExist(key),
        }
    }

    /// Whether it holds for these labels.
    pub fn holds(&self, labels: &StringMap) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}
