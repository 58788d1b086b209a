//! RuntimeService.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use podling_proto::runtime::v1 as cri;
use podling_proto::runtime::v1::runtime_service_server::RuntimeService;
use tonic::{Request, Response, Status};

use super::decode::{container_config, sandbox_config};
use super::encode::{container_status, sandbox_status};
use super::stats::Statistics;
use super::{events, info, list, metrics, runtime_status, streaming, streams, update};
use crate::cgroup::CgroupDriver;
use crate::lifecycle::Lifecycle;
use crate::streaming::Urls;

/// Version of the CRI that is served.
const API_VERSION: &str = "v1";

/// RuntimeService over a [`Lifecycle`].
#[derive(Debug)]
pub(super) struct Runtime {
    pub(super) lifecycle: Lifecycle,
    pub(super) urls: Urls,
    pub(super) metrics_address: Option<SocketAddr>,
    pub(super) statistics: Statistics,
}

pub(super) type Answer<T> = Result<Response<T>, Status>;
pub(super) type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// RPCs that are not served, each by its name. Clients fall back when they see UNIMPLEMENTED.
///
/// The signature is what `async_trait` makes of an async function: it does not look into macros.
macro_rules! unimplemented_rpcs {
    ($($rpc:ident($request:ident) -> $response:ty = $name:literal: $why:literal;)*) => {$(
        fn $rpc<'a, 'b>(
            &'a self,
            _: Request<cri::$request>,
        ) -> Pin<Box<dyn Future<Output = Answer<$response>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            let status = Status::unimplemented(concat!($name, " is not implemented: ", $why));
            Box::pin(std::future::ready(Err(status)))
        }
    )*};
}

#[tonic::async_trait]
impl RuntimeService for Runtime {
    async fn version(&self, _: Request<cri::VersionRequest>) -> Answer<cri::VersionResponse> {
        Ok(Response::new(cri::VersionResponse {
            version: "0.1.0".to_owned(), // Of the kubelet's request API, as every runtime says.
            runtime_name: "podling".to_owned(),
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime_api_version: API_VERSION.to_owned(),
        }))
    }

    async fn run_pod_sandbox(
        &self,
        request: Request<cri::RunPodSandboxRequest>,
    ) -> Answer<cri::RunPodSandboxResponse> {
        let cri::RunPodSandboxRequest {
            config,
            runtime_handler,
        } = request.into_inner();
        let config = sandbox_config(config, runtime_handler)?;
        let pod_sandbox_id = self.lifecycle.run_sandbox(config).await?.to_string();
        Ok(Response::new(cri::RunPodSandboxResponse { pod_sandbox_id }))
    }

    async fn stop_pod_sandbox(
        &self,
        request: Request<cri::StopPodSandboxRequest>,
    ) -> Answer<cri::StopPodSandboxResponse> {
        self.lifecycle
            .stop_sandbox(&request.into_inner().pod_sandbox_id)
            .await?;
        Ok(Response::new(cri::StopPodSandboxResponse {}))
    }

    async fn remove_pod_sandbox(
        &self,
        request: Request<cri::RemovePodSandboxRequest>,
    ) -> Answer<cri::RemovePodSandboxResponse> {
        self.lifecycle
            .remove_sandbox(&request.into_inner().pod_sandbox_id)
            .await?;
        Ok(Response::new(cri::RemovePodSandboxResponse {}))
    }

    async fn pod_sandbox_status(
        &self,
        request: Request<cri::PodSandboxStatusRequest>,
    ) -> Answer<cri::PodSandboxStatusResponse> {
        let cri::PodSandboxStatusRequest {
            pod_sandbox_id,
            verbose,
        } = request.into_inner();
        let pod = self.lifecycle.sandbox(&pod_sandbox_id)?;
        let info = if verbose {
            let cgroup = self.lifecycle.cgroup(&pod.sandbox, pod.sandbox.id.as_str());
            let cgroup = cgroup.map(|path| path.to_string());
            info::of_sandbox(&pod, &cgroup.unwrap_or_default())
        } else {
            BTreeMap::new()
        };
        let log_directory = &pod.sandbox.config.log_directory;
        Ok(Response::new(cri::PodSandboxStatusResponse {
            status: Some(sandbox_status(&pod.sandbox)),
            info,
            containers_statuses: pod
                .containers
                .values()
                .map(|container| container_status(container, log_directory))
                .collect(),
            timestamp: now(),
        }))
    }

