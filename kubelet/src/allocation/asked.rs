//! What is asked for anew of containers, for who counts it: pure.

#![deny(clippy::disallowed_methods)]

use std::cmp::Ordering;

use crate::model::{Pod, Size};

/// A resource of one container of which more or less is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// `cpu`, `memory`.
    pub resource: &'static str,
    /// `requests`, `limits`.
    pub requirement: &'static str,
    /// `add`, `remove`, `increase`, `decrease`.
    pub operation: &'static str,
}

/// In what two versions of a pod ask for different sizes.
pub fn asked(before: &Pod, after: &Pod) -> Vec<Asked> {
    let all = after
        .spec
        .init_containers
        .iter()
        .chain(&after.spec.containers);
    let pairs = all.filter_map(|one| Some((before.spec.container(&one.name)?, one)));
    let changes = pairs.flat_map(|(before, after)| {
        let (before, after) = (Size::of(&before.resources), Size::of(&after.resources));
        let rows = [
            ("memory", before.memory_bytes, after.memory_bytes),
            ("cpu", before.cpu_millis, after.cpu_millis),
        ];
        rows.into_iter().flat_map(|(resource, before, after)| {
            [
                ("requests", before.request, after.request),
                ("limits", before.limit, after.limit),
            ]
            .map(|(requirement, before, after)| {
                Some(Asked {
                    resource,
                    requirement,
                    operation: operation(before.unwrap_or(0), after.unwrap_or(0))?,
                })
            })
        })
    });
    changes.flatten().collect()
}

fn operation(before: u64, after: u64) -> Option<&'static str> {
    match (before, after, after.cmp(&before)) {
        (.., Ordering::Equal) => None,
        (_, 0, _) => Some("remove"),
        (0, ..) => Some("add"),
        (.., Ordering::Greater) => Some("increase"),
        (.., Ordering::Less) => Some("decrease"),
    }
}
