//! When a certificate is to be replaced: pure.
#![deny(clippy::disallowed_methods)]

use jiff::{SignedDuration, Timestamp};

use super::Leaf;

/// Between 70 and 90 percent of its life; `chance`, from 0 to 1, keeps nodes that came together from
/// asking together.
pub(crate) fn due(leaf: &Leaf, chance: f64) -> Timestamp {
    let life = leaf.until.duration_since(leaf.since).as_secs_f64().max(0.0);
    let after = life * (0.7 + 0.2 * chance.clamp(0.0, 1.0));
    SignedDuration::try_from_secs_f64(after)
        .ok()
        .and_then(|after| leaf.since.checked_add(after).ok())
        .unwrap_or(leaf.until)
}
