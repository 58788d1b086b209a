//! Where desired pods come from, and the objects that they refer to: manifests in a directory.
//!
//! ```text
//! file ─► decode ─► default ─► convert (with every problem) ─► static_pod ─► merge ─► PodChange
//!            ├─ unknown fields      fields ─ not handled yet ─┘        └──► Shelf
//!            └─ objects ─────► convert ──────────────────────────────────┘
//! ```
//!
//! `file` watches and reads; everything else is pure.

mod convert;
mod decode;
mod default;
mod fields;
mod file;
mod hash;
mod manifest;
mod merge;
mod problem;
mod static_pod;
mod uid;

pub use convert::{convert, read_hook};
pub use decode::{DecodeError, Decoded, Written, decode};
pub use default::set_defaults;
pub use fields::not_handled;
pub use file::{FileParts, FileSource, WatchError};
pub use hash::container_hash;
pub use manifest::{Manifest, ManifestError, ReadObject, ReadPod, read_manifest};
pub use merge::{Contents, Desired, Duplicate, Merged, Scan, merge};
pub use problem::Problem;
pub use static_pod::{NodeIdentity, identify};
pub use uid::static_uid;
