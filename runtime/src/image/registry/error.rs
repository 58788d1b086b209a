//! Why a registry did not give what was asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::hosts::HostsError;
use crate::image::digest::Digest;

/// Why a registry did not give what was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistryError {
    /// It has no such thing.
    #[error("{what} is not in the registry")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// It wants credentials, or others.
    #[error("the registry denies access to {what}")]
    Unauthorized {
        /// What was asked for.
        what: String,
    },
    /// It cannot be reached.
    #[error("cannot reach {url}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// It answered with something else.
    #[error("{url} answers {status}{message}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// The beginning of the answer's text, after a colon.
        message: String,
    },
    /// Nothing came for too long.
    #[error("nothing came from {url} for {patience:?}")]
    Stalled {
        /// What was asked for.
        url: String,
        /// How long that was.
        patience: Duration,
    },
    /// The answer ended early, again and again.
    #[error("{url} ended after {got} of {size} bytes")]
    Incomplete {
        /// What was asked for.
        url: String,
        /// What came.
        got: u64,
        /// What should have come.
        size: u64,
    },
    /// The answer is longer than is allowed.
    #[error("{url} has more than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The bound.
        limit: u64,
    },
    /// The answer is not what the digest names.
    #[error("{what} has digest {got}, expected {expected}")]
    DigestMismatch {
        /// What was asked for.
        what: &'static str,
        /// The digest that named it.
        expected: Digest,
        /// The digest it has.
        got: Digest,
    },
    /// The way to a token is not understood.
    #[error("the registry's request for a token is not understood: {0}")]
    Challenge(&'static str),
    /// It leads from one address to another, and on and on.
    #[error("{url} leads to {reason}")]
    Redirect {
        /// What was asked for.
        url: String,
        /// What is wrong with where it leads.
        reason: &'static str,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: are there CA certificates on this machine?")]
    Tls(#[source] Arc<reqwest::Error>),
    /// A certificate or key of the configuration cannot be used.
    #[error("cannot use the certificate {path:?}")]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// It cannot be said where images are fetched from.
    #[error("the configuration of the registry cannot be used")]
    Hosts(#[source] Arc<HostsError>),
    /// None of several endpoints could help.
    #[error("no place has {what}: {tried}")]
    Nowhere {
        /// What was asked for.
        what: String,
        /// Each endpoint's address and answer.
        tried: String,
    },
}

impl RegistryError {
    /// Whether the registry could not be asked, as opposed to having answered.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stalled { .. } | Self::Nowhere { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    /// Whether it may work in a moment.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stalled { .. } | Self::Incomplete { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            _ => false,
        }
    }
}
