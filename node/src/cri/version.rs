//! Who answers on the socket.

use podling_proto::runtime::v1::VersionRequest;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use tonic::transport::Channel;

use super::CallError;

/// Name and version of the runtime, as `podling 0.1.0`.
pub(crate) async fn runtime_version(channel: Channel) -> Result<String, CallError> {
    let mut client = RuntimeServiceClient::new(channel);
    let request = VersionRequest {
        version: "v1".to_owned(),
    };
    let answer = client
        .version(request)
        .await
        .map_err(CallError::while_trying_to(
            "ask the runtime for its version",
        ))?
        .into_inner();
    Ok(format!(
        "{} {}",
        answer.runtime_name, answer.runtime_version
    ))
}
