//! Volumes of CSI drivers (v1): staged once a node, published once a pod.
//!
//! ```text
//! plugin ─► door ─► Drivers ◄── who is asked
//! pod ──► Mounter ── a lane a volume ─► plan (pure) ─► record on disk ─► wire ─► driver
//!            ▲                             └─ what was recorded, and whether it is of this boot
//! upkeep ────┘ unstages what no pod has any more
//! ```
//!
//! Before a driver is called, it is on disk that it will be: whatever dies in between, the next
//! kubelet knows what may be mounted, and takes it down by the same steps.

mod attach;
mod door;
mod down;
mod drivers;
mod grow;
mod keep;
mod lanes;
mod mounter;
mod place;
mod plan;
mod record;
#[cfg(test)]
mod tests;
mod up;
mod upkeep;
mod uses;
mod wanted;
mod wire;

pub(crate) use attach::{Attachable, Attachments, NoAttachments, NotAttached};
pub(crate) use door::run as let_in;
pub use drivers::{Drivers, NoDriver, NodeInfo};
pub(crate) use grow::{ClaimNow, Claims, Larger, Mark, Moment};
pub use mounter::Mounter;
pub(crate) use place::inline_handle;
pub(crate) use upkeep::run as keep_up;
pub(crate) use wanted::{Again, Group, Secrets, Wanted};

/// The name of the kubelet's part, in paths and messages.
const NAME: &str = "kubernetes.io/csi";
