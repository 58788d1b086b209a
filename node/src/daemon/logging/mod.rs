//! What a daemon says: to the journal when systemd has connected it, to stderr otherwise.
//!
//! Every line of a call of the CRI carries the call's id, as field `request` of the span `call`.

mod choice;

use std::env;
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

pub(crate) use choice::{Format, Level, Logging, named};

type AnyFilter = Box<dyn Filter<Registry> + Send + Sync>;

/// The log of this process. How much is logged can be changed.
pub(super) struct Log {
    filter: reload::Handle<AnyFilter, Registry>,
}

/// Starts logging. RUST_LOG overrides the level.
pub(super) fn start(logging: &Logging) -> Log {
    let (filter, handle) = reload::Layer::new(filter(logging));
    tracing_subscriber::registry()
        .with(writer(logging).with_filter(filter))
        .init();
    Log { filter: handle }
}

impl Log {
    /// Logs as much as this says from now on.
    pub(super) fn change(&self, logging: &Logging) {
        // An error only says that nothing logs any more.
        let _ = self.filter.reload(filter(logging));
    }
}

fn filter(logging: &Logging) -> AnyFilter {
    let of_all = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(logging.level.directives()));
    if logging.files.is_empty() {
        return Box::new(of_all);
    }
    let logging = logging.clone();
    let of_files = filter_fn(move |metadata| {
        let file = metadata.file();
        file.is_some_and(|file| logging.is_wanted_of(file, *metadata.level()))
    });
    Box::new(of_all.or(of_files))
}

fn writer<S>(logging: &Logging) -> Box<dyn Layer<S> + Send + Sync>
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