    async fn list_pod_sandbox(
        &self,
        request: Request<cri::ListPodSandboxRequest>,
    ) -> Answer<cri::ListPodSandboxResponse> {
        let filter = request.into_inner().filter;
        let items = list::pod_sandboxes(&self.lifecycle.pods(), filter.as_ref());
        list::answer(cri::ListPodSandboxResponse { items })
    }

    async fn create_container(
        &self,
        request: Request<cri::CreateContainerRequest>,
    ) -> Answer<cri::CreateContainerResponse> {
        // What the sandbox was made from is known already.
        let cri::CreateContainerRequest {
            pod_sandbox_id,
            config,
            sandbox_config: _,
        } = request.into_inner();
        let config = container_config(config)?;
        let id = self
            .lifecycle
            .create_container(&pod_sandbox_id, config)
            .await?;
        Ok(Response::new(cri::CreateContainerResponse {
            container_id: id.to_string(),
        }))
    }

    async fn start_container(
        &self,
        request: Request<cri::StartContainerRequest>,
    ) -> Answer<cri::StartContainerResponse> {
        self.lifecycle
            .start_container(&request.into_inner().container_id)
            .await?;
        Ok(Response::new(cri::StartContainerResponse {}))
    }

    async fn stop_container(
        &self,
        request: Request<cri::StopContainerRequest>,
    ) -> Answer<cri::StopContainerResponse> {
        let cri::StopContainerRequest {
            container_id,
            timeout,
        } = request.into_inner();
        self.lifecycle
            .stop_container(&container_id, seconds(timeout))
            .await?;
        Ok(Response::new(cri::StopContainerResponse {}))
    }

    async fn remove_container(
        &self,
        request: Request<cri::RemoveContainerRequest>,
    ) -> Answer<cri::RemoveContainerResponse> {
        self.lifecycle
            .remove_container(&request.into_inner().container_id)
            .await?;
        Ok(Response::new(cri::RemoveContainerResponse {}))
    }

    async fn list_containers(
        &self,
        request: Request<cri::ListContainersRequest>,
    ) -> Answer<cri::ListContainersResponse> {
        let filter = request.into_inner().filter;
        let containers = list::pod_containers(&self.lifecycle.pods(), filter.as_ref());
        list::answer(cri::ListContainersResponse { containers })
    }

    async fn container_status(
        &self,
        request: Request<cri::ContainerStatusRequest>,
    ) -> Answer<cri::ContainerStatusResponse> {
        let cri::ContainerStatusRequest {
            container_id,
            verbose,
        } = request.into_inner();
        let (pod, id) = self.lifecycle.container(&container_id)?;
        let record = &pod.containers[&id];
        let info = if verbose {
            info::of_container(record, self.lifecycle.runtime_spec(record).await)
        } else {
            BTreeMap::new()
        };
        let status = container_status(record, &pod.sandbox.config.log_directory);
        Ok(Response::new(cri::ContainerStatusResponse {
            status: Some(status),
            info,
        }))
    }

    async fn reopen_container_log(
        &self,
        request: Request<cri::ReopenContainerLogRequest>,
    ) -> Answer<cri::ReopenContainerLogResponse> {
        self.lifecycle
            .reopen_log(&request.into_inner().container_id)
            .await?;
        Ok(Response::new(cri::ReopenContainerLogResponse {}))
    }

    async fn exec_sync(&self, _: Request<cri::ExecSyncRequest>) -> Answer<cri::ExecSyncResponse> {
        Err(Status::internal(
            "ExecSync is answered before it comes here",
        ))
    }

