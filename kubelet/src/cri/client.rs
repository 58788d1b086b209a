//! The runtime behind a Unix socket: CRI v1 over tonic.
//!
//! The connection is made at the first call and made again after the runtime came back, so a
//! kubelet may start first. Every call has a deadline; only a pull may take as long as it takes.

use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use hyper_util::rt::TokioIo;
use podling_proto::runtime::v1;
use podling_proto::runtime::v1::image_service_client::ImageServiceClient;
use podling_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Response, Status};

use super::convert::{
    condition_from_wire, container_from_wire, container_status_from_wire, container_to_wire,
    event_from_wire, exec_output_from_wire, image_from_wire, image_reference_to_wire,
    sandbox_from_wire, sandbox_status_from_wire, sandbox_to_wire, selector,
};
use super::{
    Call, Container, ContainerConfig, ContainerStatus, Containers, ConvertError, Events,
    ExecOutput, Health, Image, ImageReference, Images, PulledImage, Refusal, RuntimeCondition,
    RuntimeError, RuntimeEvent, RuntimeVersion, Sandbox, SandboxConfig, SandboxStatus, Sandboxes,
    Scope,
};
use crate::metrics::Metrics;
use crate::model::{ContainerId, SandboxId};

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

    /// The answer to a call, if it comes within the deadline.
    async fn within<T>(
        &self,
        call: &'static str,
        deadline: Duration,
        answer: impl Future<Output = Result<Response<T>, Status>> + Send,
    ) -> Result<T, RuntimeError> {
        match tokio::time::timeout(deadline, self.timed(call, answer)).await {
            Ok(answer) => answer,
            Err(_) => Err(RuntimeError::TimedOut { call, deadline }),
        }
    }

    async fn timed<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>> + Send,
    ) -> Result<T, RuntimeError> {
        let began = Instant::now();
        let answer = answer.await;
        self.metrics
            .operation(call, began.elapsed(), answer.is_err());
        answer
            .map(Response::into_inner)
            .map_err(|status| refused(call, &status))
    }
}

fn lazy_channel(socket: PathBuf) -> Channel {
    let connector = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { connect(&socket).await.map(TokioIo::new) }
    });
    // The address is only a name: the connector ignores it.
    Endpoint::from_static("http://cri.invalid").connect_with_connector_lazy(connector)
}

/// Connects through the directory's descriptor, so that a long path fits into a socket address.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not the path of a socket",
        ));
    };
    let directory = std::fs::File::open(directory)?;
    let short = Path::new("/proc/self/fd")
        .join(directory.as_raw_fd().to_string())
        .join(name);
    UnixStream::connect(short).await
}

