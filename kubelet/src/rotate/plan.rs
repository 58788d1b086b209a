//! What is to be done to the files of one log that is full. Pure.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::names::{PACKED, UNFINISHED, next};

/// What is to be done, in this order. All names are of files beside the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What an interrupted rotation has left: half packed, or packed already.
    pub(super) unused: Vec<String>,
    /// The oldest of too many.
    pub(super) excess: Vec<String>,
    /// What is packed.
    pub(super) pack: Vec<String>,
    /// What the log itself is called then.
    pub(super) aside: String,
}

/// The plan for the log of this name, among these files beside it.
pub(super) fn plan(log: &str, beside: &[String], max_files: usize, now: Timestamp) -> Plan {
    let all: BTreeSet<&str> = beside
        .iter()
        .map(String::as_str)
        .filter(|name| has_prefix(name, log))
        .collect();
    let is_unused = |name: &&str| {
        name.ends_with(UNFINISHED)
            || (!name.ends_with(PACKED) && all.contains(format!("{name}{PACKED}").as_str()))
    };
    let (unused, kept): (Vec<&str>, Vec<&str>) = all.iter().copied().partition(is_unused);
    // Beside them there will be the log and the one that is set aside now.
    let excess = kept.len().saturating_sub(max_files.saturating_sub(2));
    let (excess, kept) = kept.split_at(excess);
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let is_plain = |name: &&&str| !name.ends_with(PACKED);
    Plan {
        unused: owned(&unused),
        excess: owned(excess),
        pack: kept
            .iter()
            .filter(is_plain)
            .map(|name| (*name).to_owned())
            .collect(),
        aside: next(log, all.iter().copied(), now),
    }
}

fn has_prefix(name: &str, log: &str) -> bool {
    let rest = name.strip_prefix(log);
    rest.is_some_and(|rest| rest.starts_with('.'))
}
