//! `podling describe`: a pod or the node, in full, for people.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use podling_runtime::layout::Layout;

use super::{Outcome, output};
use crate::args::Describe;
use crate::kubelet::{Kubelet, pod};
use crate::print::describe;
use crate::print::events::{Event, List};

pub(super) async fn run(layout: &Layout, what: &Describe) -> Outcome {
    let kubelet = Kubelet::of(layout);
    match what {
        Describe::Pod { name, namespace } => {
            let pods = kubelet.pods().await?;
            let found = pod::find(&pods, &namespace.namespace, name)?;
            let List { items } = kubelet.object("/events").await?;
            let is_its = |event: &&Event| {
                event.namespace() == found.namespace() && event.is_of(found.name())
            };
            let mut events: Vec<_> = items.iter().filter(is_its).collect();
            events.sort_by_key(|event| event.last_timestamp);
            output::print(&describe::pod(&found.api, &events, Timestamp::now()))
        }
        Describe::Node => {
            let node: Node = kubelet.object("/node").await?;
            output::print(&describe::node(&node, Timestamp::now()))
        }
    }
}
