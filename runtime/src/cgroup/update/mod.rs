//! Changing the limits of a cgroup in which processes run: all of them, or none.
//!
//! ```text
//! read what is ─► plan P: refuse, or writes in an order that fits ─► write ─► Applied
//!                                                                      └ fails ─► write back
//! ```
//!
//! Written here and not through cgroups-rs, which cannot say what a file held before
//! (docs/decisions/0085).

mod plan;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use oci_spec::runtime::LinuxResources;

use self::plan::Write;
use super::{CgroupPath, Cgroups, Controller};

/// Why limits were not changed. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// What runs needs more.
    #[error(
        "memory limit of {limit} bytes is below what the container uses now: {used} bytes, file \
         pages that could be given back not counted"
    )]
    BelowUsage {
        /// What was asked for.
        limit: u64,
        /// What is in use.
        used: u64,
    },
    /// The kernel takes no such value.
    #[error("{name} of {value} is out of range: {range}")]
    Range {
        /// Which limit.
        name: &'static str,
        /// What was asked for.
        value: i64,
        /// What there is.
        range: &'static str,
    },
    /// The machine, or its kernel, has no such limit.
    #[error("{0} cannot be limited on this machine")]
    NoSuchLimit(String),
    /// There is no such cgroup (any more).
    #[error("cgroup {0} does not exist")]
    Gone(CgroupPath),
    /// The kernel refused a write.
    #[error("write {value:?} to {file}", file = file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What was written.
        value: String,
        /// Why not.
        source: io::Error,
    },
}

/// Limits that were changed, and what they were.
#[derive(Debug)]
#[must_use = "what was applied may have to be reverted"]
pub struct Applied {
    before: Vec<(PathBuf, String)>,
}

impl Applied {
    /// Sets the limits back to what they were, as far as the kernel allows.
    pub fn revert(self) {
        for (file, value) in self.before.into_iter().rev() {
            if let Err(error) = write(&file, &value) {
                tracing::error!(file = %file.display(), value, %error, "a limit was not set back");
            }
        }
    }
}

impl Cgroups {
    /// Changes the limits of a cgroup; what `limits` leaves open stays as it is, and so do its
    /// device rules. Blocks.
    pub fn update(
        &self,
        path: &CgroupPath,
        limits: &LinuxResources,
    ) -> Result<Applied, UpdateError> {
        let is_there = self
            .directory(Controller::Memory, path)
            .is_none_or(|directory| directory.exists());
        if !is_there {
            return Err(UpdateError::Gone(path.clone()));
        }
        let current = |controller: Controller, name: &str| {
            let text = fs::read_to_string(self.directory(controller, path)?.join(name)).ok()?;
            Some(text.trim_end().to_owned())
        };
        let writes = plan::plan(self.mode(), limits, &current)?;
        let mut applied = Applied { before: Vec::new() };
        for step in writes {
            if let Err(error) = self.write(path, step, &mut applied) {
                applied.revert();
                return Err(error);
            }
        }
        Ok(applied)
    }

    fn write(
        &self,
        path: &CgroupPath,
        step: Write,
        applied: &mut Applied,
    ) -> Result<(), UpdateError> {
        let Write {
            controller,
            name,
            value,
            before,
        } = step;
        let directory = self.directory(controller, path);
        let file = directory
            .ok_or_else(|| UpdateError::NoSuchLimit(name.clone()))?
            .join(name);
        // One write a line: files of several devices take them one by one.
        for line in value.lines() {
            write(&file, line).map_err(|source| UpdateError::Write {
                file: file.clone(),
                value: line.to_owned(),
                source,
            })?;
        }
        applied.before.push((file, before));
        Ok(())
    }
}

/// The newline makes an empty value one that is written, too.
fn write(file: &PathBuf, value: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(format!("{value}\n").as_bytes())
}
