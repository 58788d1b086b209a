//! `/pods`: the pods of this kubelet as a v1 PodList.

use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::json as object;

use super::{Shown, json};

pub(super) async fn list(State(shown): State<Shown>) -> impl IntoResponse {
    let pods = shown.exhibits.pods.all();
    let items: Vec<_> = pods.iter().map(AsRef::as_ref).collect();
    json(&object!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
}
