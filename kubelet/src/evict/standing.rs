//! The pressures of the node, and when each came or went; and whether the machine goes down.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Pressure;
use crate::shutdown::Machine;

/// The pressures of the node, and when each came or went; and whether the machine goes down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    on: BTreeSet<Pressure>,
    changed: BTreeMap<Pressure, Timestamp>,
    /// Whether the machine goes down.
    pub machine: Machine,
}

impl Standing {
    /// What the node is under.
    pub fn pressures(&self) -> &BTreeSet<Pressure> {
        &self.on
    }

    /// When it came or went last, if it ever did.
    pub fn changed_at(&self, pressure: Pressure) -> Option<Timestamp> {
        self.changed.get(&pressure).copied()
    }

    /// The node is under these now. Those that came or went.
    pub(crate) fn update(&mut self, on: BTreeSet<Pressure>, now: Timestamp) -> Vec<Pressure> {
        let changed: Vec<_> = self.on.symmetric_difference(&on).copied().collect();
        self.changed.extend(changed.iter().map(|one| (*one, now)));
        self.on = on;
        changed
    }
}
