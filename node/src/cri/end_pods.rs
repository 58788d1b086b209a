//! Ending every pod of a runtime: containers with their grace period, then the sandboxes.

use std::collections::BTreeMap;

use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use podling_proto::runtime::v1::{
    Container, ContainerFilter, ContainerState, ContainerStateValue, ListContainersRequest,
    ListPodSandboxRequest, RemovePodSandboxRequest, StopContainerRequest, StopPodSandboxRequest,
};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::CallError;

/// Where the kubelet notes how long a container may take to end.
const GRACE_LABEL: &str = "io.kubernetes.pod.terminationGracePeriod";
/// What Kubernetes grants when nothing is noted.
const DEFAULT_GRACE: i64 = 30;

type Client = RuntimeServiceClient<Channel>;

/// Why some pods go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndPodsError {
    /// The runtime does not say what runs.
    #[error(transparent)]
    List(CallError),
    /// Some pods could not be ended; the first failure is the source.
    #[error("{failed} of {total} pods could not be ended")]
    Pods {
        /// Pods that are left.
        failed: usize,
        /// Pods that were there.
        total: usize,
        /// Why the first is left.
        source: CallError,
    },
}

/// Ends all pods at once and returns how many there were.
pub(crate) async fn end_pods(channel: Channel) -> Result<usize, EndPodsError> {
    let mut client = Client::new(channel);
    let mut containers = running_containers(&mut client)
        .await
        .map_err(EndPodsError::List)?;
    let sandboxes = sandboxes(&mut client).await.map_err(EndPodsError::List)?;
    let total = sandboxes.len();

    let mut endings = JoinSet::new();
    for sandbox in sandboxes {
        let inside = containers.remove(&sandbox).unwrap_or_default();
        endings.spawn(end_pod(client.clone(), sandbox, inside));
    }
    let results = endings.join_all().await;
    let mut failures = results.into_iter().filter_map(Result::err);
    match failures.next() {
        None => Ok(total),
        Some(source) => {
            let failed = 1 + failures.count();
            Err(EndPodsError::Pods {
                failed,
                total,
                source,
            })
        }
    }
}

/// Running containers by sandbox.
async fn running_containers(
    client: &mut Client,
) -> Result<BTreeMap<String, Vec<Container>>, CallError> {
    let running = ContainerStateValue {
        state: ContainerState::ContainerRunning.into(),
    };
    let filter = ContainerFilter {
        state: Some(running),
        ..ContainerFilter::default()
    };
    let request = ListContainersRequest {
        filter: Some(filter),
    };
    let answer = client.list_containers(request).await;
    let answer = answer.map_err(CallError::while_trying_to("list the containers"))?;
    let mut by_sandbox = BTreeMap::<_, Vec<_>>::new();
    for container in answer.into_inner().containers {
        by_sandbox
            .entry(container.pod_sandbox_id.clone())
            .or_default()
            .push(container);
    }
    Ok(by_sandbox)
}

async fn sandboxes(client: &mut Client) -> Result<Vec<String>, CallError> {
    let answer = client
        .list_pod_sandbox(ListPodSandboxRequest::default())
        .await;
    let answer = answer.map_err(CallError::while_trying_to("list the pods"))?;
    Ok(answer
        .into_inner()
        .items
        .into_iter()
        .map(|sandbox| sandbox.id)
        .collect())
}

async fn end_pod(
    mut client: Client,
    sandbox: String,
    containers: Vec<Container>,
) -> Result<(), CallError> {
    let mut endings = JoinSet::new();
    for container in containers {
        endings.spawn(stop_container(client.clone(), container));
    }
    // A container that will not stop is killed with its sandbox, so its failure is not the pod's.
    endings.join_all().await;

    let request = StopPodSandboxRequest {
        pod_sandbox_id: sandbox.clone(),
    };
    let stopped = client.stop_pod_sandbox(request).await;
    stopped.map_err(CallError::while_trying_to(format!(
        "stop sandbox {sandbox}"
    )))?;
    let attempt = format!("remove sandbox {sandbox}");
    let request = RemovePodSandboxRequest {
        pod_sandbox_id: sandbox,
    };
    client
        .remove_pod_sandbox(request)
        .await
        .map_err(CallError::while_trying_to(attempt))?;
    Ok(())
}

async fn stop_container(mut client: Client, container: Container) {
    let timeout = grace_period(&container.annotations);
    let request = StopContainerRequest {
        container_id: container.id.clone(),
        timeout,
    };
    if let Err(status) = client.stop_container(request).await {
        tracing::warn!(
            container = container.id,
            reason = status.message(),
            "cannot stop"
        );
    }
}

/// Seconds that a container may take to end.
fn grace_period(annotations: &BTreeMap<String, String>) -> i64 {
    let noted = annotations
        .get(GRACE_LABEL)
        .and_then(|text| text.parse().ok());
    noted
        .filter(|seconds| *seconds >= 0)
        .unwrap_or(DEFAULT_GRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_period_is_the_pods_own_when_it_is_noted() {
        let noted = |text: &str| BTreeMap::from([(GRACE_LABEL.to_owned(), text.to_owned())]);
        let table = [
            (noted("5"), 5),
            (noted("0"), 0),
            (noted("-1"), 30),
            (noted("soon"), 30),
        ];
        for (annotations, seconds) in table {
            assert_eq!(grace_period(&annotations), seconds);
        }
        assert_eq!(grace_period(&BTreeMap::new()), DEFAULT_GRACE);
    }
}
