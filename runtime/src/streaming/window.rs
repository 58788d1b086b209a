//! How much may be sent on a stream: SPDY's windows, for peers that keep them.
//!
//! The peers that exist (everything built upon Kubernetes' client libraries) neither grant windows nor
//! heed them, and would wait for ever behind 64 KiB. A peer that names a window, by SETTINGS or
//! WINDOW_UPDATE, is taken at its word from then on; everything that was sent before counts.
#![deny(clippy::disallowed_methods)]

/// The largest window.
const LIMIT: i64 = i32::MAX as i64;

/// Whether the peer keeps windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// It has never named one.
    Unknown,
    /// It has.
    Kept,
}

/// A window grew past what it can hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// What may still be sent on a stream.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Below zero when more was sent than the peer had room for, or its settings shrank.
    credit: i64,
    keeping: Keeping,
}

impl Window {
    /// A window of `initial` bytes.
    pub(super) fn new(initial: u32, keeping: Keeping) -> Self {
        Self {
            credit: initial.into(),
            keeping,
        }
    }

    /// Takes up to `wanted` bytes out of it.
    pub(super) fn take(&mut self, wanted: usize) -> usize {
        let wanted = i64::try_from(wanted).unwrap_or(LIMIT);
        let taken = match self.keeping {
            Keeping::Unknown => wanted,
            Keeping::Kept => wanted.min(self.credit.max(0)),
        };
        self.credit = self.credit.saturating_sub(taken);
        usize::try_from(taken).expect("what is taken is not negative")
    }

    /// The peer has made room.
    pub(super) fn grow(&mut self, delta: u32) -> Result<(), Overflow> {
        self.credit = self.credit.saturating_add(delta.into());
        match self.credit {
            ..=LIMIT => Ok(()),
            _ => Err(Overflow),
        }
    }

    /// The peer has changed the window that streams begin with.
    pub(super) fn resettle(&mut self, before: u32, after: u32) {
        let change = i64::from(after) - i64::from(before);
        self.credit = self.credit.saturating_add(change).min(LIMIT);
    }

    /// The peer keeps windows.
    pub(super) fn keep(&mut self) {
        self.keeping = Keeping::Kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_never_names_a_window_is_sent_everything() {
        let mut window = Window::new(10, Keeping::Unknown);
        assert_eq!([window.take(100), window.take(100)], [100, 100]);
    }

    #[test]
    fn what_was_sent_before_the_first_word_counts() {
        let mut window = Window::new(10, Keeping::Unknown);
        assert_eq!(window.take(15), 15);
        window.keep();
        assert_eq!(window.take(1), 0);
        window.grow(8).expect("room");
        assert_eq!(window.take(100), 3);
    }

    #[test]
    fn a_shrunken_window_opens_again_once_it_is_paid_back() {
        let mut window = Window::new(100, Keeping::Kept);
        assert_eq!(window.take(60), 60);
        window.resettle(100, 20);
        assert_eq!(window.take(1), 0);
        window.grow(41).expect("room");
        assert_eq!(window.take(9), 1);
    }

    #[test]
    fn more_credit_than_a_window_holds_is_an_error() {
        let mut window = Window::new(1, Keeping::Kept);
        assert_eq!(window.grow(i32::MAX.cast_unsigned()), Err(Overflow));
    }
}
