//! The runtime behind a Unix socket: CRI v1 over tonic.
//!
//! The connection is made at the first call and made again after the runtime came back, so a
//! kubelet may start first. Every call has a deadline; only a pull may take as long as it takes.

mod connect;
mod containers;
mod health;
mod images;
mod sandboxes;
mod stats;
mod streams;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use podling_proto::runtime::v1::image_service_client::ImageServiceClient;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::{ConvertError, Refusal, RuntimeError};
use crate::metrics::Metrics;

use connect::lazy_channel;
pub(crate) use connect::lazy_channel as unix_channel;

/// gRPC's own limit of 4 MiB is a few thousand containers.
const LARGEST_ANSWER: usize = 64 << 20;

/// How long calls may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Every call but a pull; a grace period or a command's own time comes on top.
    pub request: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(120),
        }
    }
}

/// A connection to a runtime.
#[derive(Clone)]
pub struct Client {
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    deadlines: Deadlines,
    metrics: Metrics,
}

impl Client {
    /// A client for the socket; nothing is connected yet.
    pub fn new(socket: &Path, deadlines: Deadlines, metrics: Metrics) -> Self {
        let channel = lazy_channel(socket.to_owned());
        Self {
            runtime: RuntimeServiceClient::new(channel.clone())
                .max_decoding_message_size(LARGEST_ANSWER),
            images: ImageServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER),
            deadlines,
            metrics,
        }
    }

    /// The same, but for images, of which another socket is asked.
    #[must_use]
    pub fn with_images_at(self, socket: &Path) -> Self {
        let channel = lazy_channel(socket.to_owned());
        Self {
            images: ImageServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER),
            ..self
        }
    }

    /// The answer to a call, if it comes within the deadline.
    async fn within<T>(
        &self,
        call: &'static str,
        deadline: Duration,
        answer: impl Future<Output = Result<Response<T>, Status>> + Send,
    ) -> Result<T, RuntimeError> {
        let in_time = async {
            match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => read(call, answer),
                Err(_) => Err(RuntimeError::TimedOut { call, deadline }),
            }
        };
        self.timed(call, in_time).await
    }

    /// The answer to a call, whenever it comes.
    async fn at_last<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>> + Send,
    ) -> Result<T, RuntimeError> {
        let whenever = async { read(call, answer.await) };
        self.timed(call, whenever).await
    }

    async fn timed<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, RuntimeError>> + Send,
    ) -> Result<T, RuntimeError> {
        let began = Instant::now();
        let answer = answer.await;
        self.metrics
            .operation(call, began.elapsed(), answer.is_err());
        answer
    }
}

fn read<T>(call: &'static str, answer: Result<Response<T>, Status>) -> Result<T, RuntimeError> {
    let answer = answer.map(Response::into_inner);
    answer.map_err(|status| refused(call, &status))
}

fn refused(call: &'static str, status: &Status) -> RuntimeError {
    let message = status.message().to_owned();
    let refusal = match status.code() {
        Code::Unavailable => return RuntimeError::Unreachable { call, message },
        Code::NotFound => Refusal::NotFound,
        Code::Unimplemented => Refusal::Unimplemented,
        Code::InvalidArgument => Refusal::InvalidArgument,
        Code::DeadlineExceeded => Refusal::DeadlineExceeded,
        _ => Refusal::Other,
    };
    RuntimeError::Refused {
        call,
        refusal,
        message,
    }
}

fn malformed(call: &'static str) -> impl Fn(ConvertError) -> RuntimeError {
    move |source| RuntimeError::Malformed { call, source }
}

/// CRI counts whole seconds; a part of one counts as one, so that a short time is not "at once".
fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
