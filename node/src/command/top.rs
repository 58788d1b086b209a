//! `podling top`: what pods, containers and the node use.

use std::time::Duration;

use podling_runtime::layout::Layout;
use tokio::time::sleep;

use super::{Outcome, output};
use crate::args::{Top, TopPodsArguments};
use crate::kubelet::{Kubelet, KubeletError};
use crate::print::top;

/// How far apart two looks at processor time are at least.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

pub(super) async fn run(layout: &Layout, what: &Top) -> Outcome {
    let kubelet = Kubelet::of(layout);
    match what {
        Top::Pods(arguments) => {
            let summary = summary(&kubelet, "?only_cpu_and_memory=true").await?;
            output::print(&pods(&summary, arguments))
        }
        Top::Node => output::print(&top::node(&summary(&kubelet, "").await?)),
    }
}

/// What is used now. The first who asks has the kubelet look for the first time, and what was used since a look
/// is known with the next one.
async fn summary(kubelet: &Kubelet, query: &str) -> Result<top::Summary, KubeletError> {
    let path = format!("/stats/summary{query}");
    let first: top::Summary = kubelet.object(&path).await?;
    if first.has_rates() {
        return Ok(first);
    }
    sleep(BETWEEN_LOOKS).await;
    kubelet.object(&path).await
}

fn pods(summary: &top::Summary, arguments: &TopPodsArguments) -> String {
    let namespace = &arguments.namespace.namespace;
    let is_asked = |pod: &&top::Pod| {
        (arguments.all_namespaces || pod.pod_ref.namespace == *namespace)
            && (arguments.names.is_empty()
                || arguments.names.iter().any(|name| {
                    pod.pod_ref.name == *name
                        || pod.pod_ref.name == format!("{name}-{}", summary.node.node_name)
                }))
    };
    let chosen: Vec<_> = summary.pods.iter().filter(is_asked).collect();
    let columns = top::Columns {
        namespace: arguments.all_namespaces,
        containers: arguments.containers,
    };
    top::pods(&chosen, columns)
}
