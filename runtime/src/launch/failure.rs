//! Making a `LaunchFailure`.

use std::error::Error;
use std::fmt::Display;

use crate::monitor::protocol::{LaunchFailure, LaunchStage};

/// A failure that is not the program's own.
pub(super) fn failure(stage: LaunchStage, message: impl Display) -> LaunchFailure {
    LaunchFailure {
        stage,
        message: message.to_string(),
        code: 128,
    }
}

/// For `map_err`: says what was being done.
pub(super) fn failed<E: Error>(stage: LaunchStage, what: &str) -> impl Fn(E) -> LaunchFailure + '_ {
    move |error| failure(stage, format!("{what}: {}", chain(&error)))
}

/// An error and its sources on one line, without repeating what a message says already.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = error.source();
    }
    text
}
