//! What libcontainer logs as errors, kept for the report.
//!
//! Its returned errors are shallow ("io error"); the details are only logged, by three processes. All
//! of them write here, to a memfd that closes on exec, so nothing reaches the container's stderr.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The most that is kept of them.
const LONGEST: usize = 4096;

/// Where errors are collected.
#[derive(Debug)]
pub(super) struct Complaints {
    file: File,
}

impl Complaints {
    /// Collects the errors of this process and of its forks from now on.
    pub(super) fn collect() -> io::Result<Self> {
        let file = File::from(memfd_create("podling-launch-errors", MemfdFlags::CLOEXEC)?);
        let writer = file.try_clone()?;
        tracing::subscriber::set_global_default(Collector { file: writer })
            .map_err(io::Error::other)?;
        Ok(Self { file })
    }

    /// What was collected, one complaint a line.
    pub(super) fn text(&self) -> String {
        let mut buffer = vec![0; LONGEST];
        let length = self.file.read_at(&mut buffer, 0).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

struct Collector {
    file: File,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        line.0.push('\n');
        // A complaint that cannot be kept must not become another one.
        let _ = (&self.file).write_all(line.0.as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { "; " };
        let written = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name}={value:?}"),
        };
        written.expect("writing to a String cannot fail");
    }
}
