//! The CRI socket of this node's runtime: the only module here that knows the wire types.

mod connect;
mod end_pods;
mod images;
mod pods;
mod version;

pub(crate) use connect::{ConnectError, connect, open};
pub(crate) use end_pods::end_pods;
pub(crate) use images::{Credentials, PullStep, Removed, import, list_images, pull, remove_image};
pub(crate) use pods::count_pods;
pub(crate) use version::{RuntimeVersion, runtime_version};

/// Why a call failed; the daemon's own words are the source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt}")]
pub(crate) struct CallError {
    attempt: String,
    #[source]
    answer: Answer,
}

/// What the daemon answered instead of a result.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message())]
struct Answer(tonic::Status);

impl CallError {
    /// For use with `map_err`: `attempt` completes "cannot …".
    fn while_trying_to(attempt: impl Into<String>) -> impl FnOnce(tonic::Status) -> Self {
        let attempt = attempt.into();
        move |status| Self {
            attempt,
            answer: Answer(status),
        }
    }
}
