//! What happened to containers, told to every subscriber.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::pod::PodSnapshot;

/// How many events a subscriber may fall behind before it is told that it lost some.
const BUFFER: usize = 4096;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A sandbox or container was made.
    Created,
    /// It was started.
    Started,
    /// It ended.
    Stopped,
    /// It was removed.
    Deleted,
}

/// One event, with what the pod looked like right after it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Id of the container, or of the sandbox itself.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// Nanoseconds since the epoch.
    pub at: i64,
    /// The pod right after the event.
    pub pod: Arc<PodSnapshot>,
}

/// Where events are told and subscribed to. A slow subscriber never holds up anybody.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BUFFER),
        }
    }
}

impl Events {
    /// Tells every subscriber.
    pub fn tell(&self, event: Event) {
        // An error only says that nobody listens.
        let _ = self.sender.send(event);
    }

    /// Every event from now on; a receiver that falls behind gets `Lagged`.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// How many listen.
    pub fn subscribers(&self) -> usize {
        self.sender.receiver_count()
    }
}
