//! `/pods`: the pods of this kubelet as a v1 PodList.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use serde_json::json as object;

use super::query::Query;
use super::{Shown, json, watch};
use crate::watched::Watcher;

pub(super) async fn list(State(shown): State<Shown>, uri: Uri) -> Response {
    let query = Query::of(&uri);
    if watch::is_asked(&query) {
        let watcher = Watcher::begin(Arc::clone(&shown.exhibits.pods));
        return watch::things(shown, &query, "Pod", watcher, |pod| object!(pod.as_ref()));
    }
    let pods = shown.exhibits.pods.all();
    let items: Vec<_> = pods.iter().map(AsRef::as_ref).collect();
    let list = object!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items });
    json(&list).into_response()
}
