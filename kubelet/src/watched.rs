//! Things that many look at while they change: what is there, and then each change of it.
//!
//! Who falls so far behind that changes are no longer kept for him looks at everything again and is told
//! what differs: several changes of one thing may then be one, and none is missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// How many changes are kept for who has not yet heard them.
const KEPT: usize = 256;

/// The thing with this key is now this, or gone.
pub(crate) type News<K, T> = (K, Option<T>);

/// What is there, and where its changes are told from then on.
pub(crate) type Look<K, T> = (BTreeMap<K, T>, Receiver<News<K, T>>);

/// Something that can be watched.
pub(crate) trait Watched: Send + Sync + 'static {
    /// What a thing is known by.
    type Key: Clone + Ord + Send + Sync;
    /// A thing.
    type Thing: Clone + PartialEq + Send + Sync;

    /// What is there; no change falls between that and the first that is told.
    fn look(&self) -> Look<Self::Key, Self::Thing>;
}

/// Where changes are told.
#[derive(Clone, Debug)]
pub(crate) struct Teller<K, T>(Sender<News<K, T>>);

impl<K: Clone, T: Clone> Default for Teller<K, T> {
    fn default() -> Self {
        Self(broadcast::channel(KEPT).0)
    }
}

impl<K: Clone, T: Clone> Teller<K, T> {
    /// Tells a change; to be called with the lock held that guards the things.
    pub(crate) fn tell(&self, key: K, thing: Option<T>) {
        // Nobody listening is no failure.
        let _ = self.0.send((key, thing));
    }

    /// Hears of what is told from now on.
    pub(crate) fn listen(&self) -> Receiver<News<K, T>> {
        self.0.subscribe()
    }
}

/// What became of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<T> {
    /// It is there.
    Added(T),
    /// It is another now.
    Modified(T),
    /// It is gone; this is how it was.
    Removed(T),
}

/// Somebody who watches.
pub(crate) struct Watcher<W: Watched> {
    watched: Arc<W>,
    known: BTreeMap<W::Key, W::Thing>,
    news: Receiver<News<W::Key, W::Thing>>,
    untold: VecDeque<Change<W::Thing>>,
}

impl<W: Watched> Watcher<W> {
    /// Begins; what is there already comes with it.
    pub(crate) fn begin(watched: Arc<W>) -> (Vec<W::Thing>, Self) {
        let (known, news) = watched.look();
        let there = known.values().cloned().collect();
        let watcher = Self {
            watched,
            known,
            news,
            untold: VecDeque::new(),
        };
        (there, watcher)
    }

    /// The next change; nothing once nobody can tell any more. May be cancelled.
    pub(crate) async fn next(&mut self) -> Option<Change<W::Thing>> {
        loop {
            if let Some(change) = self.untold.pop_front() {
                return Some(change);
            }
            match self.news.recv().await {
                Ok((key, thing)) => self.learn(key, thing),
                Err(RecvError::Lagged(_)) => self.look_again(),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn learn(&mut self, key: W::Key, thing: Option<W::Thing>) {
        let change = match thing {
            Some(thing) => match self.known.insert(key, thing.clone()) {
                Some(before) if before == thing => None,
                Some(_) => Some(Change::Modified(thing)),
                None => Some(Change::Added(thing)),
            },
            None => self.known.remove(&key).map(Change::Removed),
        };
        self.untold.extend(change);
    }

    fn look_again(&mut self) {
        let (there, news) = self.watched.look();
        self.news = news;
        let gone: Vec<_> = self
            .known
            .keys()
            .filter(|key| !there.contains_key(key))
            .cloned()
            .collect();
        for key in gone {
            self.learn(key, None);
        }
        for (key, thing) in there {
            self.learn(key, Some(thing));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Numbers {
        all: Mutex<BTreeMap<u32, u32>>,
        teller: Teller<u32, u32>,
    }

    impl Watched for Numbers {
        type Key = u32;
        type Thing = u32;

        fn look(&self) -> Look<u32, u32> {
            let all = self.all.lock().unwrap();
            (all.clone(), self.teller.listen())
        }
    }

    impl Numbers {
        fn put(&self, key: u32, number: Option<u32>) {
            let mut all = self.all.lock().unwrap();
            match number {
                Some(number) => all.insert(key, number),
                None => all.remove(&key),
            };
            self.teller.tell(key, number);
        }
    }

    #[tokio::test]
    async fn each_change_is_told_once_after_what_was_there() {
        let numbers = Arc::new(Numbers::default());
        numbers.put(1, Some(10));
        let (there, mut watcher) = Watcher::begin(Arc::clone(&numbers));
        assert_eq!(there, [10]);
        numbers.put(2, Some(20));
        numbers.put(1, Some(11));
        numbers.put(1, Some(11));
        numbers.put(2, None);
        for expected in [Change::Added(20), Change::Modified(11), Change::Removed(20)] {
            assert_eq!(watcher.next().await, Some(expected));
        }
    }

    #[tokio::test]
    async fn who_falls_behind_is_told_what_differs() {
        let numbers = Arc::new(Numbers::default());
        numbers.put(1, Some(10));
        numbers.put(2, Some(20));
        let (_, mut watcher) = Watcher::begin(Arc::clone(&numbers));
        numbers.put(2, None);
        numbers.put(3, Some(30));
        for number in 0..=u32::try_from(KEPT).unwrap() {
            numbers.put(1, Some(100 + number));
        }
        let last = 100 + u32::try_from(KEPT).unwrap();
        for expected in [
            Change::Removed(20),
            Change::Modified(last),
            Change::Added(30),
        ] {
            assert_eq!(watcher.next().await, Some(expected));
        }
    }
}