    async fn exec(&self, request: Request<cri::ExecRequest>) -> Answer<cri::ExecResponse> {
        streaming::exec(&self.lifecycle, &self.urls, request.into_inner()).map(Response::new)
    }

    async fn attach(&self, request: Request<cri::AttachRequest>) -> Answer<cri::AttachResponse> {
        streaming::attach(&self.lifecycle, &self.urls, request.into_inner()).map(Response::new)
    }

    async fn port_forward(
        &self,
        request: Request<cri::PortForwardRequest>,
    ) -> Answer<cri::PortForwardResponse> {
        streaming::port_forward(&self.lifecycle, &self.urls, request.into_inner())
            .map(Response::new)
    }

    type GetContainerEventsStream = Streamed<cri::ContainerEventResponse>;

    async fn get_container_events(
        &self,
        _: Request<cri::GetEventsRequest>,
    ) -> Answer<Self::GetContainerEventsStream> {
        let parts = self.lifecycle.parts();
        let events = events::encode_all(
            parts.events.subscribe(),
            parts.metrics.clone(),
            parts.shutdown.clone(),
        );
        Ok(Response::new(Box::pin(events)))
    }

    async fn status(&self, request: Request<cri::StatusRequest>) -> Answer<cri::StatusResponse> {
        let elsewhere = info::Addresses {
            streaming: self.urls.address(),
            metrics: self.metrics_address,
        };
        runtime_status::answer(&self.lifecycle, elsewhere, request.into_inner().verbose).await
    }

    async fn runtime_config(
        &self,
        _: Request<cri::RuntimeConfigRequest>,
    ) -> Answer<cri::RuntimeConfigResponse> {
        let linux = cri::LinuxRuntimeConfiguration {
            cgroup_driver: match self.lifecycle.parts().cgroup_driver {
                CgroupDriver::Cgroupfs => cri::CgroupDriver::Cgroupfs.into(),
                CgroupDriver::Systemd => cri::CgroupDriver::Systemd.into(),
            },
        };
        Ok(Response::new(cri::RuntimeConfigResponse {
            linux: Some(linux),
        }))
    }

    async fn update_container_resources(
        &self,
        request: Request<cri::UpdateContainerResourcesRequest>,
    ) -> Answer<cri::UpdateContainerResourcesResponse> {
        update::container(&self.lifecycle, request.into_inner()).await
    }

    async fn update_runtime_config(
        &self,
        request: Request<cri::UpdateRuntimeConfigRequest>,
    ) -> Answer<cri::UpdateRuntimeConfigResponse> {
        update::runtime_config(&self.lifecycle, request.into_inner()).await
    }

    async fn update_pod_sandbox_resources(
        &self,
        request: Request<cri::UpdatePodSandboxResourcesRequest>,
    ) -> Answer<cri::UpdatePodSandboxResourcesResponse> {
        update::pod_sandbox(&self.lifecycle, request.into_inner()).await
    }

    async fn container_stats(
        &self,
        request: Request<cri::ContainerStatsRequest>,
    ) -> Answer<cri::ContainerStatsResponse> {
        let id = request.into_inner().container_id;
        let stats = Some(self.statistics.container(&id).await?);
        Ok(Response::new(cri::ContainerStatsResponse { stats }))
    }

    async fn list_container_stats(
        &self,
        request: Request<cri::ListContainerStatsRequest>,
    ) -> Answer<cri::ListContainerStatsResponse> {
        let filter = request.into_inner().filter;
        let stats = self.statistics.list_containers(filter).await;
        list::answer(cri::ListContainerStatsResponse { stats })
    }

    async fn pod_sandbox_stats(
        &self,
        request: Request<cri::PodSandboxStatsRequest>,
    ) -> Answer<cri::PodSandboxStatsResponse> {
        let id = request.into_inner().pod_sandbox_id;
        let stats = Some(self.statistics.pod(&id).await?);
        Ok(Response::new(cri::PodSandboxStatsResponse { stats }))
    }

