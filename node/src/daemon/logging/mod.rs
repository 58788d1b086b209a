//! What a daemon says: to the journal when systemd has connected it, to stderr otherwise.
//!
//! Every line of a call of the CRI carries the call's id, as field `request` of the span `call`.

mod choice;

use std::env;
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

pub(crate) use choice::{Format, Level, Logging, named};

/// The log of this process, whose level can be changed.
pub(super) struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Starts logging. RUST_LOG overrides the level.
pub(super) fn start(logging: Logging) -> Log {
    let (filter, handle) = reload::Layer::new(filter(logging.level));
    tracing_subscriber::registry()
        .with(filter)
        .with(writer(logging))
        .init();
    Log { filter: handle }
}

impl Log {
    /// Logs as much as `level` says from now on.
    pub(super) fn set_level(&self, level: Level) {
        // An error only says that nothing logs any more.
        let _ = self.filter.reload(filter(level));
    }
}

fn filter(level: Level) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.directives()))
}

fn writer<S>(logging: Logging) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if stderr_is_the_journal()
        && let Ok(journal) = tracing_journald::layer()
    {
        return Box::new(journal.with_field_prefix(Some("PODLING".to_owned())));
    }
    let shows_target = logging.level > Level::Info;
    match logging.format {
        Format::Text => Box::new(
            fmt::layer()
                .with_writer(io::stderr)
                .with_ansi(io::stderr().is_terminal())
                .with_target(shows_target),
        ),
        Format::Json => Box::new(fmt::layer().json().with_writer(io::stderr)),
    }
}

/// Whether what this process writes to stderr lands in the journal, and nowhere else.
fn stderr_is_the_journal() -> bool {
    let told = env::var("JOURNAL_STREAM").ok();
    let stderr = rustix::fs::fstat(io::stderr());
    match (told, stderr) {
        (Some(told), Ok(stderr)) => choice::is_journal(&told, stderr.st_dev, stderr.st_ino),
        _ => false,
    }
}
