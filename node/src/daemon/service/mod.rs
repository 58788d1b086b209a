//! The service manager that has started us: what it is told, and when.
//!
//! ```text
//! READY=1 ── the socket answers            RELOADING=1 … READY=1 ── SIGHUP
//! WATCHDOG=1 ── every half of WatchdogSec, if the node is well     STOPPING=1 ── told to end
//! ```
//!
//! Without one a person reads the same in the log.

mod notify;
mod watchdog;

use podling_runtime::layout::Layout;

use notify::Notifier;
pub(super) use watchdog::Patient;

/// Whoever has started this daemon.
pub(super) struct Service {
    notifier: Notifier,
}

impl Service {
    /// The one that this process's environment names, if any.
    pub(super) fn of_environment() -> Self {
        Self {
            notifier: Notifier::of_environment(),
        }
    }

    /// The node answers now.
    pub(super) fn ready(&self, layout: &Layout) {
        let (root, socket) = (layout.root().display(), layout.socket());
        tracing::info!(%root, socket = %socket.display(), "ready");
        self.notifier
            .send(&format!("READY=1\nSTATUS=serves {}", socket.display()));
    }

    /// The configuration is being read anew; `reloaded` follows.
    pub(super) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.notifier
            .send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// It has been read.
    pub(super) fn reloaded(&self) {
        self.notifier.send("READY=1");
    }

    /// The node ends, which may take as long as its pods' grace.
    pub(super) fn stopping(&self) {
        tracing::info!("ending");
        self.notifier.send("STOPPING=1\nSTATUS=ends");
    }

    /// Tells the watchdog that `patient` is well, for as long as it is. Never ends, also when nobody
    /// watches.
    pub(super) async fn be_watched(&self, patient: &Patient<'_>) {
        match watchdog::limit_of_environment() {
            Some(limit) => watchdog::run(&self.notifier, limit, patient).await,
            None => std::future::pending().await,
        }
    }
}
