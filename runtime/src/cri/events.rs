//! GetContainerEvents.

use futures::{Stream, StreamExt, stream};
use podling_proto::runtime::v1 as cri;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::encode::{container_status, sandbox_status};
use crate::lifecycle::{Event, EventKind};
use crate::metrics::Metrics;

/// Events as the contract has them. A subscriber that fell behind is told so, by an error that ends
/// its stream: it must subscribe again and list anew. Nobody waits for it meanwhile, and a runtime
/// that stops ends every stream.
pub(super) fn encode_all(
    events: broadcast::Receiver<Event>,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> impl Stream<Item = Result<cri::ContainerEventResponse, Status>> + Send {
    let told = stream::unfold(Some((events, metrics)), |listening| async {
        let (mut events, metrics) = listening?;
        match events.recv().await {
            Ok(event) => Some((Ok(encode(&event)), Some((events, metrics)))),
            Err(RecvError::Lagged(count)) => {
                metrics.lost_events(count);
                Some((Err(lost(count)), None))
            }
            Err(RecvError::Closed) => None,
        }
    });
    told.take_until(shutdown.cancelled_owned())
}

fn lost(count: u64) -> Status {
    Status::data_loss(format!(
        "{count} events were lost: subscribe again and list anew"
    ))
}

fn encode(event: &Event) -> cri::ContainerEventResponse {
    use cri::ContainerEventType as Type;
    let kind = match event.kind {
        EventKind::Created => Type::ContainerCreatedEvent,
        EventKind::Started => Type::ContainerStartedEvent,
        EventKind::Stopped => Type::ContainerStoppedEvent,
        EventKind::Deleted => Type::ContainerDeletedEvent,
    };
    let log_directory = &event.pod.sandbox.config.log_directory;
    cri::ContainerEventResponse {
        container_id: event.id.clone(),
        container_event_type: kind.into(),
        created_at: event.at,
        pod_sandbox_status: Some(sandbox_status(&event.pod.sandbox)),
        containers_statuses: event
            .pod
            .containers
            .values()
            .map(|container| container_status(container, log_directory))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::pin::pin;
    use std::sync::Arc;

    use tonic::Code;

    use super::super::decode::sandbox_config;
    use super::*;
    use crate::lifecycle::{Events, PodSnapshot};
    use crate::model::{SandboxId, SandboxRecord, SandboxState};

    fn pod() -> Arc<PodSnapshot> {
        let metadata = cri::PodSandboxMetadata {
            name: "web".to_owned(),
            uid: "u".to_owned(),
            namespace: "default".to_owned(),
            attempt: 0,
        };
        let config = cri::PodSandboxConfig {
            metadata: Some(metadata),
            ..Default::default()
        };
        let config = sandbox_config(Some(config), String::new()).expect("a sandbox");
        Arc::new(PodSnapshot {
            sandbox: SandboxRecord {
                created_at: 1,
                state: SandboxState::Stopped,
                ..SandboxRecord::reserved(SandboxId::from_random([7; 32]), config)
            },
            containers: BTreeMap::new(),
        })
    }

    fn event(at: i64) -> Event {
        Event {
            id: "x".to_owned(),
            kind: EventKind::Stopped,
            at,
            pod: pod(),
        }
    }

    #[tokio::test]
    async fn who_reads_gets_every_event_in_order_whatever_others_do() {
        let events = Events::default();
        let _slow = events.subscribe();
        let mut read = pin!(encode_all(
            events.subscribe(),
            Metrics::default(),
            CancellationToken::new()
        ));
        for at in 0..10_000 {
            events.tell(event(at));
            let response = read.next().await.expect("an event").expect("none was lost");
            assert_eq!(response.created_at, at);
            let status = response.pod_sandbox_status.expect("the sandbox's status");
            assert_eq!(status.metadata.expect("its name").name, "web");
        }
    }

    #[tokio::test]
    async fn who_falls_behind_is_told_and_its_stream_ends() {
        let events = Events::default();
        let mut slow = pin!(encode_all(
            events.subscribe(),
            Metrics::default(),
            CancellationToken::new()
        ));
        for at in 0..10_000 {
            events.tell(event(at));
        }
        let status = slow
            .next()
            .await
            .expect("an end")
            .expect_err("events are lost");
        assert_eq!(status.code(), Code::DataLoss);
        assert!(slow.next().await.is_none());
        let mut again = pin!(encode_all(
            events.subscribe(),
            Metrics::default(),
            CancellationToken::new()
        ));
        events.tell(event(7));
        let response = again
            .next()
            .await
            .expect("an event")
            .expect("none was lost");
        assert_eq!(response.created_at, 7);
    }
}
