//! Devices of plugins (v1beta1): who registers, which devices there are, which container has which.
//!
//! ```text
//! plugin ── Register ──► door ── ListAndWatch ──► desk (books P, checkpoint P)
//! plugins_registry ─► `plugin` ┘                   ├─► reserve: which devices a pod gets; Allocate
//!                                                  ├─► grant: what a container gets with them
//!                                                  ├─► near: of which nodes of memory they could be
//!                                                  └─► health: how they are, in the pod's status
//! ```
//!
//! The books are on disk before a container is made: a kubelet that starts again gives no device
//! to two pods.

mod books;
mod checkpoint;
mod desk;
mod door;
mod grant;
mod health;
mod near;
mod wire;

pub use books::Handed;
pub use desk::{Desk, NotReserved, Refused, Reusable};
pub use door::Places;
pub(crate) use door::run;
pub use grant::{Grant, GrantedDevice, GrantedMount};
