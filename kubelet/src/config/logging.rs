//! How the kubelet shall log, in upstream's words; whoever has the log makes of it what he can.
#![deny(clippy::disallowed_methods)]

use super::nested::{OutputRouting, VModule};
use super::{Configuration, Loaded};

/// How the kubelet shall log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWishes {
    /// `text` or `json`.
    pub format: String,
    /// How much.
    pub verbosity: u32,
    /// How much of single files: patterns of their names, of which the first that fits counts.
    pub files: Vec<(String, u32)>,
}

impl Loaded {
    /// How the kubelet shall log, when that was said.
    pub fn logging(&self) -> Option<LogWishes> {
        let logging = &self.configuration.logging;
        let files = logging.vmodule.iter();
        self.is_given("logging").then(|| LogWishes {
            format: logging.format.clone(),
            verbosity: logging.verbosity,
            files: files
                .map(|one| (one.file_pattern.clone(), one.verbosity))
                .collect(),
        })
    }
}

/// What is wrong with it, in upstream's words.
pub(super) fn complaints(configuration: &Configuration) -> Vec<String> {
    let logging = &configuration.logging;
    let mut complaints = Vec::new();
    if logging.format != "text" && !logging.vmodule.is_empty() {
        let message = "logging.vmodule: Forbidden: Only supported for text log format";
        complaints.push(message.to_owned());
    }
    for (index, VModule { file_pattern, .. }) in logging.vmodule.iter().enumerate() {
        let field = format!("logging.vmodule[{index}]");
        if file_pattern.is_empty() {
            complaints.push(format!(
                "{field}: Required value: File pattern must not be empty"
            ));
        } else if file_pattern.contains(['=', ',']) {
            complaints.push(format!(
                "{field}: Invalid value: {file_pattern:?}: File pattern must not contain equal sign \
                 or comma"
            ));
        }
    }
    let options = [
        ("text", &logging.options.text),
        ("json", &logging.options.json),
    ];
    for (name, OutputRouting { split_stream, .. }) in options {
        if *split_stream {
            complaints.push(format!(
                "logging.options.{name}.splitStream: Forbidden: podling's log is in one place"
            ));
        }
    }
    complaints
}
