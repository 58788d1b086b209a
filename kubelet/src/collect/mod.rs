//! Removes what nobody uses for the sake of the node: images that are too old, and as many as it takes
//! when their disk is nearly full; dead containers, when there are too many or the disk is full.
//!
//! ```text
//! images, containers ─► Ledger (when was each used last?) ─► unused, longest first
//! the images' disk ────► Policy (how much shall be free?) ──► removed, until it is
//! ```
//!
//! When an image was used is known since the kubelet was started. Images of containers, running or
//! not, and of volumes are in use; the runtime may pin others.

mod containers;
mod dead;
mod images;
mod ledger;
mod policy;
#[cfg(test)]
mod tests;

pub use containers::{ContainerCollector, DeadContainers, DeadError, DeadParts, Remembers};
pub use dead::Limit;
pub use images::{CollectError, ImageCollector, Images};
pub use policy::Policy;
