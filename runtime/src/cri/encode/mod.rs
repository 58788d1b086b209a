//! Our own types into CRI answers.
#![deny(clippy::disallowed_methods)]

mod container;
mod image;
mod sandbox;

pub(super) use container::{container, container_state, container_status};
pub(super) use image::{filesystem_usage, image, image_info};
pub(super) use sandbox::{sandbox, sandbox_state, sandbox_status};
