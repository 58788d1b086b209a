//! Which nodes of memory a container's resources come from: what each kind of resource could be given
//! from, and one answer for all of them: pure.
//!
//! ```text
//! devices ─┐
//! CPUs ────┼─ hints ─► merge (policy) ─► Affinity, or a refusal
//! memory ──┘
//! ```

#![deny(clippy::disallowed_methods)]

mod mask;
mod merge;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use mask::NodeMask;
pub(super) use merge::merge;
pub use rules::{Scope, TopologyPolicy, TopologyRules};

/// Nodes that a resource could come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// Which; any when not said.
    pub nodes: Option<NodeMask>,
    /// Whether they are as few as can be.
    pub preferred: bool,
}

/// What one kind of provider says of each of its resources: its hints, none when there is no way to have
/// it, and nothing at all when it does not matter.
pub type Hints = BTreeMap<String, Option<Vec<Hint>>>;

/// Marks those hints as preferred that have so few nodes.
pub(crate) fn prefer(masks: Vec<NodeMask>, fewest: usize) -> Vec<Hint> {
    let hints = masks.into_iter().map(|mask| Hint {
        nodes: Some(mask),
        preferred: mask.count() == fewest,
    });
    hints.collect()
}
