//! What a pod wants of a driver.

use std::fmt;

use super::place::Name;
use crate::model::{
    AccessMode, FsGroupChange, Migrated, PodUid, StringMap, VolumeLifecycle, VolumeMode,
};

/// A volume that a pod shall have, and all that its driver is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The pod.
    pub(crate) uid: PodUid,
    /// The driver.
    pub(crate) driver: String,
    /// The driver's name of the volume.
    pub(crate) handle: String,
    /// The persistent volume's name, or the pod's name for its own.
    pub(crate) volume: String,
    /// What it looks like.
    pub(crate) mode: VolumeMode,
    /// How long it lives.
    pub(crate) lifecycle: VolumeLifecycle,
    /// How it is used.
    pub(crate) access: AccessMode,
    /// Whether no other pod may have it.
    pub(crate) is_exclusive: bool,
    /// Whether it is attached to the node.
    pub(crate) is_attached: bool,
    /// Writing is refused.
    pub(crate) read_only: bool,
    /// Whether it is written as a volume of a plugin of old.
    pub(crate) migrated: Migrated,
    /// What it is formatted as; may be empty.
    pub(crate) fs_type: String,
    /// How its filesystem is mounted.
    pub(crate) mount_options: Vec<String>,
    /// What was said when it was attached.
    pub(crate) publish_context: StringMap,
    /// What the driver needs to know of it to stage it.
    pub(crate) context: StringMap,
    /// What it is told of the pod beside, when it publishes it.
    pub(crate) about_pod: StringMap,
    /// What shows that it may be staged.
    pub(crate) stage_secrets: Secrets,
    /// What shows that it may be published.
    pub(crate) publish_secrets: Secrets,
    /// The group that shall have its files.
    pub(crate) group: Option<Group>,
    /// Whether it is published though it is there.
    pub(crate) again: Again,
}

impl Wanted {
    pub(super) fn name(&self) -> Name {
        Name {
            driver: self.driver.clone(),
            handle: self.handle.clone(),
            volume: self.volume.clone(),
            mode: self.mode,
            migrated: self.migrated,
        }
    }
}

/// A group that shall have a volume's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Its id.
    pub(crate) id: u32,
    /// When files that are there are given to it.
    pub(crate) change: FsGroupChange,
    /// Whether they are given to it here, when the driver does not do it.
    pub(crate) is_given: bool,
}

/// Whether a volume is published though it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Only what is not there.
    OnlyIfNeeded,
    /// Its driver wants it so.
    Always,
}

/// Texts that have no business in a log.
#[derive(Clone, Default)]
pub(crate) struct Secrets(pub(crate) StringMap);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
