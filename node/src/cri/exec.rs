//! Running a command in a container through ExecSync.

use podling_proto::runtime::v1::ExecSyncRequest;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use tonic::transport::Channel;

use super::CallError;

/// Output may be as large as a runtime allows (16 MiB a stream); gRPC's default is 4 MiB.
const LARGEST_ANSWER: usize = 64 << 20;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct ExecOutput {
    /// What it wrote to stdout.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub(crate) stderr: Vec<u8>,
    /// Its exit code; 128 and the signal's number when a signal ended it.
    pub(crate) exit_code: i32,
}

/// Runs `command` in the container and waits for its end; 0 seconds is for ever.
pub(crate) async fn exec_sync(
    channel: Channel,
    container_id: &str,
    command: Vec<String>,
    timeout_seconds: u32,
) -> Result<ExecOutput, CallError> {
    let attempt = format!("run {:?} in the container", command.join(" "));
    let request = ExecSyncRequest {
        container_id: container_id.to_owned(),
        cmd: command,
        timeout: i64::from(timeout_seconds),
    };
    let mut client = RuntimeServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER);
    let answer = client
        .exec_sync(request)
        .await
        .map_err(CallError::while_trying_to(attempt))?;
    let answer = answer.into_inner();
    Ok(ExecOutput {
        stdout: answer.stdout,
        stderr: answer.stderr,
        exit_code: answer.exit_code,
    })
}
