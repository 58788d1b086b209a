//! Registries that speak the OCI distribution API.
//!
//! ```text
//! settings      which hosts speak plain HTTP, how patient to be
//! hosts         certs.d: which endpoints have the images of a registry
//! repository    one repository at all of its endpoints, asked in turn
//! session       one endpoint: requests, redirects, typed errors
//!   credentials, challenge, authorization, token    what is shown to whom
//!   blob          one blob as a stream that survives broken connections
//! ```

mod authorization;
mod blob;
mod challenge;
mod client;
mod credentials;
mod error;
mod hosts;
mod repository;
mod session;
mod settings;
mod token;

pub use credentials::{Credentials, Login};
pub use error::RegistryError;
pub use hosts::HostsError;
pub use settings::RegistrySettings;

pub(super) use blob::Piece;
pub(super) use client::Clients;
pub(super) use repository::Repository;
