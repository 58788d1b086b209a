//! SIGINT and SIGTERM: the first asks, the second does not wait for the answer. SIGHUP: read the
//! configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// SIGHUPs from now on, which would end the process otherwise.
pub(super) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// A token that the first signal cancels. The second ends the process at once, as a crash would.
pub(super) fn told_to_end() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let told = CancellationToken::new();
    let token = told.clone();
    // Ends with the process: there is a signal to wait for as long as there is a daemon.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                tracing::warn!("asked to end twice: pods are left as they are");
                std::process::exit(1);
            }
            token.cancel();
        }
    });
    Ok(told)
}
