//! In which order wishes are looked at: pure. What asks for no more comes first, for it always fits and
//! may make room; then those that matter most, then those that are surest of what they have, then those
//! that have waited longest.

#![deny(clippy::disallowed_methods)]

use std::cmp::Reverse;

use crate::admit::asked_for;
use crate::model::{Pod, PodUid};
use crate::resource::{QosClass, qos_class};

/// A pod with a wish.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// As it wishes to be.
    pub wish: &'a Pod,
    /// As it is.
    pub given: &'a Pod,
    /// How many wishes came before.
    pub since: u64,
}

/// Their UIDs in order.
pub fn in_order(mut candidates: Vec<Candidate<'_>>) -> Vec<PodUid> {
    candidates.sort_by_key(|one| {
        let is_guaranteed = qos_class(&one.wish.spec) == QosClass::Guaranteed;
        (
            increases(one.wish, one.given),
            Reverse(one.wish.spec.placement.priority),
            Reverse(is_guaranteed),
            one.since,
        )
    });
    candidates.iter().map(|one| one.wish.uid.clone()).collect()
}

/// Whether a pod asks for more than it has.
pub fn increases(wish: &Pod, given: &Pod) -> bool {
    let (wish, given) = (asked_for(&wish.spec), asked_for(&given.spec));
    wish.cpu_millis > given.cpu_millis || wish.memory > given.memory
}
