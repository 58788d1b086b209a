//! `/events`: what happened, as a v1 EventList.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use serde_json::{Value, json as object};

use super::query::Query;
use super::{Shown, json, watch};
use crate::event::object as event;
use crate::watched::Watcher;

pub(super) async fn list(State(shown): State<Shown>, uri: Uri) -> Response {
    let query = Query::of(&uri);
    let events = &shown.exhibits.events;
    if watch::is_asked(&query) {
        let watcher = Watcher::begin(Arc::clone(events));
        return watch::things(shown, &query, "Event", watcher, event);
    }
    let items: Vec<Value> = events.all().iter().map(event).collect();
    let list = object!({ "kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": items });
    json(&list).into_response()
}
