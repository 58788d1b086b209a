//! Who is told what is known of an object.

use tokio::sync::{mpsc, watch};

use super::Seen;
use crate::model::{Object, ObjectKey};

/// Who is told what is known of an object.
pub(super) struct Told {
    pub(super) key: ObjectKey,
    tell: watch::Sender<Seen>,
    changed: mpsc::UnboundedSender<ObjectKey>,
}

impl Told {
    pub(super) fn new(
        key: ObjectKey,
        (tell, changed): (watch::Sender<Seen>, mpsc::UnboundedSender<ObjectKey>),
    ) -> Self {
        Self { key, tell, changed }
    }

    /// This is known now. Who waits for the first look needs not be woken by it.
    pub(super) fn say(&self, now: Seen) {
        let is_first = *self.tell.borrow() == Seen::Unknown;
        let is_news = self.tell.send_if_modified(|before| {
            let is_news = *before != now;
            *before = now;
            is_news
        });
        if is_news && !is_first {
            // Nobody listens any more when the kubelet ends.
            let _ = self.changed.send(self.key.clone());
        }
    }

    /// Whether what is known is such.
    pub(super) fn is(&self, such: impl FnOnce(&Seen) -> bool) -> bool {
        such(&self.tell.borrow())
    }

    /// Whether an object is known.
    pub(super) fn has_one(&self) -> bool {
        self.is(|seen| matches!(seen, Seen::There(_)))
    }

    /// Keeps what is known there for who asks later, until nobody can any more.
    pub(super) async fn keep(&self) {
        self.tell.closed().await;
    }

    /// The object is this now.
    pub(super) fn there(&self, object: Object) {
        self.say(Seen::There(object));
    }

    /// There is none, for this reason.
    pub(super) fn wrong(&self, why: impl Into<String>) {
        self.say(Seen::Wrong(why.into()));
    }
}
