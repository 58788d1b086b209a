//! Why a call to the runtime failed.

use std::time::Duration;

use super::ConvertError;

/// A call that did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The runtime answered that it cannot or will not.
    #[error("{call}: {message}")]
    Refused {
        /// The CRI call.
        call: &'static str,
        /// What kind of refusal it is.
        refusal: Refusal,
        /// The runtime's own words.
        message: String,
    },
    /// Nobody answers on the socket.
    #[error("{call}: the runtime cannot be reached: {message}")]
    Unreachable {
        /// The CRI call.
        call: &'static str,
        /// What the connection said.
        message: String,
    },
    /// The deadline passed first.
    #[error("{call}: no answer from the runtime within {deadline:?}")]
    TimedOut {
        /// The CRI call.
        call: &'static str,
        /// How long was waited.
        deadline: Duration,
    },
    /// The answer is not what CRI says it must be.
    #[error("{call}: the runtime's answer makes no sense")]
    Malformed {
        /// The CRI call.
        call: &'static str,
        /// The field that is wrong.
        #[source]
        source: ConvertError,
    },
}

/// The refusals that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such sandbox, container or image.
    NotFound,
    /// The runtime does not have this call.
    Unimplemented,
    /// The request itself is wrong.
    InvalidArgument,
    /// What was asked for took longer than it may.
    DeadlineExceeded,
    /// Anything else.
    Other,
}

impl RuntimeError {
    /// Whether what was asked about does not exist.
    pub fn is_not_found(&self) -> bool {
        self.is_refusal(Refusal::NotFound)
    }

    /// Whether the runtime does not have this call at all.
    pub fn is_unimplemented(&self) -> bool {
        self.is_refusal(Refusal::Unimplemented)
    }

    /// Whether the runtime itself is at fault, not this request: worth trying again soon.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. })
    }

    /// Whether what was asked for took longer than it may.
    pub fn is_timeout(&self) -> bool {
        self.is_refusal(Refusal::DeadlineExceeded) || matches!(self, Self::TimedOut { .. })
    }

    /// What to show in a pod's status: the runtime's words without the name of the call.
    pub fn explanation(&self) -> String {
        match self {
            Self::Refused { message, .. } => message.clone(),
            Self::Malformed { source, .. } => format!("{self}: {source}"),
            Self::Unreachable { .. } | Self::TimedOut { .. } => self.to_string(),
        }
    }

    fn is_refusal(&self, wanted: Refusal) -> bool {
        matches!(self, Self::Refused { refusal, .. } if *refusal == wanted)
    }
}
