//! What the runtime says of containers, with the time at which it was heard.

use std::time::{Duration, Instant};

use podling_proto::runtime::v1::{ContainerEventResponse, ContainerEventType};
use tokio::sync::mpsc;

use crate::bench::client::{Client, ClientError};

const PATIENCE: Duration = Duration::from_secs(60);

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Started,
    Stopped,
}

/// One event of a container that is not a sandbox.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) at: Instant,
    pub(super) container: String,
    kind: Kind,
    pod: String,
}

/// An event did not come.
#[derive(Debug, thiserror::Error)]
#[error("no container of {pod} was {kind:?} in {PATIENCE:?}")]
pub struct NotSeen {
    pod: String,
    kind: Kind,
}

/// The events of one runtime, in their order.
pub(super) struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// Those from now on.
    pub(super) async fn of(client: &Client) -> Result<Self, ClientError> {
        let mut stream = client.events().await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(event)) = stream.message().await {
                let Some(event) = heard(event) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Self(receiver))
    }

    /// The next event of this kind of a pod whose name begins so; all before it are passed over.
    pub(super) async fn wait(&mut self, kind: Kind, pod: &str) -> Result<Event, NotSeen> {
        let look = async {
            while let Some(event) = self.0.recv().await {
                if event.kind == kind && event.pod.starts_with(pod) {
                    return Some(event);
                }
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, look).await;
        found.ok().flatten().ok_or_else(|| NotSeen {
            pod: pod.to_owned(),
            kind,
        })
    }
}

fn heard(event: ContainerEventResponse) -> Option<Event> {
    let at = Instant::now();
    let kind = match event.container_event_type() {
        ContainerEventType::ContainerStartedEvent => Kind::Started,
        ContainerEventType::ContainerStoppedEvent => Kind::Stopped,
        _ => return None,
    };
    let sandbox = event.pod_sandbox_status?;
    let is_sandbox = sandbox.id == event.container_id;
    (!is_sandbox).then_some(Event {
        at,
        container: event.container_id,
        kind,
        pod: sandbox.metadata?.name,
    })
}
