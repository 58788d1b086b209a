//! Volumes that have to be at the node before they can be staged.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::place::{attachment_name, unique_name};
use crate::model::StringMap;

/// A volume that has to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachable {
    /// The driver.
    pub(crate) driver: String,
    /// The driver's name of it.
    pub(crate) handle: String,
    /// What it is called in the status of a Node.
    pub(crate) name: String,
    /// What says in a cluster whether it is attached.
    pub(crate) attachment: String,
}

impl Attachable {
    /// A driver's volume at the node with this name.
    pub(crate) fn of(driver: &str, handle: &str, node: &str) -> Self {
        Self {
            driver: driver.to_owned(),
            handle: handle.to_owned(),
            name: unique_name(driver, handle),
            attachment: attachment_name(driver, handle, node),
        }
    }
}

/// Why a volume is not attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotAttached {
    /// It takes long.
    InTime,
    /// It takes long, and the driver says that the node has no room for one more.
    BeyondLimit,
    /// Somebody says why.
    Because(String),
    /// Nobody attaches volumes to this node.
    ByNobody,
}

/// Knows what is attached to the node.
pub(crate) trait Attachments: Send + Sync + 'static {
    /// Waits until a volume is; what was said then.
    fn wait<'a>(&'a self, volume: &'a Attachable) -> BoxFuture<'a, Result<StringMap, NotAttached>>;
}

/// No controller attaches volumes (`enableControllerAttachDetach: false`), and drivers leave it to
/// controllers.
pub(crate) struct NoAttachments;

impl Attachments for NoAttachments {
    fn wait<'a>(&'a self, _: &'a Attachable) -> BoxFuture<'a, Result<StringMap, NotAttached>> {
        std::future::ready(Err(NotAttached::ByNobody)).boxed()
    }
}
