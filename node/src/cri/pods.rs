//! How many sandboxes there are.

use podling_proto::runtime::v1::ListPodSandboxRequest;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use tonic::transport::Channel;

use super::CallError;

/// Counts the sandboxes of the runtime, ready or not.
pub(crate) async fn count_pods(channel: Channel) -> Result<usize, CallError> {
    let listed = RuntimeServiceClient::new(channel)
        .list_pod_sandbox(ListPodSandboxRequest::default())
        .await
        .map_err(CallError::while_trying_to("list the pods"))?;
    Ok(listed.into_inner().items.len())
}
