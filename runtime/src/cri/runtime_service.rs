//! RuntimeService.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use podling_proto::runtime::v1 as cri;
use podling_proto::runtime::v1::runtime_service_server::RuntimeService;
use tonic::{Request, Response, Status};

use super::decode::{DecodeError, container_config, sandbox_config};
use super::encode::{container, container_status, sandbox, sandbox_status};
use super::filter::{wants_container, wants_sandbox};
use super::{events, info, streaming};
use crate::lifecycle::Lifecycle;
use crate::network::Readiness;
use crate::streaming::Urls;

/// Version of the CRI that is served.
const API_VERSION: &str = "v1";

/// RuntimeService over a [`Lifecycle`].
#[derive(Debug)]
pub(super) struct Runtime {
    pub(super) lifecycle: Lifecycle,
    pub(super) urls: Urls,
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

/// Why the streamed lists are not served.
macro_rules! unimplemented_streams {
    ($($rpc:ident($request:ident) -> $stream:ident of $response:ident = $name:literal;)*) => {
        $(type $stream = Streamed<cri::$response>;)*
        unimplemented_rpcs! {
            $($rpc($request) -> Self::$stream = $name: "use the list call";)*
        }
    };
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
            info::of_sandbox(&pod)
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
        let pods = self.lifecycle.pods();
        let wanted = pods
            .iter()
            .filter(|pod| wants_sandbox(filter.as_ref(), &pod.sandbox));
        let items = wanted.map(|pod| sandbox(&pod.sandbox)).collect();
        Ok(Response::new(cri::ListPodSandboxResponse { items }))
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
        let pods = self.lifecycle.pods();
        let containers = pods
            .iter()
            .flat_map(|pod| pod.containers.values())
            .filter(|record| wants_container(filter.as_ref(), record))
            .map(container)
            .collect();
        Ok(Response::new(cri::ListContainersResponse { containers }))
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
            info::of_container(record)
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

    async fn exec_sync(
        &self,
        request: Request<cri::ExecSyncRequest>,
    ) -> Answer<cri::ExecSyncResponse> {
        let cri::ExecSyncRequest {
            container_id,
            cmd,
            timeout,
        } = request.into_inner();
        if cmd.is_empty() {
            return Err(DecodeError::Missing("cmd").into());
        }
        // Zero and less set no limit, as the contract has it.
        let limit = Some(seconds(timeout)).filter(|limit| !limit.is_zero());
        let outcome = self.lifecycle.exec_sync(&container_id, cmd, limit).await?;
        Ok(Response::new(cri::ExecSyncResponse {
            stdout: outcome.stdout,
            stderr: outcome.stderr,
            exit_code: outcome.exit_code,
        }))
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
        let events = self.lifecycle.parts().events.subscribe();
        Ok(Response::new(Box::pin(events::encode_all(events))))
    }

    async fn status(&self, request: Request<cri::StatusRequest>) -> Answer<cri::StatusResponse> {
        let network = Arc::clone(&self.lifecycle.parts().network);
        let network = tokio::task::spawn_blocking(move || network.status()).await;
        let network = network.map_err(|error| Status::internal(error.to_string()))?;
        let verbose = request.into_inner().verbose;
        let info = if verbose {
            info::of_runtime(&self.lifecycle, &network)
        } else {
            BTreeMap::new()
        };
        Ok(Response::new(cri::StatusResponse {
            status: Some(cri::RuntimeStatus {
                conditions: conditions(network.readiness),
            }),
            info,
            runtime_handlers: vec![cri::RuntimeHandler {
                name: String::new(),
                features: Some(cri::RuntimeHandlerFeatures {
                    recursive_read_only_mounts: self.lifecycle.parts().host.recursive_read_only,
                    user_namespaces: false,
                }),
            }],
            features: Some(cri::RuntimeFeatures {
                supplemental_groups_policy: true,
                user_namespaces_host_network: false,
                mount_options: false,
            }),
        }))
    }

    async fn runtime_config(
        &self,
        _: Request<cri::RuntimeConfigRequest>,
    ) -> Answer<cri::RuntimeConfigResponse> {
        let linux = cri::LinuxRuntimeConfiguration {
            cgroup_driver: cri::CgroupDriver::Cgroupfs.into(),
        };
        Ok(Response::new(cri::RuntimeConfigResponse {
            linux: Some(linux),
        }))
    }

    unimplemented_rpcs! {
        container_stats(ContainerStatsRequest) -> cri::ContainerStatsResponse =
            "ContainerStats": "statistics are not collected yet";
        list_container_stats(ListContainerStatsRequest) -> cri::ListContainerStatsResponse =
            "ListContainerStats": "statistics are not collected yet";
        pod_sandbox_stats(PodSandboxStatsRequest) -> cri::PodSandboxStatsResponse =
            "PodSandboxStats": "statistics are not collected yet";
        list_pod_sandbox_stats(ListPodSandboxStatsRequest) -> cri::ListPodSandboxStatsResponse =
            "ListPodSandboxStats": "statistics are not collected yet";
        list_metric_descriptors(ListMetricDescriptorsRequest) -> cri::ListMetricDescriptorsResponse =
            "ListMetricDescriptors": "statistics are not collected yet";
        list_pod_sandbox_metrics(ListPodSandboxMetricsRequest) -> cri::ListPodSandboxMetricsResponse =
            "ListPodSandboxMetrics": "statistics are not collected yet";
        update_container_resources(UpdateContainerResourcesRequest)
            -> cri::UpdateContainerResourcesResponse =
            "UpdateContainerResources": "limits are set when a container starts";
        update_pod_sandbox_resources(UpdatePodSandboxResourcesRequest)
            -> cri::UpdatePodSandboxResourcesResponse =
            "UpdatePodSandboxResources": "limits are set when a container starts";
        update_runtime_config(UpdateRuntimeConfigRequest) -> cri::UpdateRuntimeConfigResponse =
            "UpdateRuntimeConfig": "the pod CIDR is set at start";
        checkpoint_container(CheckpointContainerRequest) -> cri::CheckpointContainerResponse =
            "CheckpointContainer": "a restored container could not be trusted";
        checkpoint_pod(CheckpointPodRequest) -> cri::CheckpointPodResponse =
            "CheckpointPod": "a restored pod could not be trusted";
        restore_pod(RestorePodRequest) -> cri::RestorePodResponse =
            "RestorePod": "a restored pod could not be trusted";
    }

    unimplemented_streams! {
        stream_pod_sandboxes(StreamPodSandboxesRequest)
            -> StreamPodSandboxesStream of StreamPodSandboxesResponse = "StreamPodSandboxes";
        stream_containers(StreamContainersRequest)
            -> StreamContainersStream of StreamContainersResponse = "StreamContainers";
        stream_container_stats(StreamContainerStatsRequest)
            -> StreamContainerStatsStream of StreamContainerStatsResponse = "StreamContainerStats";
        stream_pod_sandbox_stats(StreamPodSandboxStatsRequest)
            -> StreamPodSandboxStatsStream of StreamPodSandboxStatsResponse =
            "StreamPodSandboxStats";
        stream_pod_sandbox_metrics(StreamPodSandboxMetricsRequest)
            -> StreamPodSandboxMetricsStream of StreamPodSandboxMetricsResponse =
            "StreamPodSandboxMetrics";
    }
}

/// Whole seconds; less than nothing is nothing.
fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

fn conditions(network: Readiness) -> Vec<cri::RuntimeCondition> {
    let condition = |name: &str, readiness| {
        let (status, reason, message) = match readiness {
            Readiness::Ready { remark } => (true, "", remark),
            Readiness::NotReady { reason, message } => (false, reason, message),
        };
        cri::RuntimeCondition {
            r#type: name.to_owned(),
            status,
            reason: reason.to_owned(),
            message,
        }
    };
    let remark = String::new();
    vec![
        condition("RuntimeReady", Readiness::Ready { remark }),
        condition("NetworkReady", network),
    ]
}

/// Nanoseconds since the epoch.
fn now() -> i64 {
    jiff::Timestamp::now()
        .as_nanosecond()
        .try_into()
        .unwrap_or(i64::MAX)
}
