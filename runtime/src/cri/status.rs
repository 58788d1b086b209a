//! Every error, as a gRPC status. The one place where an error's chain is put into one sentence.

use std::error::Error;

use tonic::{Code, Status};

use super::decode::DecodeError;
use crate::image::{ImportError, PullError, RemoveError, StoreError};
use crate::lifecycle::LifecycleError;
use crate::lifecycle::error::chain;

impl From<DecodeError> for Status {
    fn from(error: DecodeError) -> Self {
        Status::invalid_argument(error.to_string())
    }
}

impl From<LifecycleError> for Status {
    fn from(error: LifecycleError) -> Self {
        let code = match &error {
            LifecycleError::NotFound { .. } => Code::NotFound,
            LifecycleError::Invalid(_) => Code::InvalidArgument,
            LifecycleError::WrongState(_) => Code::FailedPrecondition,
            LifecycleError::NameTaken(_) => Code::AlreadyExists,
            LifecycleError::DeadlineExceeded(_) => Code::DeadlineExceeded,
            LifecycleError::Ended(_) => Code::Aborted,
            LifecycleError::Failed { source, .. } => code_of_source(source.as_ref()),
        };
        Status::new(code, chain(&error))
    }
}

/// A request that cannot be described as a container is the client's to mend; the rest is ours.
fn code_of_source(source: &(dyn Error + 'static)) -> Code {
    if source.is::<crate::spec::SpecError>() {
        Code::InvalidArgument
    } else {
        Code::Unknown
    }
}

impl From<PullError> for Status {
    fn from(error: PullError) -> Self {
        let code = match &error {
            PullError::NotFound { .. } => Code::NotFound,
            PullError::InvalidReference { .. } => Code::InvalidArgument,
            _ => Code::Unknown,
        };
        let text = chain(&error);
        Status::new(
            code,
            // The kubelet knows this beginning, and tells its user that the registry is away.
            if error.is_unavailable() {
                format!("RegistryUnavailable: {text}")
            } else {
                text
            },
        )
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        Status::unknown(chain(&error))
    }
}

impl From<ImportError> for Status {
    fn from(error: ImportError) -> Self {
        Status::unknown(chain(&error))
    }
}

impl From<RemoveError> for Status {
    fn from(error: RemoveError) -> Self {
        let code = match &error {
            RemoveError::InvalidReference(_) => Code::InvalidArgument,
            RemoveError::Store(_) => Code::Unknown,
        };
        Status::new(code, chain(&error))
    }
}
