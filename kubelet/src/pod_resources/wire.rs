//! The listing on the wire (`PodResources` v1): the only place that knows its messages.

use std::sync::{Arc, Mutex};
use std::time::Instant;

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
use super::limit::Limit;
use super::listing::holdings;
use crate::device::Handed;
use crate::metrics::Question;
use crate::model::Pod;
use crate::pinning::MemoryBlock;

/// Answers until `stop`.
pub(super) async fn serve(
    listener: UnixListener,
    sources: Sources,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .add_service(PodResourcesListerServer::with_interceptor(
            Lister(sources),
            limit(),
        ))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop.cancelled_owned())
        .await
}

/// Lets nobody ask too often.
fn limit() -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone {
    let (limit, began) = (Arc::new(Mutex::new(Limit::default())), Instant::now());
    move |request| {
        let mut limit = limit.lock().expect("no holder of this lock can panic");
        match limit.takes(began.elapsed()) {
            true => Ok(request),
            false => Err(Status::resource_exhausted("rejected by rate limit")),
        }
    }
}

struct Lister(Sources);

impl Lister {
    fn pod(&self, pod: &Pod) -> v1::PodResources {
        let Sources {
            devices, pinning, ..
        } = &self.0;
        let holdings = holdings(
            pod,
            |container| devices.handed(pod, container),
            |container| {
                let cpus = pinning.exclusive_cpus(pod, container);
                (cpus, pinning.memory(pod, container))
            },
        );
        let containers = holdings.into_iter().map(|one| v1::ContainerResources {
            name: one.container,
            devices: one.devices.into_iter().map(device).collect(),
            cpu_ids: one.cpus.into_iter().map(i64::from).collect(),
            memory: one.memory.into_iter().map(memory).collect(),
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
        self.0.metrics.asked(Question::List);
        let inside = self.0.tenants.borrow().inside.clone();
        Ok(Response::new(v1::ListPodResourcesResponse {
            pod_resources: inside.values().map(|pod| self.pod(pod)).collect(),
        }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<v1::AllocatableResourcesRequest>,
    ) -> Result<Response<v1::AllocatableResourcesResponse>, Status> {
        self.0.metrics.asked(Question::Allocatable);
        let devices = self.0.devices.offered().into_iter();
        let cpus = self.0.pinning.allocatable_cpus().into_iter();
        let blocks = self.0.pinning.allocatable_memory().into_iter();
        Ok(Response::new(v1::AllocatableResourcesResponse {
            devices: devices.map(device).collect(),
            cpu_ids: cpus.map(i64::from).collect(),
            memory: blocks.map(memory).collect(),
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
        self.0.metrics.asked(Question::Get);
        let inside = self.0.tenants.borrow().inside.clone();
        let called = (pod_namespace.as_str(), pod_name.as_str());
        match inside.values().find(|pod| is_called(pod, called)) {
            Some(pod) => Ok(Response::new(v1::GetPodResourcesResponse {
                pod_resources: Some(self.pod(pod)),
            })),
            None => {
                self.0.metrics.failed(Question::Get);
                Err(Status::unknown(format!(
                    "pod {pod_name} in namespace {pod_namespace} not found"
                )))
            }
        }
    }
}

fn is_called(pod: &Pod, (namespace, name): (&str, &str)) -> bool {
    *pod.name.namespace == *namespace && *pod.name.name == *name
}

fn memory(block: MemoryBlock) -> v1::ContainerMemory {
    let nodes = block.nodes.into_iter().map(i64::from);
    v1::ContainerMemory {
        memory_type: block.resource,
        size: block.size,
        topology: Some(v1::TopologyInfo {
            nodes: nodes.map(|id| v1::NumaNode { id }).collect(),
        }),
    }
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
