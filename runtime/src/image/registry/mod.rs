//! Registries that speak the OCI distribution API.
//!
//! ```text
//! settings    which hosts speak plain HTTP, how patient to be
//! session     one repository: requests, anonymous bearer tokens, typed errors
//! blob        one blob as a stream that survives broken connections
//! ```

mod blob;
mod challenge;
mod error;
mod session;
mod settings;

pub use error::RegistryError;
pub use settings::RegistrySettings;

pub(super) use blob::Piece;
pub(super) use session::{Clients, Session};
