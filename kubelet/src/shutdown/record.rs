//! When the last shutdown began and ended for the pods: a file that outlives the machine's reboot, for
//! metrics.

use crate::whole::write_private;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

/// The file, below the kubelet's root.
const FILE: &str = "graceful_node_shutdown_state";
/// How the file writes that something has not come yet.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// When a shutdown began, and when all pods had ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) began: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

impl Record {
    /// What was recorded last; nothing when nothing was.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let bytes = match fs::read(root.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other?,
        };
        let record: Value = serde_json::from_slice(&bytes)?;
        let time = |field: &str| {
            let text = record[field].as_str().filter(|text| *text != NEVER);
            text.and_then(|text| text.parse().ok())
        };
        Ok(Self {
            began: time("startTime"),
            ended: time("endTime"),
        })
    }

    /// Records it, whole or not at all.
    pub(super) fn write(self, root: &Path) -> io::Result<()> {
        let text = |time: Option<Timestamp>| {
            time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
        };
        let record = json!({ "startTime": text(self.began), "endTime": text(self.ended) });
        // The machine is about to go down.
        write_private(&root.join(FILE), record.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_read_and_upstreams_file_too() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(root.path()).unwrap(), Record::default());
        let record = Record {
            began: Some(Timestamp::UNIX_EPOCH),
            ended: None,
        };
        record.write(root.path()).unwrap();
        assert_eq!(Record::read(root.path()).unwrap(), record);
        let upstreams = r#"{"startTime":"2026-01-02T03:04:05.678901234+01:00","endTime":"0001-01-01T00:00:00Z"}"#;
        fs::write(root.path().join(FILE), upstreams).unwrap();
        let read = Record::read(root.path()).unwrap();
        assert_eq!(
            read.began.map(|time| time.to_string()).as_deref(),
            Some("2026-01-02T02:04:05.678901234Z")
        );
        assert_eq!(read.ended, None);
    }
}
