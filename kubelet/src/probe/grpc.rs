//! A probe that asks the health service of gRPC (`grpc.health.v1.Health`).

use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::AS_KUBERNETES;
use super::tcp::join;
use crate::model::{ProbeOutcome, in_words};

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// A server that cannot be reached is asked again so much later.
const AGAIN: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// What is answered.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

const SERVING: i32 = 1;

/// `SERVING` is good.
pub(super) async fn probe(host: &str, port: u16, service: &str, timeout: Duration) -> ProbeOutcome {
    let address = join(host, port);
    let within = in_words(timeout);
    let deadline = tokio::time::Instant::now() + timeout;
    let Ok(channel) = tokio::time::timeout_at(deadline, connect(&address)).await else {
        return ProbeOutcome::Failure(format!(
            "timeout: failed to connect service {address:?} within {within}: \
             context deadline exceeded"
        ));
    };
    match tokio::time::timeout_at(deadline, check(channel, service)).await {
        Ok(Ok(SERVING)) => ProbeOutcome::Success,
        Ok(Ok(status)) => ProbeOutcome::Failure(format!(
            "service unhealthy (responded with {:?})",
            name_of(status)
        )),
        Ok(Err(status)) if status.code() == Code::Unimplemented => ProbeOutcome::Failure(format!(
            "error: this server does not implement the grpc health protocol \
             (grpc.health.v1.Health): {}",
            status.message()
        )),
        Ok(Err(status)) if status.code() != Code::DeadlineExceeded => {
            ProbeOutcome::Failure(format!(
                "error: health rpc probe failed: rpc error: code = {:?} desc = {}",
                status.code(),
                status.message()
            ))
        }
        Ok(Err(_)) | Err(_) => ProbeOutcome::Failure(format!(
            "timeout: health rpc did not complete within {within}"
        )),
    }
}

/// A connection, whenever the server takes one.
async fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .and_then(|endpoint| endpoint.user_agent(format!("kube-probe/{AS_KUBERNETES}")));
    loop {
        if let Ok(endpoint) = &endpoint
            && let Ok(channel) = endpoint.connect().await
        {
            return channel;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn check(channel: Channel, service: &str) -> Result<i32, Status> {
    let mut client = Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let codec: ProstCodec<HealthCheckRequest, HealthCheckResponse> = ProstCodec::default();
    let answer = client
        .unary(
            Request::new(request),
            PathAndQuery::from_static(CHECK),
            codec,
        )
        .await?;
    Ok(answer.into_inner().status)
}

fn name_of(status: i32) -> String {
    match status {
        0 => "UNKNOWN".to_owned(),
        SERVING => "SERVING".to_owned(),
        2 => "NOT_SERVING".to_owned(),
        3 => "SERVICE_UNKNOWN".to_owned(),
        other => other.to_string(),
    }
}
