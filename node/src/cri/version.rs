//! Who answers on the socket.

use podling_proto::runtime::v1::VersionRequest;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use tonic::transport::Channel;

use super::CallError;

/// What a runtime says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeVersion {
    /// Its name.
    pub(crate) name: String,
    /// Its own version.
    pub(crate) version: String,
    /// The version of the CRI that it serves.
    pub(crate) api: String,
}

/// Asks the runtime for its version.
pub(crate) async fn runtime_version(channel: Channel) -> Result<RuntimeVersion, CallError> {
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
    Ok(RuntimeVersion {
        name: answer.runtime_name,
        version: answer.runtime_version,
        api: answer.runtime_api_version,
    })
}
