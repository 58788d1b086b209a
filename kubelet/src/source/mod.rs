//! Where desired pods come from, and the objects that they refer to: manifests in a directory and on
//! a page.
//!
//! ```text
//! file, http ─► decode ─► default ─► convert (with every problem) ─► static_pod ─► gather (merge) ─► PodChange
//!                  ├─ unknown fields      fields ─ not handled yet ─┘            └──► Shelf
//!                  └─ objects ─────► convert ──────────────────────────────────┘
//! ```
//!
//! `file` and `http` read, `gather` owns what is desired; everything else is pure.

mod convert;
mod decode;
mod default;
mod fields;
mod file;
mod gather;
mod hash;
mod http;
mod manifest;
mod merge;
mod page;
mod problem;
mod static_pod;
mod tell;
mod uid;
mod whole;

pub use convert::{convert, convert_of_api, read_hook, read_object};
pub(crate) use convert::{convert_ephemeral, read_requirements};
pub use decode::{DecodeError, Decoded, Written, decode};
pub(crate) use default::default_ephemeral;
pub use default::set_defaults;
pub use fields::not_handled;
pub use file::{FileParts, FileSource, WatchError};
pub use gather::{Gatherer, Saying, StaticPods};
pub use hash::container_hash;
pub use http::{HttpParts, HttpSource};
pub use manifest::{Manifest, ManifestError, ReadObject, ReadPod, read_manifest};
pub use merge::{Contents, Desired, Duplicate, Merged, Scan, merge};
pub use page::Page;
pub use problem::Problem;
pub use static_pod::{NodeIdentity, identify};
pub use uid::static_uid;
