//! Streams of changes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, timeout};

use super::Shared;
use super::address::{Address, kind};
use super::select::Selection;
use super::store::Change;

/// How long nothing happens before a bookmark is sent.
const QUIET: Duration = Duration::from_secs(1);

/// One stream.
struct Watch {
    shared: Arc<Shared>,
    address: Address,
    selection: Selection,
    version: u64,
    bookmarks: bool,
    end: Instant,
    seen: Receiver<u64>,
    untold: VecDeque<Value>,
    is_over: bool,
}

/// Streams changes after `version`; without one, what is there comes first.
pub(super) fn stream(
    shared: &Arc<Shared>,
    address: &Address,
    selection: Selection,
    version: Option<u64>,
    (bookmarks, seconds): (bool, u64),
) -> Body {
    let store = shared.store();
    let mut untold = VecDeque::new();
    if version.is_none() {
        let there = store.of(&address.resource, &address.namespace);
        let selected = there.filter(|object| selection.has(object));
        untold.extend(selected.map(|object| event("ADDED", object.clone())));
    }
    let watch = Watch {
        shared: Arc::clone(shared),
        address: address.clone(),
        selection,
        version: version.unwrap_or(store.version()),
        bookmarks,
        end: Instant::now() + Duration::from_secs(seconds),
        seen: store.listen(),
        untold,
        is_over: false,
    };
    drop(store);
    Body::from_stream(stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        let bytes = Bytes::from(format!("{line}\n"));
        Some((Ok::<_, Infallible>(bytes), watch))
    }))
}

impl Watch {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.untold.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            // Seen before it is looked at: nothing that comes meanwhile is missed.
            self.seen.borrow_and_update();
            self.look();
            if !self.untold.is_empty() {
                continue;
            }
            let left = self.end.saturating_duration_since(Instant::now());
            let is_news = timeout(QUIET.min(left), self.seen.changed()).await.is_ok();
            if !is_news && self.bookmarks {
                self.untold.push_back(self.bookmark());
            }
            self.is_over = self.end <= Instant::now();
        }
    }

    fn look(&mut self) {
        let store = self.shared.store();
        let Some(changes) = store.since(self.version) else {
            self.is_over = true;
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                "reason": "Expired", "message": format!("too old resource version: {}", self.version),
            });
            self.untold.push_back(event("ERROR", status));
            return;
        };
        self.version = store.version();
        drop(store);
        let events = changes
            .into_iter()
            .filter_map(|change| self.event_of(change));
        let events: Vec<_> = events.collect();
        self.untold.extend(events);
    }

    fn event_of(&self, change: Change) -> Option<Value> {
        let Address {
            resource,
            namespace,
            ..
        } = &self.address;
        let is_of_it = change.key.resource == *resource
            && (namespace.is_empty() || change.key.namespace == *namespace);
        if !is_of_it {
            return None;
        }
        let selected = |object: &Option<Value>| {
            object
                .as_ref()
                .is_some_and(|object| self.selection.has(object))
        };
        match (selected(&change.before), selected(&change.after)) {
            (false, true) => Some(event("ADDED", change.after?)),
            (true, true) => Some(event("MODIFIED", change.after?)),
            (true, false) => {
                // It goes with the version at which it left what is selected.
                let mut object = change.before?;
                object["metadata"]["resourceVersion"] = change.version.to_string().into();
                Some(event("DELETED", object))
            }
            (false, false) => None,
        }
    }

    fn bookmark(&self) -> Value {
        let object = json!({
            "kind": kind(&self.address.resource),
            "apiVersion": self.address.api_version,
            "metadata": { "resourceVersion": self.version.to_string() },
        });
        event("BOOKMARK", object)
    }
}

fn event(kind: &str, object: Value) -> Value {
    json!({ "type": kind, "object": object })
}
