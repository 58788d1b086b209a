//! What plugins know of each pod and container, so that they hear of each end and removal once.
//!
//! ```text
//! Running ──► Stopped ──► (gone)
//!    └──────────────────────►
//! ```
#![deny(clippy::disallowed_methods)]

use std::collections::HashMap;

/// How far something has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was made, and may run.
    Running,
    /// It has ended.
    Stopped,
}

/// Everything that is there, by id.
#[derive(Debug, Default)]
pub(super) struct Ledger(HashMap<String, State>);

impl Ledger {
    /// Notes what was there before anybody listened; what is known already is known better.
    pub(super) fn found(&mut self, id: &str, state: State) {
        self.0.entry(id.to_owned()).or_insert(state);
    }

    /// Notes that something was made.
    pub(super) fn made(&mut self, id: &str) {
        self.0.insert(id.to_owned(), State::Running);
    }

    /// Notes an end; whether it is news.
    pub(super) fn ended(&mut self, id: &str) -> bool {
        match self.0.get_mut(id) {
            Some(state @ State::Running) => {
                *state = State::Stopped;
                true
            }
            _ => false,
        }
    }

    /// Notes a removal; whether it is news.
    pub(super) fn removed(&mut self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    /// Forgets everything: nobody listens any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_and_a_removal_are_news_once() {
        let mut ledger = Ledger::default();
        ledger.made("a");
        assert!(ledger.ended("a") && !ledger.ended("a"));
        assert!(ledger.removed("a") && !ledger.removed("a"));
        assert!(!ledger.ended("a"), "it is gone");
    }

    #[test]
    fn what_had_ended_before_anybody_listened_is_only_removed() {
        let mut ledger = Ledger::default();
        ledger.found("a", State::Stopped);
        ledger.found("a", State::Running);
        assert!(!ledger.ended("a"));
        assert!(ledger.removed("a"));
    }
}
