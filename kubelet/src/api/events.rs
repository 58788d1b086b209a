//! Events of this kubelet, told to the API server: each once, and then how often it happened.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::backoff::Backoff;
use super::client::{ApiError, Client, Pace, Patch};
use crate::event::{EventLog, Occurrence, object};
use crate::watched::{Change, Watcher};

/// How many events of one pod are told at once, and how long until there is room for another: what
/// client-go lets through.
const OF_ONE: f64 = 25.0;
const AGAIN: Duration = Duration::from_secs(300);

/// How many pods are remembered for that.
const MOST: usize = 4096;

/// How long to wait at most for a server that does not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Tells events.
pub(crate) struct EventPoster {
    client: Client,
    node: String,
    events: Arc<EventLog>,
    filter: Filter,
}

impl EventPoster {
    /// One that tells so many events in a second.
    pub(crate) fn new(
        client: &Client,
        node: &str,
        events: Arc<EventLog>,
        (per_second, burst): (u32, u32),
    ) -> Self {
        Self {
            client: client.paced(Pace::new(per_second, burst)),
            node: node.to_owned(),
            events,
            filter: Filter::default(),
        }
    }

    /// Tells until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        // Events that are not told then are not told.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let (there, mut news) = Watcher::begin(Arc::clone(&self.events));
        for occurrence in there {
            self.tell(&occurrence).await;
        }
        while let Some(change) = news.next().await {
            match change {
                Change::Added(occurrence) | Change::Modified(occurrence) => {
                    self.tell(&occurrence).await;
                }
                // It is forgotten here; the server has its own time for that.
                Change::Removed(_) => {}
            }
        }
    }

    /// Tells of one, again and again while the server does not answer.
    async fn tell(&mut self, occurrence: &Occurrence) {
        if !is_of_an_object(occurrence) || !self.filter.lets_through(occurrence, Instant::now()) {
            return;
        }
        let event = completed(object(occurrence), &self.node);
        let mut backoff = Backoff::new();
        loop {
            match self.tell_once(occurrence, &event).await {
                Ok(_) => return,
                Err(ApiError::Refused { message, .. }) => {
                    debug!(message, "an event is refused");
                    return;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    debug!(error, "an event is told later");
                }
            }
            sleep(backoff.next().min(LONGEST_WAIT)).await;
        }
    }

    async fn tell_once(&self, occurrence: &Occurrence, event: &Value) -> Result<Value, ApiError> {
        let metadata = &event["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        let events = format!("/api/v1/namespaces/{namespace}/events");
        if occurrence.count > 1 {
            let name = metadata["name"].as_str().unwrap_or_default();
            let again = json!({
                "count": event["count"],
                "lastTimestamp": event["lastTimestamp"],
            });
            let told = self
                .client
                .patch(&format!("{events}/{name}"), Patch::Merge, &again)
                .await;
            if !told.as_ref().is_err_and(ApiError::is_not_found) {
                return told;
            }
        }
        self.client.create(&events, event).await
    }
}

/// Whether it happened to a pod or to the node: a manifest is no object of the API.
fn is_of_an_object(occurrence: &Occurrence) -> bool {
    occurrence.event.is_of_node() || occurrence.event.uid.is_some()
}

/// An event with what only the API server wants to know.
fn completed(mut event: Value, node: &str) -> Value {
    event["source"]["host"] = node.into();
    event["reportingComponent"] = "kubelet".into();
    event["reportingInstance"] = node.into();
    let involved = &mut event["involvedObject"];
    if involved["kind"] == "Node" {
        // So kubectl finds the events of a node.
        involved["uid"] = involved["name"].clone();
        if let Some(involved) = involved.as_object_mut() {
            involved.remove("namespace");
        }
    }
    event
}

/// Lets a crash loop not flood the server.
#[derive(Default)]
struct Filter(HashMap<String, (f64, Instant)>);

impl Filter {
    fn lets_through(&mut self, occurrence: &Occurrence, now: Instant) -> bool {
        let event = &occurrence.event;
        let uid = event.uid.as_ref().map_or("", |uid| uid.as_str());
        let key = format!("{}/{uid}", event.pod);
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.clear();
        }
        let (left, as_of) = self.0.entry(key).or_insert((OF_ONE, now));
        let passed = now.saturating_duration_since(*as_of).as_secs_f64();
        *left = (*left + passed / AGAIN.as_secs_f64()).min(OF_ONE);
        *as_of = now;
        let is_room = *left >= 1.0;
        if is_room {
            *left -= 1.0;
        }
        is_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, EventKind, PodName};

    fn occurrence(pod: &str) -> Occurrence {
        Occurrence {
            number: 255,
            event: Event {
                pod: PodName::new("default", pod),
                uid: Some("u".into()),
                container: None,
                kind: EventKind::Warning,
                reason: "BackOff".into(),
                message: "m".to_owned(),
            },
            count: 1,
            first_seen: jiff::Timestamp::UNIX_EPOCH,
            last_seen: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_pod_does_not_flood_the_server_and_keeps_no_other_quiet() {
        let mut filter = Filter::default();
        let told = (0..40).filter(|_| filter.lets_through(&occurrence("a"), Instant::now()));
        assert_eq!(told.count(), 25);
        assert!(filter.lets_through(&occurrence("b"), Instant::now()));
        tokio::time::advance(AGAIN).await;
        assert!(filter.lets_through(&occurrence("a"), Instant::now()));
        assert!(!filter.lets_through(&occurrence("a"), Instant::now()));
    }

    #[test]
    fn events_of_the_node_are_found_by_its_name() {
        let mut of_node = occurrence("n");
        of_node.event = Event::of_node("n", EventKind::Normal, "NodeReady", "m".to_owned());
        let event = completed(object(&of_node), "n");
        assert_eq!(event["involvedObject"]["uid"], "n");
        assert_eq!(event["metadata"]["namespace"], "default");
        assert_eq!(event["source"]["host"], "n");
        assert_eq!(event["metadata"]["name"], "n.ff");
    }
}
