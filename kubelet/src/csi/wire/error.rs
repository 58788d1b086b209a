//! Why a driver did not do what it was asked, and whether it may still do it.
#![deny(clippy::disallowed_methods)]

use std::error::Error;

use tonic::{Code, Status};

use crate::csi::plan::Outcome;

/// What a driver, or the way to it, answered; in the words of gRPC's Go library, which everybody knows.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("rpc error: code = {code} desc = {message}")]
pub(in crate::csi) struct CallError {
    code: &'static str,
    message: String,
    outcome: Outcome,
}

impl CallError {
    /// The word for what was answered.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// Whether it does not do it as long as the volume is used.
    pub(in crate::csi) fn is_in_use(&self) -> bool {
        self.code == word(Code::FailedPrecondition)
    }

    /// Whether it can never do it.
    pub(in crate::csi) fn is_infeasible(&self) -> bool {
        let never = [Code::InvalidArgument, Code::OutOfRange, Code::NotFound];
        never.into_iter().any(|code| self.code == word(code))
    }

    /// Whether what was asked may have been done.
    pub(in crate::csi) fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        // What a driver says itself has no source; what went wrong on the way has.
        let is_lost = Error::source(&status).is_some();
        let outcome = match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Unavailable
            | Code::ResourceExhausted
            | Code::Aborted => Outcome::Unknown,
            _ if is_lost => Outcome::Unknown,
            _ => Outcome::Refused,
        };
        Self {
            code: word(status.code()),
            message: status.message().to_owned(),
            outcome,
        }
    }
}

fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_says_is_told_as_upstream_tells_it() {
        let refused = CallError::from(Status::internal("no such disk"));
        assert_eq!(
            refused.to_string(),
            "rpc error: code = Internal desc = no such disk"
        );
        assert_eq!(refused.outcome(), Outcome::Refused);
    }

    #[test]
    fn what_was_lost_on_the_way_may_have_been_done() {
        for code in [Code::DeadlineExceeded, Code::Unavailable, Code::Aborted] {
            let lost = CallError::from(Status::new(code, ""));
            assert_eq!(lost.outcome(), Outcome::Unknown, "{code:?}");
        }
        let broken = Status::from_error(Box::new(std::io::Error::other("broken pipe")));
        assert_eq!(CallError::from(broken).outcome(), Outcome::Unknown);
    }
}
