//! Exit records on disk: `exits/<container id>.json`.
//!
//! A record appears whole or not at all: it is written under another name and then renamed, never
//! over an existing file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::protocol::ExitRecord;
use crate::model::ContainerId;

/// The directory of exit records.
#[derive(Debug)]
pub(super) struct ExitRecords {
    dir: PathBuf,
}

impl ExitRecords {
    /// Makes the directory below `run_dir`.
    pub(super) fn open(run_dir: &Path) -> io::Result<Self> {
        let dir = run_dir.join("exits");
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self { dir }),
        }
    }

    /// Writes a record; one that exists stays as it is.
    pub(super) fn write(&self, record: &ExitRecord) -> io::Result<()> {
        let temporary = self.dir.join(format!(".{}", record.container_id));
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        let path = self.path(&record.container_id);
        match renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => fs::remove_file(&temporary),
            result => Ok(result?),
        }
    }

    /// Removes a record, if there is one.
    pub(super) fn remove(&self, id: &ContainerId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, id: &ContainerId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

/// The record that the monitor of `run_dir` has left of a container's end, if there is a whole one.
/// For a daemon whose monitor is gone.
pub fn read_exit(run_dir: &Path, id: &ContainerId) -> Option<ExitRecord> {
    let records = ExitRecords {
        dir: run_dir.join("exits"),
    };
    serde_json::from_slice(&fs::read(records.path(id)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_once_and_reads_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let records = ExitRecords::open(dir.path()).expect("a directory of records");
        let mut record = ExitRecord {
            container_id: ContainerId::from_random([7; 32]),
            pid: 1,
            started_at: 2,
            finished_at: 3,
            code: 137,
            oom_killed: true,
            log_lines_lost: 0,
        };
        records.write(&record).expect("a first write");
        record.code = 0;
        records
            .write(&record)
            .expect("a second write, that changes nothing");
        let text = fs::read(records.path(&record.container_id)).expect("the record");
        let read: ExitRecord = serde_json::from_slice(&text).expect("a record");
        assert_eq!(read.code, 137);
        assert_eq!(
            fs::read_dir(&records.dir).expect("the directory").count(),
            1
        );
        records.remove(&record.container_id).expect("a removal");
        records
            .remove(&record.container_id)
            .expect("a removal of nothing");
    }
}
