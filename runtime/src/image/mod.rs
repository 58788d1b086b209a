//! Images: references, registries, the content store, unpacking.
//!
//! ```text
//! images ─┬─► pull ──► registry        reference, manifest, config, platform, digest: pure
//!         ├─► import                   content: what belongs together does
//!         │      └──► unpack ─► store  one directory a layer, one record an image
//!         └─► accounts ──► merged      reads files of an image without mounting it
//! ```

pub mod accounts;
pub mod config;
pub mod content;
pub mod digest;
pub mod id;
mod images;
pub mod import;
pub mod manifest;
mod merged;
pub mod platform;
mod progress;
mod pull;
mod record;
pub mod reference;
pub mod registry;
mod store;
pub mod unpack;
mod walk;

pub use accounts::AccountsError;
pub use images::{Images, OpenError, RemoveError, Usage};
pub use import::ImportError;
pub use progress::{LayerProgress, Progress};
pub use pull::PullError;
pub use record::ImageRecord;
pub use registry::{Credentials, Login, RegistrySettings};
pub use store::{Lease, StoreError};
