//! Things that several hold at once, each for as long as it needs.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

/// How many hold each thing; what nobody holds is not in it.
#[derive(Debug)]
pub(super) struct Counted<T>(BTreeMap<T, usize>);

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Clone + Ord> Counted<T> {
    /// One more holds it.
    pub(super) fn add(&mut self, thing: &T) {
        *self.0.entry(thing.clone()).or_default() += 1;
    }

    /// One less holds it.
    pub(super) fn remove(&mut self, thing: &T) {
        if let Some(count) = self.0.get_mut(thing) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(thing);
            }
        }
    }

    /// What anybody holds.
    pub(super) fn all(&self) -> BTreeSet<T> {
        self.0.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_hold_is_held_until_both_let_go() {
        let mut counted = Counted::default();
        counted.add(&"a");
        counted.add(&"a");
        counted.remove(&"a");
        assert_eq!(counted.all(), BTreeSet::from(["a"]));
        counted.remove(&"a");
        counted.remove(&"a");
        assert_eq!(counted.all(), BTreeSet::new());
    }
}
