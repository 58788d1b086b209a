//! How a command ended, as its client is told.
#![deny(clippy::disallowed_methods)]

use serde_json::json;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With exit code zero.
    Succeeded,
    /// With another exit code.
    Exited(i32),
    /// It could not be run, or its end was not seen.
    Failed(String),
}

impl Outcome {
    /// A `Status` object of the Kubernetes API.
    pub(super) fn to_json(&self) -> String {
        let status = match self {
            Self::Succeeded => json!({"metadata": {}, "status": "Success"}),
            Self::Exited(code) => json!({
                "metadata": {},
                "status": "Failure",
                "message": self.to_text(),
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
            }),
            Self::Failed(_) => json!({
                "metadata": {},
                "status": "Failure",
                "message": format!("Internal error occurred: {}", self.to_text()),
                "reason": "InternalError",
                "details": {"causes": [{"message": self.to_text()}]},
                "code": 500,
            }),
        };
        status.to_string()
    }

    /// What clients are told that know no `Status`: nothing, if all went well.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Succeeded => String::new(),
            Self::Exited(code) => format!("command terminated with non-zero exit code: {code}"),
            Self::Failed(reason) => format!("error executing command in container: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_told_as_the_cause_of_a_status() {
        let json: serde_json::Value =
            serde_json::from_str(&Outcome::Exited(7).to_json()).expect("JSON");
        assert_eq!(json["status"], "Failure");
        assert_eq!(json["reason"], "NonZeroExitCode");
        let cause = json!({"reason": "ExitCode", "message": "7"});
        assert_eq!(json["details"]["causes"], json!([cause]));
    }

    #[test]
    fn success_is_silence_to_old_clients_and_a_status_to_others() {
        assert_eq!(Outcome::Succeeded.to_text(), "");
        assert_eq!(
            Outcome::Succeeded.to_json(),
            r#"{"metadata":{},"status":"Success"}"#
        );
    }
}
