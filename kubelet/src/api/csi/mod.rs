//! What a cluster is told of CSI drivers and their volumes, and what is waited for from it.
//!
//! ```text
//! CSIDrivers ─► limits ─► Drivers, asked again and again
//! Drivers ─► keeper ─► plan (pure) ─► CSINode, annotation and labels of the Node
//! Mounter ─► volumes in use ─► Node.status.volumesInUse ─┐
//! Node.status.volumesAttached, VolumeAttachment ─────────┴─► attached: a pod may go on
//! a volume that becomes larger ─► claim (pure) ─► the claim's status
//! ```

mod attached;
mod claim;
mod claims;
mod keeper;
mod limits;
mod plan;
mod volumes;

pub(crate) use attached::ApiAttachments;
pub(crate) use claims::ApiClaims;
pub(crate) use keeper::DriverKeeper;
pub(crate) use limits::DriverLimits;
pub(crate) use volumes::NodeVolumes;
