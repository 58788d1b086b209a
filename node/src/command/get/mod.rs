//! `podling get` and `podling events`: objects of the kubelet, once or as they change.
//!
//! ```text
//! arguments ─► Request ─┬─► list:  fetch, select, sort, print
//!                       └─► watch: each news through a sieve, print
//! ```

mod list;
mod request;
mod watch;

use podling_runtime::layout::Layout;

use super::Outcome;
use crate::args::{EventsArguments, Get};
use crate::kubelet::Kubelet;
use request::{Request, Span};

/// `podling get`.
pub(super) async fn run(layout: &Layout, what: Get) -> Outcome {
    answer(layout, Request::of_get(what)?).await
}

/// `podling events`.
pub(super) async fn events(layout: &Layout, arguments: EventsArguments) -> Outcome {
    answer(layout, Request::of_events(arguments)?).await
}

async fn answer(layout: &Layout, request: Request) -> Outcome {
    let kubelet = Kubelet::of(layout);
    match request.span {
        Span::Once => list::run(&kubelet, request).await,
        Span::On | Span::FromNow => watch::run(&kubelet, request).await,
    }
}
