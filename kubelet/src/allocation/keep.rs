//! Keeps the ledger on disk, for a kubelet that starts again.
//!
//! The file is replaced as a whole. It is not flushed to the disk: what a power cut takes is that of
//! pods of which nothing runs any more either.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Ledger, checkpoint};
use crate::sync::Allocations;
use crate::whole::write_for_this_boot;

/// The file that the ledger is in.
#[derive(Clone, Debug)]
pub struct AllocationFile {
    file: PathBuf,
}

impl AllocationFile {
    /// That file.
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
        }
    }

    fn write(&self, ledger: &Ledger) -> io::Result<()> {
        write_for_this_boot(&self.file, checkpoint::write(ledger))
    }
}

impl Allocations for AllocationFile {
    /// Nothing of a file that cannot be read: pods that run then have what they ask for.
    fn recall(&self) -> Ledger {
        let bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ledger::default(),
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "cannot read what pods have been given");
                return Ledger::default();
            }
        };
        checkpoint::read(&bytes).unwrap_or_else(|error| {
            tracing::warn!(
                file = %self.file.display(),
                error = &error as &dyn std::error::Error,
                "what pods have been given is passed over"
            );
            Ledger::default()
        })
    }

    fn keep(&self, ledger: &Ledger) {
        if let Err(error) = self.write(ledger) {
            tracing::warn!(file = %self.file.display(), %error, "cannot keep what pods have been given");
        }
    }
}
