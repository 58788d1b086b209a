//! Why the API server did not do what it was asked for.

use std::error::Error;
use std::time::Duration;

use super::login::LoginError;

type Cause = Box<dyn Error + Send + Sync>;

/// Why the API server did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nothing can be shown to it.
    #[error("cannot {ask}")]
    Login {
        /// Method and path.
        ask: String,
        /// Why not.
        #[source]
        source: LoginError,
    },
    /// It does not answer.
    #[error("cannot {ask}: the API server does not answer")]
    Unreachable {
        /// Method and path.
        ask: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// It refuses.
    #[error("cannot {ask}: {message}")]
    Refused {
        /// Method and path.
        ask: String,
        /// The HTTP status.
        code: u16,
        /// One word, for instance `NotFound`.
        reason: String,
        /// A sentence.
        message: String,
        /// When it may be asked again.
        retry_after: Option<Duration>,
    },
    /// It answers what nobody understands.
    #[error("cannot {ask}: the answer is not understood")]
    Nonsense {
        /// Method and path.
        ask: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

impl ApiError {
    /// The HTTP status; 0 when there was no answer.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Login { .. } | Self::Unreachable { .. } | Self::Nonsense { .. } => 0,
        }
    }

    /// There is no such object.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code() == 404
    }

    /// Who asks may not.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.code() == 403
    }

    /// Somebody else changed or made it first, or it is another object by now.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code() == 409
    }

    /// What was asked for is too old to be told.
    pub(crate) fn is_gone(&self) -> bool {
        self.code() == 410
    }

    /// The same, with what is known of why.
    pub(super) fn because(mut self, why: Option<String>) -> Self {
        if let (Self::Refused { message, .. }, Some(why)) = (&mut self, why) {
            *message = format!("{message}: {why}");
        }
        self
    }

    /// It is not known who asks.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.code() == 401
    }

    /// How long to wait before asking again, when the server has said so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused {
                code: 429 | 503,
                retry_after,
                ..
            } => *retry_after,
            _ => None,
        }
    }
}
