//! UpdateContainerResources, UpdatePodSandboxResources and UpdateRuntimeConfig.

use std::sync::Arc;

use podling_proto::runtime::v1 as cri;
use tonic::{Response, Status};

use super::decode::{DecodeError, pod_resources, resources_of};
use super::runtime_service::Answer;
use crate::lifecycle::Lifecycle;
use crate::lifecycle::error::chain;

/// New limits for a container.
pub(super) async fn container(
    lifecycle: &Lifecycle,
    request: cri::UpdateContainerResourcesRequest,
) -> Answer<cri::UpdateContainerResourcesResponse> {
    // Annotations are for plugins between client and runtime, of which there are none.
    let cri::UpdateContainerResourcesRequest {
        container_id,
        linux,
        windows,
        annotations: _,
    } = request;
    if windows.is_some() {
        return Err(DecodeError::Unsupported("windows").into());
    }
    let asked = resources_of(linux.ok_or(DecodeError::Missing("linux"))?)?;
    lifecycle.update_container(&container_id, asked).await?;
    Ok(Response::new(cri::UpdateContainerResourcesResponse {}))
}

/// What a pod may use now, as its client has set it.
pub(super) async fn pod_sandbox(
    lifecycle: &Lifecycle,
    request: cri::UpdatePodSandboxResourcesRequest,
) -> Answer<cri::UpdatePodSandboxResourcesResponse> {
    let cri::UpdatePodSandboxResourcesRequest {
        pod_sandbox_id,
        overhead,
        resources,
    } = request;
    let asked = pod_resources(resources, overhead)?;
    lifecycle.update_sandbox(&pod_sandbox_id, asked).await?;
    Ok(Response::new(cri::UpdatePodSandboxResourcesResponse {}))
}

/// Which addresses pods are to have.
pub(super) async fn runtime_config(
    lifecycle: &Lifecycle,
    request: cri::UpdateRuntimeConfigRequest,
) -> Answer<cri::UpdateRuntimeConfigResponse> {
    let config = request.runtime_config.unwrap_or_default();
    let cidr = config.network_config.unwrap_or_default().pod_cidr;
    if !cidr.is_empty() {
        let network = Arc::clone(&lifecycle.parts().network);
        let taken_on = tokio::task::spawn_blocking(move || network.take_on(&cidr)).await;
        let taken_on = taken_on.map_err(|error| Status::internal(error.to_string()))?;
        taken_on.map_err(|error| match error.is_refusal() {
            true => Status::invalid_argument(chain(&error)),
            false => Status::failed_precondition(chain(&error)),
        })?;
    }
    Ok(Response::new(cri::UpdateRuntimeConfigResponse {}))
}
