//! Volumes become larger on the node after their claims have grown in the cluster.
//!
//! ```text
//! a volume holds more than what is known of it here ─► the claim, as it is now ─► plan (pure)
//!   ─► the claim says that it is in progress ─► driver ─► the claim says how large it is
//! ```
//!
//! What is known is recorded with the pod's volume, when it is mounted and whenever it has grown: a kubelet
//! that dies in between asks the driver again.

mod plan;
mod steps;
mod trouble;

use futures::future::BoxFuture;
use serde_json::Value;

use super::Secrets;
use super::place::Name;
use crate::model::{AccessMode, ClaimName, EventKind, Migrated, PodUid, Quantity, VolumeMode};
use crate::volume::VolumeError;
pub(super) use trouble::Troubles;

/// A pod's volume that may have to become larger.
#[derive(Clone, Debug)]
pub(crate) struct Larger {
    /// The pod.
    pub(crate) uid: PodUid,
    /// The driver.
    pub(crate) driver: String,
    /// The driver's name of the volume.
    pub(crate) handle: String,
    /// The persistent volume's name.
    pub(crate) volume: String,
    /// What it looks like.
    pub(crate) mode: VolumeMode,
    /// How it is used.
    pub(crate) access: AccessMode,
    /// The pod does not write to it.
    pub(crate) read_only: bool,
    /// Whether it is written as a volume of a plugin of old.
    pub(crate) migrated: Migrated,
    /// What it is formatted as; may be empty.
    pub(crate) fs_type: String,
    /// How its filesystem is mounted.
    pub(crate) mount_options: Vec<String>,
    /// The claim that it is for.
    pub(crate) claim: ClaimName,
    /// How much it holds by now.
    pub(crate) capacity: Quantity,
    /// What shows that it may become larger, or why that is not to be had.
    pub(crate) secrets: Result<Secrets, String>,
    /// Why it is looked at.
    pub(crate) moment: Moment,
}

impl Larger {
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

/// When it is looked at whether a volume has to become larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It has just been mounted; the pod waits.
    Mount,
    /// The pod uses it.
    Use,
}

/// A claim, as the cluster has it.
#[derive(Clone, Debug)]
pub(crate) struct ClaimNow {
    /// How much its volume holds, as far as is told.
    pub(crate) capacity: Quantity,
    /// How much it shall hold.
    pub(crate) request: Quantity,
    /// How much is being made of it, when whoever makes it tells.
    pub(crate) allocated: Option<Quantity>,
    /// How far that has come, in the cluster's word.
    pub(crate) state: Option<String>,
    /// Whether many nodes write to it.
    pub(crate) is_shared: bool,
    /// Whether nodes have nothing to do with it.
    pub(crate) is_no_nodes: bool,
    /// All of it.
    pub(crate) object: Value,
}

/// What is told of a claim in its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The node makes its volume larger.
    InProgress,
    /// The volume is of this size now.
    Finished(Quantity),
    /// It did not work; it is tried again.
    Failed(String),
    /// It cannot be: whoever asked for it has to ask for something else.
    Infeasible(String),
}

/// Has the claims of the cluster.
pub(crate) trait Claims: Send + Sync + 'static {
    /// The claim, as it is now.
    fn look<'a>(&'a self, claim: &'a ClaimName) -> BoxFuture<'a, Result<ClaimNow, String>>;

    /// Tells in its status how it is with it; the claim, as it is then.
    fn mark(&self, claim: ClaimNow, mark: Mark) -> BoxFuture<'_, Result<ClaimNow, String>>;

    /// Tells who looks at the claim what happened: kind, reason, sentence. Never fails.
    fn tell<'a>(
        &'a self,
        claim: &'a ClaimNow,
        said: (EventKind, &'static str, &'a str),
    ) -> BoxFuture<'a, ()>;
}

/// What is to be told of a volume, to pod and claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is larger.
    Grown,
    /// It stays as it is, because the pod does not write to it.
    ReadOnly,
}

impl News {
    /// Kind, reason and sentence, as upstream tells it.
    pub(crate) fn said(self, volume: &str, node: &str) -> (EventKind, &'static str, String) {
        let say = |what: &str, more: &str| {
            format!("MountVolume.NodeExpandVolume {what} for volume {volume:?} {more}")
        };
        match self {
            Self::Grown => (
                EventKind::Normal,
                "FileSystemResizeSuccessful",
                say("succeeded", node),
            ),
            Self::ReadOnly => (
                EventKind::Warning,
                "FileSystemResizeFailed",
                say("failed", "requested read-only file system"),
            ),
        }
    }
}

/// What came of looking whether a volume has to become larger.
#[derive(Debug)]
pub(crate) struct Growth {
    /// What the pod is told.
    pub(crate) news: Option<News>,
    /// Whether it is as it shall be, or nothing can be done about it here.
    pub(crate) done: Result<(), VolumeError>,
}
