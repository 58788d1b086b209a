//! Finds the log file of one try of a container.

use std::io;
use std::path::{Path, PathBuf};

/// The log file of one try of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// Which try wrote it.
    pub restart_count: u32,
}

/// The newest log in a container's log directory.
pub(crate) async fn newest(directory: &Path) -> io::Result<Option<LogFile>> {
    let mut tries = tries(directory).await?;
    Ok(tries
        .pop()
        .map(|restart_count| log_file(directory, restart_count)))
}

/// The log before the newest.
pub(crate) async fn previous(directory: &Path) -> io::Result<Option<LogFile>> {
    let mut tries = tries(directory).await?;
    tries.pop();
    Ok(tries
        .pop()
        .map(|restart_count| log_file(directory, restart_count)))
}

fn log_file(directory: &Path, restart_count: u32) -> LogFile {
    LogFile {
        path: directory.join(format!("{restart_count}.log")),
        restart_count,
    }
}

/// Sorted, each once. While a log is being rotated, only its rotated files tell of it.
async fn tries(directory: &Path) -> io::Result<Vec<u32>> {
    let mut entries = match tokio::fs::read_dir(directory).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut tries = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.split_once(".log"));
        let parts = parts.filter(|(_, rest)| rest.is_empty() || rest.starts_with('.'));
        tries.extend(parts.and_then(|(number, _)| number.parse::<u32>().ok()));
    }
    tries.sort_unstable();
    tries.dedup();
    Ok(tries)
}
