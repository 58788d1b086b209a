//! How a process ended, as the stream's last word says it: pure.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Well.
    Success,
    /// With this code.
    Code(i32),
    /// It was not run, or not to its end.
    Failure(String),
    /// Nobody said.
    Unknown,
}

impl Ending {
    /// Reads a v1 Status.
    pub(crate) fn read(status: &[u8]) -> Self {
        let Ok(status) = serde_json::from_slice::<Value>(status) else {
            return Self::Failure(String::from_utf8_lossy(status).into_owned());
        };
        if status["status"] == "Success" {
            return Self::Success;
        }
        let causes = status["details"]["causes"].as_array().into_iter().flatten();
        let code = causes
            .filter(|cause| cause["reason"] == "ExitCode")
            .find_map(|cause| cause["message"].as_str()?.parse().ok());
        match code {
            Some(code) if status["reason"] == "NonZeroExitCode" => Self::Code(code),
            _ => Self::Failure(status["message"].as_str().unwrap_or("it failed").to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_how_a_process_ended() {
        let failed = r#"{"status":"Failure","reason":"NonZeroExitCode","message":"m",
            "details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        for (status, expected) in [
            (r#"{"status":"Success"}"#, Ending::Success),
            (failed, Ending::Code(7)),
            (
                r#"{"status":"Failure","reason":"InternalError","message":"no such file"}"#,
                Ending::Failure("no such file".to_owned()),
            ),
            ("words", Ending::Failure("words".to_owned())),
        ] {
            assert_eq!(Ending::read(status.as_bytes()), expected);
        }
    }
}
