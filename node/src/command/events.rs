//! `podling events`: what happened to pods.

use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::args::EventsArguments;
use crate::kubelet::Kubelet;
use crate::print::events::{self, Event, List};

pub(super) async fn run(layout: &Layout, arguments: &EventsArguments) -> Outcome {
    let List { items } = Kubelet::of(layout).object("/events").await?;
    let namespace = &arguments.namespace.namespace;
    let is_asked = |event: &&Event| {
        (arguments.all_namespaces || event.namespace() == namespace)
            && arguments.pod.as_ref().is_none_or(|pod| event.is_of(pod))
    };
    let mut chosen: Vec<_> = items.iter().filter(is_asked).collect();
    chosen.sort_by_key(|event| event.last_timestamp);
    if chosen.is_empty() {
        eprintln!("No events found in {namespace} namespace.");
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&events::table(
        &chosen,
        arguments.all_namespaces,
        Timestamp::now(),
    ))
}
