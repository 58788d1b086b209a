//! The UID of a static pod, as every kubelet of Kubernetes 1.36 computes it.
//!
//! ```text
//! defaulted pod ─► internal: the shape of a pod inside a kubelet ─► dump: Go's print of it ─► FNV-1a
//!                                                   types ─┘
//! ```
//!
//! The print holds names and types of fields that are not even set, so it is made from a table of
//! the types (`core-1.36.types`), and one walk over it.
#![deny(clippy::disallowed_methods)]

mod dump;
mod internal;
mod quantity;
mod types;

#[cfg(test)]
mod tests;

use k8s_openapi::api::core::v1 as core;

use crate::model::{PodOrigin, PodUid};

use super::hash::Fnv128a;

/// The UID of a static pod: what its defaulted manifest says, and where that was read. A file is
/// another one on each node; a page is the same for all that ask for it.
pub fn static_uid(pod: &core::Pod, node: &str, origin: &PodOrigin) -> PodUid {
    let mut hash = Fnv128a::default();
    hash.write(printed(pod).as_bytes());
    match origin {
        PodOrigin::File(file) => {
            hash.write(b"host:");
            hash.write(node.as_bytes());
            hash.write(b"file:");
            hash.write(file.to_string_lossy().as_bytes());
        }
        PodOrigin::Url(url) => {
            hash.write(b"url:");
            hash.write(url.as_bytes());
        }
        // Such pods have UIDs.
        PodOrigin::Api => {}
    }
    hash.to_string().into()
}

/// The text that stands for a pod.
fn printed(pod: &core::Pod) -> String {
    dump::dump(types::core(), &internal::internal(pod))
}
