//! What a daemon says, on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging; `verbosity` counts the `-v`s, and RUST_LOG overrides it.
pub(super) fn start(verbosity: u8) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default_filter(verbosity));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(verbosity > 0)
        .init();
}

fn default_filter(verbosity: u8) -> EnvFilter {
    EnvFilter::new(match verbosity {
        0 => "info",
        1 => "info,podling=debug,podling_kubelet=debug,podling_runtime=debug",
        _ => "debug,podling=trace,podling_kubelet=trace,podling_runtime=trace",
    })
}
