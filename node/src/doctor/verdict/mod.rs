//! From what was found to what it means: pure, one question a function.
#![deny(clippy::disallowed_methods)]

mod cgroups;
mod kernel;
mod network;
mod node;

use super::facts::Facts;
use super::finding::Finding;

/// The verdict on a machine.
pub(super) fn of(facts: &Facts) -> Vec<Finding> {
    let mut all = kernel::verdict(facts);
    all.extend(cgroups::verdict(facts));
    all.extend(network::verdict(facts));
    all.extend(node::verdict(facts));
    all
}

#[cfg(test)]
mod tests;