fn refused(call: &'static str, status: &Status) -> RuntimeError {
    let message = status.message().to_owned();
    let refusal = match status.code() {
        Code::Unavailable => return RuntimeError::Unreachable { call, message },
        Code::NotFound => Refusal::NotFound,
        Code::Unimplemented => Refusal::Unimplemented,
        Code::InvalidArgument => Refusal::InvalidArgument,
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

impl Sandboxes for Client {
    fn run_sandbox(&self, config: SandboxConfig) -> Call<'_, SandboxId> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::RunPodSandboxRequest {
                config: Some(sandbox_to_wire(config)),
                runtime_handler: String::new(),
            };
            let answer = runtime.run_pod_sandbox(request);
            let made = self
                .within("RunPodSandbox", self.deadlines.request, answer)
                .await?;
            Ok(made.pod_sandbox_id.into())
        }
        .boxed()
    }

    fn stop_sandbox(&self, id: SandboxId) -> Call<'_, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::StopPodSandboxRequest {
                pod_sandbox_id: id.to_string(),
            };
            let answer = runtime.stop_pod_sandbox(request);
            self.within("StopPodSandbox", self.deadlines.request, answer)
                .await
                .map(drop)
        }
        .boxed()
    }

    fn remove_sandbox(&self, id: SandboxId) -> Call<'_, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::RemovePodSandboxRequest {
                pod_sandbox_id: id.to_string(),
            };
            let answer = runtime.remove_pod_sandbox(request);
            self.within("RemovePodSandbox", self.deadlines.request, answer)
                .await
                .map(drop)
        }
        .boxed()
    }

    fn sandbox_status(&self, id: SandboxId) -> Call<'_, SandboxStatus> {
        const CALL: &str = "PodSandboxStatus";
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::PodSandboxStatusRequest {
                pod_sandbox_id: id.to_string(),
                verbose: false,
            };
            let answer = runtime.pod_sandbox_status(request);
            self.within(CALL, self.deadlines.request, answer)
                .await?
                .status
                .ok_or(ConvertError::Missing("PodSandboxStatusResponse.status"))
                .and_then(sandbox_status_from_wire)
                .map_err(malformed(CALL))
        }
        .boxed()
    }

    fn list_sandboxes(&self, scope: Scope) -> Call<'_, Vec<Sandbox>> {
        const CALL: &str = "ListPodSandbox";
        let mut runtime = self.runtime.clone();
        async move {
            let filter = v1::PodSandboxFilter {
                id: String::new(),
                state: None,
                label_selector: selector(&scope),
            };
            let answer = runtime.list_pod_sandbox(v1::ListPodSandboxRequest {
                filter: Some(filter),
            });
            let list = self.within(CALL, self.deadlines.request, answer).await?;
            let items = list.items.into_iter().map(sandbox_from_wire);
            items.collect::<Result<_, _>>().map_err(malformed(CALL))
        }
        .boxed()
    }
}

impl Containers for Client {
    fn create_container(
        &self,
        sandbox: SandboxId,
        config: ContainerConfig,
        sandbox_config: SandboxConfig,
    ) -> Call<'_, ContainerId> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::CreateContainerRequest {
                pod_sandbox_id: sandbox.to_string(),
                config: Some(container_to_wire(config)),
                sandbox_config: Some(sandbox_to_wire(sandbox_config)),
            };
            let answer = runtime.create_container(request);
            let made = self
                .within("CreateContainer", self.deadlines.request, answer)
                .await?;
            Ok(made.container_id.into())
        }
        .boxed()
    }

    fn start_container(&self, id: ContainerId) -> Call<'_, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::StartContainerRequest {
                container_id: id.to_string(),
            };
            let answer = runtime.start_container(request);
            self.within("StartContainer", self.deadlines.request, answer)
                .await
                .map(drop)
        }
        .boxed()
    }

    fn stop_container(&self, id: ContainerId, grace: Duration) -> Call<'_, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::StopContainerRequest {
                container_id: id.to_string(),
                timeout: whole_seconds(grace),
            };
            let answer = runtime.stop_container(request);
            let deadline = self.deadlines.request.saturating_add(grace);
            self.within("StopContainer", deadline, answer)
                .await
                .map(drop)
        }
        .boxed()
    }

    fn remove_container(&self, id: ContainerId) -> Call<'_, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::RemoveContainerRequest {
                container_id: id.to_string(),
            };
            let answer = runtime.remove_container(request);
            self.within("RemoveContainer", self.deadlines.request, answer)
                .await
                .map(drop)
        }
        .boxed()
    }

    fn container_status(&self, id: ContainerId) -> Call<'_, ContainerStatus> {
        const CALL: &str = "ContainerStatus";
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::ContainerStatusRequest {
                container_id: id.to_string(),
                verbose: false,
            };
            let answer = runtime.container_status(request);
            self.within(CALL, self.deadlines.request, answer)
                .await?
                .status
                .ok_or(ConvertError::Missing("ContainerStatusResponse.status"))
                .and_then(container_status_from_wire)
                .map_err(malformed(CALL))
        }
        .boxed()
    }

    fn list_containers(&self, scope: Scope) -> Call<'_, Vec<Container>> {
        const CALL: &str = "ListContainers";
        let mut runtime = self.runtime.clone();
        async move {
            let filter = v1::ContainerFilter {
                id: String::new(),
                state: None,
                pod_sandbox_id: String::new(),
                label_selector: selector(&scope),
            };
            let answer = runtime.list_containers(v1::ListContainersRequest {
                filter: Some(filter),
            });
            let list = self.within(CALL, self.deadlines.request, answer).await?;
            let items = list.containers.into_iter().map(container_from_wire);
            items.collect::<Result<_, _>>().map_err(malformed(CALL))
        }
        .boxed()
    }

    fn exec_sync(
        &self,
        id: ContainerId,
        command: Vec<String>,
        timeout: Duration,
    ) -> Call<'_, ExecOutput> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::ExecSyncRequest {
                container_id: id.to_string(),
                cmd: command,
                timeout: whole_seconds(timeout),
            };
            let answer = runtime.exec_sync(request);
            let deadline = self.deadlines.request.saturating_add(timeout);
            self.within("ExecSync", deadline, answer)
                .await
                .map(exec_output_from_wire)
        }
        .boxed()
    }

    fn reopen_log(&self, id: ContainerId) -> Call<'_, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::ReopenContainerLogRequest {
                container_id: id.to_string(),
            };
            let answer = runtime.reopen_container_log(request);
            self.within("ReopenContainerLog", self.deadlines.request, answer)
                .await
                .map(drop)
        }
        .boxed()
    }
}

