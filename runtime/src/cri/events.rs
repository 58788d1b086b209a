//! GetContainerEvents.

use futures::Stream;
use podling_proto::runtime::v1 as cri;
use tokio::sync::broadcast;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tonic::Status;

use super::encode::{container_status, sandbox_status};
use crate::lifecycle::{Event, EventKind};

/// Events as the contract has them. A subscriber that fell behind is told so, by an error that ends
/// its stream: it must list anew.
pub(super) fn encode_all(
    events: broadcast::Receiver<Event>,
) -> impl Stream<Item = Result<cri::ContainerEventResponse, Status>> + Send {
    BroadcastStream::new(events).map(|event| match event {
        Ok(event) => Ok(encode(&event)),
        Err(BroadcastStreamRecvError::Lagged(count)) => Err(Status::data_loss(format!(
            "{count} events were lost: list anew and subscribe again"
        ))),
    })
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