    async fn list_pod_sandbox_stats(
        &self,
        request: Request<cri::ListPodSandboxStatsRequest>,
    ) -> Answer<cri::ListPodSandboxStatsResponse> {
        let filter = request.into_inner().filter;
        let stats = self.statistics.list_pods(filter).await;
        list::answer(cri::ListPodSandboxStatsResponse { stats })
    }

    async fn list_metric_descriptors(
        &self,
        _: Request<cri::ListMetricDescriptorsRequest>,
    ) -> Answer<cri::ListMetricDescriptorsResponse> {
        let descriptors = metrics::descriptors();
        Ok(Response::new(cri::ListMetricDescriptorsResponse {
            descriptors,
        }))
    }

    async fn list_pod_sandbox_metrics(
        &self,
        _: Request<cri::ListPodSandboxMetricsRequest>,
    ) -> Answer<cri::ListPodSandboxMetricsResponse> {
        let pods = self.statistics.every_pod();
        let pod_metrics = metrics::of_pods(&self.statistics, &pods).await;
        list::answer(cri::ListPodSandboxMetricsResponse { pod_metrics })
    }

    type StreamPodSandboxesStream = Streamed<cri::StreamPodSandboxesResponse>;

    async fn stream_pod_sandboxes(
        &self,
        request: Request<cri::StreamPodSandboxesRequest>,
    ) -> Answer<Self::StreamPodSandboxesStream> {
        let filter = request.into_inner().filter;
        let pods = self.lifecycle.pods();
        Ok(Response::new(streams::pod_sandboxes(pods, filter)))
    }

    type StreamContainersStream = Streamed<cri::StreamContainersResponse>;

    async fn stream_containers(
        &self,
        request: Request<cri::StreamContainersRequest>,
    ) -> Answer<Self::StreamContainersStream> {
        let filter = request.into_inner().filter;
        let pods = self.lifecycle.pods();
        Ok(Response::new(streams::containers(pods, filter)))
    }

    type StreamContainerStatsStream = Streamed<cri::StreamContainerStatsResponse>;

    async fn stream_container_stats(
        &self,
        request: Request<cri::StreamContainerStatsRequest>,
    ) -> Answer<Self::StreamContainerStatsStream> {
        let filter = request.into_inner().filter;
        let statistics = self.statistics.clone();
        Ok(Response::new(streams::container_stats(statistics, filter)))
    }

    type StreamPodSandboxStatsStream = Streamed<cri::StreamPodSandboxStatsResponse>;

    async fn stream_pod_sandbox_stats(
        &self,
        request: Request<cri::StreamPodSandboxStatsRequest>,
    ) -> Answer<Self::StreamPodSandboxStatsStream> {
        let filter = request.into_inner().filter;
        let statistics = self.statistics.clone();
        Ok(Response::new(streams::pod_sandbox_stats(
            statistics, filter,
        )))
    }

    type StreamPodSandboxMetricsStream = Streamed<cri::StreamPodSandboxMetricsResponse>;

    async fn stream_pod_sandbox_metrics(
        &self,
        _: Request<cri::StreamPodSandboxMetricsRequest>,
    ) -> Answer<Self::StreamPodSandboxMetricsStream> {
        let statistics = self.statistics.clone();
        Ok(Response::new(streams::pod_sandbox_metrics(statistics)))
    }

    unimplemented_rpcs! {

        checkpoint_container(CheckpointContainerRequest) -> cri::CheckpointContainerResponse =
            "CheckpointContainer": "a restored container could not be trusted";
        checkpoint_pod(CheckpointPodRequest) -> cri::CheckpointPodResponse =
            "CheckpointPod": "a restored pod could not be trusted";
        restore_pod(RestorePodRequest) -> cri::RestorePodResponse =
            "RestorePod": "a restored pod could not be trusted";
    }
}

/// Whole seconds; less than nothing is nothing.
pub(super) fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// Nanoseconds since the epoch.
fn now() -> i64 {
    jiff::Timestamp::now()
        .as_nanosecond()
        .try_into()
        .unwrap_or(i64::MAX)
}
