//! What an OCI runtime logs when it fails.
#![deny(clippy::disallowed_methods)]

use serde::Deserialize;

/// A line of its log.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    level: String,
    #[serde(default)]
    msg: String,
}

/// The last error that it has logged.
pub(super) fn last(log: &[u8]) -> Option<String> {
    let lines = log.split(|&byte| byte == b'\n').rev();
    let parsed = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    let mut errors = parsed.filter(|line| matches!(line.level.as_str(), "error" | "fatal"));
    errors.next().map(|line| line.msg.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_counts() {
        let log = br#"{"level":"warning","msg":"old","time":"x"}
{"level":"error","msg":"first","time":"x"}
not json
{"level":"error","msg":"exec: \"a\": not found\n","time":"x"}
{"level":"info","msg":"bye","time":"x"}
"#;
        assert_eq!(last(log).as_deref(), Some("exec: \"a\": not found"));
        assert_eq!(last(b""), None);
        assert_eq!(last(br#"{"level":"info","msg":"bye"}"#), None);
    }
}
