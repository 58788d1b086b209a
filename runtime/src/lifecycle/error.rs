//! What can go wrong with a sandbox or a container, as its caller sees it.

use std::error::Error;
use std::sync::Arc;

/// Any other error, kept whole so that its chain can be printed where it stops.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why an operation on a sandbox or a container was not carried out.
///
/// Clonable, because everybody who joined one operation gets its outcome.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LifecycleError {
    /// There is no such sandbox, container or image.
    #[error("{kind} {id:?} not found")]
    NotFound {
        /// `sandbox`, `container` or `image`.
        kind: &'static str,
        /// As the client wrote it.
        id: String,
    },
    /// The request itself cannot be carried out, now or later.
    #[error("{0}")]
    Invalid(String),
    /// The request does not fit the state that the thing is in.
    #[error("{0}")]
    WrongState(String),
    /// The name is taken by something that a retry must not join.
    #[error("{0}")]
    NameTaken(String),
    /// A step failed.
    #[error("{attempted}")]
    Failed {
        /// What was attempted on what.
        attempted: String,
        /// Why it failed.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// It took longer than its client allowed.
    #[error("{0}")]
    DeadlineExceeded(String),
    /// The pod went away, or the runtime is stopping, while the request was underway.
    #[error("sandbox {0} ended while the request was underway")]
    Ended(String),
}

impl LifecycleError {
    /// A failed step.
    pub fn failed(attempted: impl Into<String>, source: impl Into<BoxError>) -> Self {
        let source: BoxError = source.into();
        Self::Failed {
            attempted: attempted.into(),
            source: Arc::from(source),
        }
    }
}

/// `Display` of an error and all its sources, joined by colons.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_names_every_source_once() {
        let source = std::io::Error::other("the disk is full");
        let error = LifecycleError::failed("write config.json", source);
        assert_eq!(chain(&error), "write config.json: the disk is full");
    }
}
