//! Which thresholds are crossed, since when, and what follows from it.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::{Pressure, Signal, Threshold};

/// What there is of something, and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Observation {
    /// What is left.
    pub(super) available: i128,
    /// What there is.
    pub(super) capacity: i128,
}

/// What was seen at one moment; what could not be seen is left out.
pub(super) type Observations = BTreeMap<Signal, Observation>;

/// Since when thresholds are crossed. They are known by their places in the list of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    first_met: BTreeMap<usize, Timestamp>,
    /// Crossed for too long, and not enough reclaimed since.
    due: BTreeSet<usize>,
    seen: BTreeMap<Pressure, Timestamp>,
}

/// What follows from what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The node's conditions.
    pub(super) pressures: BTreeSet<Pressure>,
    /// Places of the thresholds for which something has to be given up.
    pub(super) due: Vec<usize>,
}

impl Watch {
    /// Judges what was seen. A condition stays for `transition` after it was seen last.
    pub(super) fn judge(
        &mut self,
        thresholds: &[Threshold],
        seen: &Observations,
        transition: Duration,
        now: Timestamp,
    ) -> Verdict {
        let met: BTreeSet<usize> = (0..thresholds.len())
            .filter(|place| {
                let reclaims = if self.due.contains(place) {
                    Reclaim::Counts
                } else {
                    Reclaim::Ignored
                };
                is_met(&thresholds[*place], seen, reclaims)
            })
            .collect();
        self.first_met.retain(|place, _| met.contains(place));
        for place in &met {
            self.first_met.entry(*place).or_insert(now);
            self.seen.insert(thresholds[*place].signal.pressure(), now);
        }
        self.seen.retain(|_, seen| age(*seen, now) < transition);
        let is_due =
            |(place, since): &(&usize, &Timestamp)| age(**since, now) >= thresholds[**place].grace;
        self.due = self
            .first_met
            .iter()
            .filter(is_due)
            .map(|(place, _)| *place)
            .collect();
        Verdict {
            pressures: self.seen.keys().copied().collect(),
            due: self.due.iter().copied().collect(),
        }
    }
}

/// Whether a threshold counts as crossed until its minimum is reclaimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reclaim {
    /// It does.
    Counts,
    /// The value alone counts.
    Ignored,
}

/// Whether the threshold is crossed. What was not seen is not.
pub(super) fn is_met(threshold: &Threshold, seen: &Observations, reclaim: Reclaim) -> bool {
    let Some(seen) = seen.get(&threshold.signal) else {
        return false;
    };
    let mut wanted = threshold.value.of(seen.capacity);
    if let (Reclaim::Counts, Some(more)) = (reclaim, &threshold.reclaim) {
        wanted += more.of(seen.capacity);
    }
    seen.available < wanted
}

/// The one to do something about first: memory goes before all others.
pub(super) fn most_urgent(thresholds: &[Threshold], due: &[usize]) -> Option<usize> {
    let is_memory = |place: &&usize| thresholds[**place].signal.pressure() == Pressure::Memory;
    due.iter().find(is_memory).or(due.first()).copied()
}

fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}
