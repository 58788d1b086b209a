//! The log file of one container.
//!
//! A full disk must not stop the container: lines that cannot be written are counted and dropped,
//! and a line that was torn by the end of the disk is cut off again, so that what follows later
//! begins at the beginning of a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the lines of one container go.
#[derive(Debug)]
pub(in crate::monitor) struct LogFile {
    /// Without a path everything is dropped, and nothing counted.
    target: Option<(PathBuf, File)>,
    lost: u64,
}

impl LogFile {
    /// Opens the file at `path`, making its directories.
    pub(in crate::monitor) fn open(path: Option<&Path>) -> io::Result<Self> {
        match path {
            Some(path) => Ok(Self {
                target: Some((path.to_owned(), open(path)?)),
                lost: 0,
            }),
            None => Ok(Self::none()),
        }
    }

    /// Nowhere.
    pub(in crate::monitor) fn none() -> Self {
        Self {
            target: None,
            lost: 0,
        }
    }

    /// Opens the file anew, for it was moved away; on an error the old one stays in use.
    pub(in crate::monitor) fn reopen(&mut self) -> io::Result<()> {
        if let Some((path, file)) = &mut self.target {
            *file = open(path)?;
        }
        Ok(())
    }

    /// Appends whole lines.
    pub(in crate::monitor) fn write(&mut self, lines: &[u8]) {
        let Some((_, file)) = &mut self.target else {
            return;
        };
        let mut written = 0;
        while written < lines.len() {
            match file.write(&lines[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if written < lines.len() {
            let whole = lines[..written]
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |at| at + 1);
            cut_off(file, (written - whole) as u64);
            self.lost += lines[whole..].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }

    /// How many lines were dropped.
    pub(in crate::monitor) fn lost(&self) -> u64 {
        self.lost
    }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
    };
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            open()?
        }
        result => result?,
    };
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        )),
    }
}

fn cut_off(file: &File, torn: u64) {
    if torn == 0 {
        return;
    }
    // Cutting a file short needs no space; if it fails all the same, one line is torn.
    if let Ok(metadata) = file.metadata() {
        let _ = file.set_len(metadata.len().saturating_sub(torn));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reopened_log_goes_on_in_a_new_file_and_a_failed_one_in_the_old() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("pod/container/0.log");
        let mut log = LogFile::open(Some(&path)).expect("a log in a directory that is made");
        log.write(b"1\n");
        let old = path.with_extension("old");
        fs::rename(&path, &old).expect("a rotation");
        fs::create_dir(&path).expect("something in the way");
        log.reopen().expect_err("a directory is no log file");
        log.write(b"2\n");
        assert_eq!(fs::read(&old).expect("the old log"), b"1\n2\n");
        fs::remove_dir(&path).expect("nothing in the way");
        log.reopen().expect("a new file");
        log.write(b"3\n");
        assert_eq!(fs::read(&path).expect("the new log"), b"3\n");
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn a_symlink_or_a_pipe_is_never_a_log_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a symlink");
        LogFile::open(Some(&link)).expect_err("a symlink");
        LogFile::open(Some(Path::new("/dev/null"))).expect_err("a device");
    }

    #[test]
    fn lines_that_do_not_fit_are_counted_and_the_log_ends_with_a_whole_line() {
        // A file size limit is not ENOSPC, but cuts a write short in the same way.
        let full = OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let mut log = LogFile {
            target: Some((PathBuf::new(), full)),
            lost: 0,
        };
        log.write(b"a\nb\n");
        assert_eq!(log.lost(), 2);
    }
}
