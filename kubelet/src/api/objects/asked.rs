//! ConfigMaps and Secrets that are asked for when a pod is looked at, instead of followed
//! (`configMapAndSecretChangeDetectionStrategy`).
//!
//! ```text
//! find (reader, key) ─► known, and young enough? ─► it
//!                        └─ no ─► GET ─► newest of both, kept as long as it has readers
//! ```
//!
//! How long an answer counts is said by the Node (`node.alpha.kubernetes.io/ttl`), else it is a minute.
//! Who reads an object for the first time gets it as it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Seen;
use super::follow::{collection, seen};
use crate::api::client::{ApiError, Client};
use crate::model::{ObjectKey, ObjectKind, PodUid};

/// How long an answer counts when the Node does not say.
const USUAL_AGE: Duration = Duration::from_secs(60);

/// The annotation of a Node that says how long answers count, in seconds.
const AGE: &str = "node.alpha.kubernetes.io/ttl";

/// How changes of ConfigMaps and Secrets are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detection {
    /// They are asked for each time that a pod is looked at.
    Get,
    /// The same, unless what is known is young enough.
    Cache,
    /// They are followed.
    Watch,
}

impl Detection {
    /// The way of this name; the configuration has no others.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "Get" => Self::Get,
            "Cache" => Self::Cache,
            _ => Self::Watch,
        }
    }
}

/// How long a Node wants answers to count, if it says so.
pub(crate) fn age_of(node: &Value) -> Option<Duration> {
    let seconds = node["metadata"]["annotations"][AGE].as_str()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// What was answered last.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    seen: Seen,
    version: u64,
    at: Instant,
}

/// Who reads an object, and how it was.
#[derive(Debug, Default)]
struct Entry {
    readers: BTreeSet<PodUid>,
    last: Option<Answer>,
}

impl Entry {
    /// What is known for this reader; nothing for a new one, nor for the others from then on.
    fn known(&mut self, reader: &PodUid) -> Option<Answer> {
        if self.readers.insert(reader.clone()) {
            self.last = None;
        }
        self.last.clone()
    }

    /// Takes what the server said; what counts then.
    fn take(&mut self, said: Result<Answer, ApiError>) -> Result<Seen, ApiError> {
        match (said, &self.last) {
            // One of several servers may be behind.
            (Ok(new), Some(last)) if new.version < last.version => Ok(last.seen.clone()),
            (Ok(new), _) => Ok(self.last.insert(new).seen.clone()),
            (Err(error), _) if error.is_not_found() => {
                self.last = None;
                Ok(Seen::Missing)
            }
            (Err(_), Some(last)) => Ok(last.seen.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

/// Asks for objects.
pub(crate) struct Asked {
    client: Client,
    /// How long an answer counts when the Node says so; nothing when answers are not kept.
    age: Option<watch::Receiver<Option<Duration>>>,
    entries: Mutex<BTreeMap<ObjectKey, Entry>>,
}

impl Asked {
    /// Who asks, if objects are not followed.
    pub(crate) fn new(
        client: Client,
        detection: Detection,
        age: watch::Receiver<Option<Duration>>,
    ) -> Option<Self> {
        let age = match detection {
            Detection::Get => None,
            Detection::Cache => Some(age),
            Detection::Watch => return None,
        };
        Some(Self {
            client,
            age,
            entries: Mutex::default(),
        })
    }

    /// Whether such objects are asked for.
    pub(super) fn is_for(kind: ObjectKind) -> bool {
        matches!(kind, ObjectKind::ConfigMap | ObjectKind::Secret)
    }

    /// The object as it is, or was not long ago.
    pub(super) async fn find(&self, reader: &PodUid, key: &ObjectKey) -> Result<Seen, ApiError> {
        let Some(age) = &self.age else {
            return Entry::default().take(self.ask(key, "").await);
        };
        let age = age.borrow().unwrap_or(USUAL_AGE);
        let known = {
            let mut entries = self.entries();
            entries.entry(key.clone()).or_default().known(reader)
        };
        let said = match known {
            Some(known) if known.at.elapsed() < age => return Ok(known.seen),
            // What the server has at hand will do.
            Some(_) => self.ask(key, "?resourceVersion=0").await,
            None => self.ask(key, "").await,
        };
        match self.entries().get_mut(key) {
            Some(entry) => entry.take(said),
            // Nobody reads it any more.
            None => Entry::default().take(said),
        }
    }

    /// The pod reads nothing any more.
    pub(super) fn forget(&self, reader: &PodUid) {
        self.entries().retain(|_, entry| {
            entry.readers.remove(reader);
            !entry.readers.is_empty()
        });
    }

    async fn ask(&self, key: &ObjectKey, query: &str) -> Result<Answer, ApiError> {
        let collection = collection(key).expect("ConfigMaps and Secrets are in a collection");
        let path = format!("{collection}/{}{query}", key.name);
        let object = self.client.get(&path).await?;
        let version = object["metadata"]["resourceVersion"].as_str();
        Ok(Answer {
            version: version.and_then(|text| text.parse().ok()).unwrap_or(0),
            seen: seen(key, object),
            at: Instant::now(),
        })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Entry>> {
        self.entries
            .lock()
            .expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(version: u64) -> Answer {
        Answer {
            seen: Seen::Wrong(version.to_string()),
            version,
            at: Instant::now(),
        }
    }

    fn refused(code: u16) -> ApiError {
        ApiError::Refused {
            ask: String::new(),
            code,
            reason: String::new(),
            message: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn a_new_reader_gets_what_is_there_now_and_others_what_is_known() {
        let mut entry = Entry::default();
        let (one, other) = (PodUid::from("1"), PodUid::from("2"));
        assert_eq!(entry.known(&one), None);
        let seen = entry.take(Ok(answer(1))).unwrap();
        assert_eq!(entry.known(&one).map(|known| known.seen), Some(seen));
        assert_eq!(entry.known(&other), None);
        assert_eq!(entry.known(&one), None, "what is asked for is for both");
    }

    #[test]
    fn what_is_known_stays_unless_the_server_says_something_newer() {
        let mut entry = Entry::default();
        let newest = |entry: &Entry| entry.last.as_ref().map(|last| last.version);
        assert!(entry.take(Err(refused(500))).is_err());
        for (said, expected) in [
            (Ok(answer(5)), Some(5)),
            (Ok(answer(4)), Some(5)),
            (Err(refused(500)), Some(5)),
            (Ok(answer(6)), Some(6)),
        ] {
            let seen = entry.take(said).unwrap();
            assert_eq!(newest(&entry), expected);
            assert_eq!(seen, Seen::Wrong(expected.unwrap().to_string()));
        }
        assert_eq!(entry.take(Err(refused(404))).unwrap(), Seen::Missing);
        assert_eq!(newest(&entry), None);
    }

    #[test]
    fn a_node_says_how_long_answers_count() {
        let node = |ttl: &str| json!({ "metadata": { "annotations": { AGE: ttl } } });
        assert_eq!(age_of(&node("15")), Some(Duration::from_secs(15)));
        assert_eq!(age_of(&node("0")), Some(Duration::ZERO));
        assert_eq!(age_of(&node("soon")), None);
        assert_eq!(age_of(&json!({})), None);
    }
}
