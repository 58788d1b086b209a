//! What happened to pods, for people: kept in memory, bounded, and logged.
//!
//! The same thing happening again is one entry with a count, as in a cluster, so that a crash loop
//! does not push everything else out.

mod object;

pub(crate) use object::object;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use tracing::{info, warn};

use crate::model::{Event, EventKind};
use crate::sync::{Clock, EventRecorder};
use crate::watched::{Look, Teller, Watched};

/// How many different things are remembered.
const MOST: usize = 1000;

/// One thing that happened, perhaps more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its number, which no other has: the nanosecond of its first time, or the next that is free.
    pub number: i128,
    /// What.
    pub event: Event,
    /// How often.
    pub count: u32,
    /// When it happened first.
    pub first_seen: Timestamp,
    /// When it happened last.
    pub last_seen: Timestamp,
}

/// The events of this kubelet.
pub struct EventLog {
    clock: Arc<dyn Clock>,
    occurrences: Mutex<VecDeque<Occurrence>>,
    teller: Teller<i128, Occurrence>,
}

impl EventLog {
    /// An empty log.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            occurrences: Mutex::default(),
            teller: Teller::default(),
        }
    }

    /// Everything that is remembered; what happened last is last.
    pub fn all(&self) -> Vec<Occurrence> {
        self.occurrences().iter().cloned().collect()
    }

    fn occurrences(&self) -> MutexGuard<'_, VecDeque<Occurrence>> {
        self.occurrences
            .lock()
            .expect("no holder of this lock can panic")
    }
}

impl EventRecorder for EventLog {
    fn record(&self, event: Event) {
        log(&event);
        let now = self.clock.now();
        let mut occurrences = self.occurrences();
        let again = occurrences.iter().position(|known| known.event == event);
        let occurrence = match again.and_then(|index| occurrences.remove(index)) {
            Some(known) => Occurrence {
                count: known.count.saturating_add(1),
                last_seen: now,
                ..known
            },
            None => Occurrence {
                number: free_number(&occurrences, now),
                event,
                count: 1,
                first_seen: now,
                last_seen: now,
            },
        };
        self.teller
            .tell(occurrence.number, Some(occurrence.clone()));
        occurrences.push_back(occurrence);
        if occurrences.len() > MOST
            && let Some(oldest) = occurrences.pop_front()
        {
            self.teller.tell(oldest.number, None);
        }
    }
}

impl Watched for EventLog {
    type Key = i128;
    type Thing = Occurrence;

    fn look(&self) -> Look<i128, Occurrence> {
        let occurrences = self.occurrences();
        let by_number = occurrences.iter().map(|one| (one.number, one.clone()));
        (by_number.collect(), self.teller.listen())
    }
}

/// One that is larger than every other.
fn free_number(occurrences: &VecDeque<Occurrence>, now: Timestamp) -> i128 {
    let largest = occurrences.iter().map(|one| one.number).max();
    largest.map_or(now.as_nanosecond(), |largest| {
        now.as_nanosecond().max(largest + 1)
    })
}

fn log(event: &Event) {
    let Event {
        pod,
        container,
        reason,
        message,
        ..
    } = event;
    let container = container.as_ref().map_or("", |name| name.as_str());
    match event.kind {
        EventKind::Normal => info!(%pod, container, %reason, "{message}"),
        EventKind::Warning => warn!(%pod, container, %reason, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodName;

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    fn event(message: &str) -> Event {
        Event {
            pod: PodName::new("default", "web"),
            uid: None,
            container: None,
            kind: EventKind::Warning,
            reason: "BackOff".into(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_same_event_again_is_counted() {
        let log = EventLog::new(Arc::new(Stopped));
        for message in ["a", "b", "a"] {
            log.record(event(message));
        }
        let kept: Vec<_> = log
            .all()
            .into_iter()
            .map(|one| (one.event.message, one.count))
            .collect();
        assert_eq!(kept, [("b".to_owned(), 1), ("a".to_owned(), 2)]);
    }

    #[test]
    fn the_oldest_of_too_many_events_goes() {
        let log = EventLog::new(Arc::new(Stopped));
        for number in 0..=MOST {
            log.record(event(&number.to_string()));
        }
        let all = log.all();
        assert_eq!(all.len(), MOST);
        assert_eq!(all[0].event.message, "1");
    }
}
