//! `/stats/summary`, `/metrics/resource` and `/metrics/cadvisor`: what is used.

use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderName, Uri};

use super::query::Query;
use super::refusal::Refusal;
use super::{Shown, json};
use crate::summary::{CONTENT_TYPE, Extent};

/// A text that is scraped.
pub(super) type Text = ([(HeaderName, &'static str); 1], String);

pub(super) async fn summary(
    State(shown): State<Shown>,
    uri: Uri,
) -> Result<impl IntoResponse, Refusal> {
    let extent = if Query::of(&uri).is_on("only_cpu_and_memory") {
        Extent::OnlyCpuAndMemory
    } else {
        Extent::Whole
    };
    let summary = shown.exhibits.figures.summary(extent).await;
    let summary = summary.map_err(|error| {
        Refusal::internal(format!("failed to list pod stats: {}", error.explanation()))
    })?;
    Ok(json(&summary))
}

pub(super) async fn resource(State(shown): State<Shown>) -> Text {
    text(shown.exhibits.figures.resource_metrics().await)
}

pub(super) async fn cadvisor(State(shown): State<Shown>) -> Result<Text, Refusal> {
    Ok(text(shown.exhibits.figures.cadvisor_metrics().await?))
}

/// An answer to who scrapes.
pub(super) fn text(text: String) -> Text {
    ([(http::header::CONTENT_TYPE, CONTENT_TYPE)], text)
}
