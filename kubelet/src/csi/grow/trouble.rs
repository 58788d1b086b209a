//! Volumes that did not become larger: until when they are left alone, and what is remembered of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::csi::lanes::Key;

/// How long the first failure is waited for; each other twice as long as the one before.
const FIRST: Duration = Duration::from_millis(500);
/// No failure is waited for longer, as upstream has it.
const LONGEST: Duration = Duration::from_secs(122);

/// What is remembered of one.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    /// The driver has said for sure that it does not do it.
    was_refused: bool,
    /// It does not do it as long as the volume is used.
    is_in_use: bool,
    wait: Duration,
    until: Instant,
}

/// All that did not become larger; forgotten with the kubelet.
#[derive(Debug, Default)]
pub(in crate::csi) struct Troubles(Mutex<BTreeMap<Key, Trouble>>);

impl Troubles {
    /// How long the volume is left alone from now on, if it is.
    pub(super) fn pause(&self, key: &Key) -> Option<Duration> {
        let all = self.all();
        let trouble = all.get(key)?;
        let left = trouble.until.saturating_duration_since(Instant::now());
        match trouble.is_in_use {
            true => Some(Duration::MAX),
            false => (!left.is_zero()).then_some(left),
        }
    }

    pub(super) fn was_refused(&self, key: &Key) -> bool {
        self.all().get(key).is_some_and(|one| one.was_refused)
    }

    /// The driver has said for sure that it does not do it.
    pub(super) fn refused(&self, key: &Key) {
        self.change(key, |one| one.was_refused = true);
    }

    /// It does not do it as long as the volume is used.
    pub(super) fn in_use(&self, key: &Key) {
        self.change(key, |one| one.is_in_use = true);
    }

    /// It did not work once more.
    pub(super) fn failed(&self, key: &Key) {
        self.change(key, |one| {
            one.until = Instant::now() + one.wait;
            one.wait = (2 * one.wait).min(LONGEST);
        });
    }

    /// It is as it shall be, or nobody has it any more.
    pub(in crate::csi) fn over(&self, key: &Key) {
        self.all().remove(key);
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Trouble)) {
        let mut all = self.all();
        let trouble = all.entry(key.clone()).or_insert_with(|| Trouble {
            was_refused: false,
            is_in_use: false,
            wait: FIRST,
            until: Instant::now(),
        });
        change(trouble);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Trouble>> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_left_alone_for_longer_each_time_and_not_for_ever() {
        let (troubles, key) = (Troubles::default(), ("d".to_owned(), "h".to_owned()));
        assert_eq!(troubles.pause(&key), None);
        let mut waits = Vec::new();
        for _ in 0..12 {
            troubles.failed(&key);
            let wait = troubles.pause(&key).unwrap();
            waits.push(wait);
            tokio::time::advance(wait).await;
            assert_eq!(troubles.pause(&key), None);
        }
        assert_eq!(waits[..2], [FIRST, 2 * FIRST]);
        assert_eq!(waits[11], LONGEST);
        troubles.in_use(&key);
        assert_eq!(troubles.pause(&key), Some(Duration::MAX));
        troubles.over(&key);
        assert_eq!(troubles.pause(&key), None);
    }
}
