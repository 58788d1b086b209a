//! Removes images that nobody uses: those that are too old, and as many as it takes when their disk
//! is nearly full.
//!
//! ```text
//! images, containers ─► Ledger (when was each used last?) ─► unused, longest first
//! the images' disk ────► Policy (how much shall be free?) ──► removed, until it is
//! ```
//!
//! When an image was used is known since the kubelet was started. Images of containers, running or
//! not, and of volumes are in use; the runtime may pin others.

mod images;
mod ledger;
mod policy;
#[cfg(test)]
mod tests;

pub use images::{CollectError, ImageCollector, Images};
pub use policy::Policy;
