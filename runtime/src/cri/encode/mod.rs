//! Our own types into CRI answers.
#![deny(clippy::disallowed_methods)]

mod container;
mod handler;
mod image;
mod sandbox;

use podling_proto::runtime::v1::IdMapping;

use crate::model::config::UserNamespace;

pub(super) use container::{container, container_state, container_status};
pub(super) use handler::runtime_handler;
pub(super) use image::{filesystem_usage, image, image_info};
pub(super) use sandbox::{sandbox, sandbox_state, sandbox_status};

/// The range of ids of a user namespace that begins with `host_id`.
fn ids(host_id: u32, namespace: &UserNamespace) -> IdMapping {
    IdMapping {
        host_id,
        container_id: 0,
        length: namespace.length,
    }
}
