//! Waiting until the kubelet has seen pods whose manifests were just written, so that the next command finds
//! them.

use std::time::Duration;

use podling_runtime::layout::Layout;
use tokio::time::Instant;

use super::until::{UntilError, one, until};
use crate::kubelet::Kubelet;

/// How long that may take: the kubelet looks at once, and may be busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pod, by namespace and name.
pub(super) type PodKey = (String, String);

/// Waits until the kubelet shows these. A node that is not up finds its manifests when it is.
pub(super) async fn taken_up(layout: &Layout, pods: &[PodKey]) {
    let kubelet = Kubelet::of(layout);
    let deadline = Instant::now() + PATIENCE;
    for (namespace, name) in pods {
        let left = deadline.saturating_duration_since(Instant::now());
        let is_there = |pod: Option<&serde_json::Value>| Ok(pod.map(|_| ()));
        match until(&kubelet, one(namespace, name), Some(left), is_there).await {
            Ok(()) => {}
            Err(UntilError::TimedOut) => eprintln!(
                "podling: the kubelet has not taken up pod/{name} within {} s: `podling events` may \
                 say why",
                PATIENCE.as_secs()
            ),
            Err(_) => return,
        }
    }
}