impl Images for Client {
    fn image(&self, reference: ImageReference) -> Call<'_, Option<Image>> {
        let mut images = self.images.clone();
        async move {
            let request = v1::ImageStatusRequest {
                image: Some(image_reference_to_wire(reference)),
                verbose: false,
            };
            let answer = images.image_status(request);
            let status = self
                .within("ImageStatus", self.deadlines.request, answer)
                .await?;
            Ok(status.image.map(image_from_wire))
        }
        .boxed()
    }

    fn pull_image(
        &self,
        reference: ImageReference,
        sandbox_config: SandboxConfig,
    ) -> Call<'_, PulledImage> {
        let mut images = self.images.clone();
        async move {
            let request = v1::PullImageRequest {
                image: Some(image_reference_to_wire(reference)),
                auth: None,
                sandbox_config: Some(sandbox_to_wire(sandbox_config)),
            };
            let pulled = self.timed("PullImage", images.pull_image(request)).await?;
            Ok(PulledImage {
                reference: pulled.image_ref,
            })
        }
        .boxed()
    }
}

impl Events for Client {
    fn events(&self) -> Call<'_, BoxStream<'static, Result<RuntimeEvent, RuntimeError>>> {
        const CALL: &str = "GetContainerEvents";
        let mut runtime = self.runtime.clone();
        async move {
            // Headers may come only with the first event, so the answer has no deadline.
            let answer = runtime.get_container_events(v1::GetEventsRequest {}).await;
            let stream = answer
                .map_err(|status| refused(CALL, &status))?
                .into_inner();
            let events = stream.map(|event| {
                event
                    .map(event_from_wire)
                    .map_err(|status| refused(CALL, &status))
            });
            Ok(events.boxed())
        }
        .boxed()
    }
}

impl Health for Client {
    fn version(&self) -> Call<'_, RuntimeVersion> {
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.version(v1::VersionRequest {
                version: "v1".to_owned(),
            });
            let version = self
                .within("Version", self.deadlines.request, answer)
                .await?;
            Ok(RuntimeVersion {
                name: version.runtime_name,
                version: version.runtime_version,
            })
        }
        .boxed()
    }

    fn conditions(&self) -> Call<'_, Vec<RuntimeCondition>> {
        let mut runtime = self.runtime.clone();
        async move {
            let answer = runtime.status(v1::StatusRequest { verbose: false });
            let status = self
                .within("Status", self.deadlines.request, answer)
                .await?;
            let conditions = status
                .status
                .map_or_else(Vec::new, |status| status.conditions);
            Ok(conditions.into_iter().map(condition_from_wire).collect())
        }
        .boxed()
    }
}

/// CRI counts whole seconds; a part of one counts as one, so that a short time is not "at once".
fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
