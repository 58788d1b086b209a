//! The objects that pods refer to, and who has them.
//!
//! ```text
//! manifests ──► Shelf, bind ──watch──► LocalObjects ──Objects::get──► executor, volumes
//!    └──────── Input::ObjectsChanged ──► sync ──► workers of the pods that refer to them
//! ```
//!
//! An API server fills the same role: it answers [`Objects::get`] from what it watches, and sends
//! `Input::ObjectsChanged` when something of it changes.

mod bind;
mod local;

use futures::future::BoxFuture;

use crate::model::{Object, ObjectKey, ObjectNotFound, PodUid};

pub use local::{LocalObjects, RecordError, Shelf, shelf};

/// Has the objects that pods refer to.
///
/// Whoever plays this role also sends the keys of what changed to the sync loop, after `get` would
/// answer with it.
pub trait Objects: Send + Sync + 'static {
    /// The object as it is now, for a pod; a source that must watch for what it has knows by the
    /// pod for how long.
    fn get<'a>(
        &'a self,
        reader: &'a PodUid,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Object, LookupError>>;

    /// The pod is gone and reads nothing any more.
    fn forget(&self, reader: &PodUid);
}

/// Why there is no object to be had.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Nobody has made one.
    #[error(transparent)]
    NotFound(#[from] ObjectNotFound),
    /// Whoever has it does not answer.
    #[error("cannot get {key}")]
    Unavailable {
        /// Which object.
        key: ObjectKey,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
