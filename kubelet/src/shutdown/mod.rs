//! The machine goes down: pods are ended first, the least important first, each class within its share of
//! the time (`shutdownGracePeriod`).
//!
//! ```text
//! logind ──PrepareForShutdown──► watch (a thread) ──News──► keeper ─► plan P: classes and their shares
//!    ▲                                                        ├─► Standing: not ready; no pod is let in
//!    └──────────── the lock, closed when all have ended ──────┴─► Input::Fail, class after class
//! ```

mod keeper;
mod plan;
mod record;
mod watch;

use std::os::fd::OwnedFd;

pub use keeper::{Keeper, KeeperParts};
pub(crate) use plan::shares;
pub use plan::{Share, total};
pub use watch::LogindWatch;

/// What becomes of the machine.
#[derive(Debug)]
pub enum News {
    /// As long as this is open, a shutdown is held up.
    Lock(OwnedFd),
    /// A shutdown begins as soon as nobody holds it up.
    GoesDown,
    /// It does not, after all.
    Stays,
}

/// Whether the machine goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Machine {
    /// It stays.
    #[default]
    Stays,
    /// It goes down.
    GoesDown,
}
