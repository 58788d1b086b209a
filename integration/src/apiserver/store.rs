//! All objects, and what became of them: one counter gives every change its version.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

/// What tells one object from all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// A change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    /// Nothing when it was made.
    pub(super) before: Option<Value>,
    /// Nothing when it was removed.
    pub(super) after: Option<Value>,
}

/// All objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    version: u64,
    objects: BTreeMap<Key, Value>,
    log: Vec<Change>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
    seen: watch::Sender<u64>,
    /// How far its clock is ahead of the machine's.
    ahead: SignedDuration,
}

impl Store {
    /// What time it is here.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    pub(super) fn set_ahead(&mut self, ahead: SignedDuration) {
        self.ahead = ahead;
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Objects of a resource, of one namespace or of all.
    pub(super) fn of(&self, resource: &str, namespace: &str) -> impl Iterator<Item = &Value> {
        let of_it = move |key: &&Key| {
            key.resource == resource && (namespace.is_empty() || key.namespace == namespace)
        };
        let keys = self.objects.iter();
        keys.filter(move |(key, _)| of_it(key))
            .map(|(_, object)| object)
    }

    /// Puts an object with a version of its own; one that is as it was is no change.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Value {
        let before = self.objects.get(&key).cloned();
        if let Some(before) = &before {
            let version = before["metadata"]["resourceVersion"].clone();
            object["metadata"]["resourceVersion"] = version;
            if *before == object {
                return object;
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(key.clone(), object.clone());
        self.tell(key, before, Some(object.clone()));
        object
    }

    /// Takes an object away; what it was last.
    pub(super) fn take(&mut self, key: &Key) -> Option<Value> {
        let mut before = self.objects.remove(key)?;
        self.version += 1;
        before["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.tell(key.clone(), Some(before.clone()), None);
        Some(before)
    }

    /// Changes after a version; nothing when it is forgotten what they were.
    pub(super) fn since(&self, version: u64) -> Option<Vec<Change>> {
        let later = self.log.iter().filter(|change| change.version > version);
        (version >= self.forgotten).then(|| later.cloned().collect())
    }

    /// Hears of each version.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.seen.subscribe()
    }

    pub(super) fn compact(&mut self) {
        self.log.clear();
        self.version += 1;
        self.forgotten = self.version;
        self.seen.send_replace(self.version);
    }

    fn tell(&mut self, key: Key, before: Option<Value>, after: Option<Value>) {
        self.log.push(Change {
            version: self.version,
            key,
            before,
            after,
        });
        self.seen.send_replace(self.version);
    }
}
