//! What several plugins want of containers, put together.
//!
//! ```text
//! request ─► plugin 10 ─► taken in ─► request as 10 left it ─► plugin 20 ─► taken in ─► … ─► result
//! ```
//!
//! A plugin sees what those before it have made of the container. Two that set the same thing are
//! in conflict, and the operation fails; one that first removes what another has set may set it
//! anew.
#![deny(clippy::disallowed_methods)]

mod adjustment;
mod creation;
mod lists;
mod owners;
mod resources;
mod updates;

pub(super) use creation::Creation;
pub(super) use owners::Conflict;
pub(super) use updates::{Changes, Updating};

/// The key that a marked key removes.
pub(super) fn removed(key: &str) -> Option<&str> {
    key.strip_prefix('-')
}

/// Why what a plugin wants cannot be taken in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MergeError {
    /// Another plugin wants something else.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The container that is being made is no other container.
    #[error("plugin {plugin:?} asked update of {id:?} during creation")]
    UpdateOfTheNew {
        /// Which plugin.
        plugin: String,
        /// Which container.
        id: String,
    },
}

#[cfg(test)]
mod tests;
