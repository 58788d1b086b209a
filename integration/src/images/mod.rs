//! Small container images, built here: the same input gives the same bytes and the same digest.
//!
//! ```text
//! entry ─► layer ──┐
//!                  ├─► image ─► content ─┬─► layout          OCI layout, directory or tar
//! settings ────────┘      │       ▲      ├─► docker_archive  what `docker load` reads
//!                         └─► index      └─► push            a registry
//! ```
//!
//! `atop` puts finished images on top of each other; `infra` and `testbox` wrap programs of this repository; `debian` takes real servers out of
//! Debian packages.

pub mod atop;
pub mod content;
pub mod debian;
pub mod docker_archive;
pub mod entry;
pub mod image;
pub mod index;
pub mod infra;
pub mod layer;
pub mod layout;
pub mod push;
pub mod settings;
pub mod testbox;

pub use content::{Blob, Content, Descriptor};
pub use entry::Entry;
pub use image::{BuiltImage, Image, Platform};
pub use index::Index;
pub use layer::{Compression, Layer};
pub use layout::Layout;
pub use settings::Settings;

/// The name under which an image of this repository is stored: `localhost/podling/NAME:VERSION`.
pub fn local_name(name: &str) -> String {
    format!("localhost/podling/{name}:{}", env!("CARGO_PKG_VERSION"))
}
