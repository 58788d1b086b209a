//! A pod whose pause process is killed by somebody.

use std::collections::BTreeSet;

use podling_integration::harness::requests::{self, Running};
use podling_integration::harness::{Cri, DEADLINE, Node, processes, wait_for};
use podling_proto::runtime::v1::{
    ContainerEventResponse, ContainerEventType, ContainerState, ContainerStatus,
    ContainerStatusRequest, GetEventsRequest, PodSandboxState,
};
use tonic::Streaming;

async fn status(cri: &Cri, pod: &Running) -> ContainerStatus {
    let request = ContainerStatusRequest {
        container_id: pod.container.clone(),
        verbose: false,
    };
    let answer = cri.runtime.clone().container_status(request).await;
    answer
        .expect("its status")
        .into_inner()
        .status
        .expect("a status")
}

/// The events until the sandbox's own end.
async fn until_stopped(
    events: &mut Streaming<ContainerEventResponse>,
    pod: &Running,
) -> Vec<ContainerEventResponse> {
    let mut seen = Vec::new();
    loop {
        let event = events.message().await.expect("a stream").expect("an event");
        let is_last = event.container_id == pod.sandbox
            && event.container_event_type() == ContainerEventType::ContainerStoppedEvent;
        seen.push(event);
        if is_last {
            return seen;
        }
    }
}

#[tokio::test]
async fn a_sandbox_without_pause_is_not_ready_and_its_containers_end_with_true_codes() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let cri = node.cri().await;
    let config = requests::sandbox("broken", &format!("{}/broken", node.range().cgroup()));
    let container = requests::container(&image, &["sleep"]);
    let pod = requests::run_pod(&cri, config, container)
        .await
        .expect("a pod");
    let mut events = cri
        .runtime
        .clone()
        .get_container_events(GetEventsRequest {})
        .await
        .expect("a subscription")
        .into_inner();

    let mut pause: BTreeSet<_> = processes::of_node(node.root(), &node.range().cgroup());
    pause.retain(|process| process.command.trim() == "/pause");
    assert_eq!(pause.len(), 1, "{pause:?}");
    processes::kill(&pause);

    let ended = wait_for(DEADLINE, "the container ends", async || {
        let status = status(&cri, &pod).await;
        (status.state() == ContainerState::ContainerExited).then_some(status)
    })
    .await;
    assert_eq!((ended.exit_code, ended.reason.as_str()), (137, "Error"));
    let seen = until_stopped(&mut events, &pod).await;
    let stopped = seen
        .iter()
        .find(|event| event.container_id == pod.container);
    let stopped = stopped.expect("the container's end");
    assert_eq!(stopped.containers_statuses[0].exit_code, 137);
    let last = seen
        .last()
        .and_then(|event| event.pod_sandbox_status.as_ref());
    let last = last.expect("the sandbox's status");
    assert_eq!(last.state(), PodSandboxState::SandboxNotready);
    requests::remove_pod(&cri, &pod.sandbox)
        .await
        .expect("a removal");
    node.stop().await;
}
