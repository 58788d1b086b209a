//! CRI requests into our own types. Total: every field is named, so a field that the contract gains
//! does not compile until somebody decides about it, and a value that is not understood, or asks
//! for what is not carried out, is refused by name rather than ignored.
#![deny(clippy::disallowed_methods)]

use std::fmt::Display;

mod auth;
mod common;
mod container;
mod mount;
mod sandbox;
mod security;
mod user_namespace;

pub(super) use auth::login;
pub(super) use container::{container_config, resources_of};
pub(super) use sandbox::{pod_resources, sandbox_config};

/// Why a request was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that the contract does not know or allow.
    #[error("{field}: {value} is not valid: {rule}")]
    Invalid {
        /// The field, as in the contract.
        field: &'static str,
        /// What it held.
        value: String,
        /// What it may hold.
        rule: &'static str,
    },
    /// Something that podling does not do (yet), and will not pretend to do.
    #[error("{0} is not supported by this version of podling: leave it out")]
    Unsupported(&'static str),
}

/// A value that the contract does not allow.
fn invalid(field: &'static str, value: impl Display, rule: &'static str) -> DecodeError {
    DecodeError::Invalid {
        field,
        value: value.to_string(),
        rule,
    }
}

#[cfg(test)]
mod tests;
