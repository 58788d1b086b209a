//! The listing on the wire (`PodResources` v1): the only place that knows its messages.

use podling_proto::podresources as v1;
use podling_proto::podresources::pod_resources_lister_server::{
    PodResourcesLister, PodResourcesListerServer,
};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::Sources;
use super::listing::holdings;
use crate::device::Handed;
use crate::model::Pod;

/// Answers until `stop`.
pub(super) async fn serve(
    listener: UnixListener,
    sources: Sources,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .add_service(PodResourcesListerServer::new(Lister(sources)))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop.cancelled_owned())
        .await
}

struct Lister(Sources);

impl Lister {
    fn pod(&self, pod: &Pod) -> v1::PodResources {
        let (devices, _) = &self.0;
        let holdings = holdings(pod, |container| devices.handed(pod, container));
        let containers = holdings.into_iter().map(|one| v1::ContainerResources {
            name: one.container,
            devices: one.devices.into_iter().map(device).collect(),
            ..v1::ContainerResources::default()
        });
        v1::PodResources {
            name: pod.name.name.to_string(),
            namespace: pod.name.namespace.to_string(),
            containers: containers.collect(),
        }
    }
}

#[tonic::async_trait]
impl PodResourcesLister for Lister {
    async fn list(
        &self,
        _: Request<v1::ListPodResourcesRequest>,
    ) -> Result<Response<v1::ListPodResourcesResponse>, Status> {
        let inside = self.0.1.borrow().inside.clone();
        Ok(Response::new(v1::ListPodResourcesResponse {
            pod_resources: inside.values().map(|pod| self.pod(pod)).collect(),
        }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<v1::AllocatableResourcesRequest>,
    ) -> Result<Response<v1::AllocatableResourcesResponse>, Status> {
        let devices = self.0.0.offered().into_iter();
        Ok(Response::new(v1::AllocatableResourcesResponse {
            devices: devices.map(device).collect(),
            ..v1::AllocatableResourcesResponse::default()
        }))
    }

    async fn get(
        &self,
        request: Request<v1::GetPodResourcesRequest>,
    ) -> Result<Response<v1::GetPodResourcesResponse>, Status> {
        let v1::GetPodResourcesRequest {
            pod_name,
            pod_namespace,
        } = request.into_inner();
        let inside = self.0.1.borrow().inside.clone();
        let called = (pod_namespace.as_str(), pod_name.as_str());
        match inside.values().find(|pod| is_called(pod, called)) {
            Some(pod) => Ok(Response::new(v1::GetPodResourcesResponse {
                pod_resources: Some(self.pod(pod)),
            })),
            None => Err(Status::unknown(format!(
                "pod {pod_name} in namespace {pod_namespace} not found"
            ))),
        }
    }
}

fn is_called(pod: &Pod, (namespace, name): (&str, &str)) -> bool {
    *pod.name.namespace == *namespace && *pod.name.name == *name
}

fn device(handed: Handed) -> v1::ContainerDevices {
    let nodes = handed.nodes.into_iter();
    let nodes: Vec<_> = nodes.map(|id| v1::NumaNode { id }).collect();
    v1::ContainerDevices {
        resource_name: handed.resource,
        device_ids: vec![handed.id],
        topology: Some(v1::TopologyInfo { nodes }).filter(|one| !one.nodes.is_empty()),
    }
}
