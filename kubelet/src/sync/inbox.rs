//! Everything that can reach the sync loop, in one enum.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{ContainerId, Demise, ObjectKey, PodChange, PodName, PodUid};

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// The desired pods changed.
    Desired(Vec<PodChange>),
    /// Objects that pods may refer to came, changed or went.
    ObjectsChanged(BTreeSet<ObjectKey>),
    /// All sources have said what they have at least once: what is not desired is now unwanted.
    SourcesReady,
    /// Something happened to a pod in the runtime.
    RuntimeChanged(PodUid),
    /// All pods of which the runtime has anything, dead or alive.
    Relisted(Vec<RuntimePod>),
    /// The kubelet gives a pod up: it ends, and its status says why until nobody wants it any more.
    Fail {
        /// Which.
        uid: PodUid,
        /// What its status says.
        demise: Arc<Demise>,
        /// How long its containers may take; `None` leaves it to the pod.
        grace: Option<Duration>,
    },
    /// Somebody wants these containers of a pod to begin anew.
    Restart {
        /// The pod.
        uid: PodUid,
        /// The containers as they are now.
        containers: BTreeSet<ContainerId>,
    },
    /// Something was added to a pod.
    Added(PodUid),
    /// Every pod shall end, and none shall start any more.
    EndAll,
}

/// A pod of which the runtime has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimePod {
    /// Its UID.
    pub uid: PodUid,
    /// Its name.
    pub name: PodName,
    /// Whether any of it lives.
    pub life: Life,
}

/// Whether any of what the runtime has of a pod lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// A sandbox is ready, or a container runs.
    Alive,
    /// Only what has ended is left.
    Dead,
}

/// What a worker tells the loop of its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Report {
    /// It was only looked at, and has not done its work yet.
    WantsIn,
    /// Nothing of it runs, and nothing will.
    Ended,
    /// Its containers have what they have been given since this generation.
    Resized(i64),
}
