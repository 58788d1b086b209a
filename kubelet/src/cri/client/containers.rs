//! Containers, over CRI.

use std::time::Duration;

use futures::FutureExt;
use podling_proto::runtime::v1;

use super::{Client, malformed, whole_seconds};
use crate::cri::convert::{
    container_from_wire, container_status_from_wire, container_to_wire, exec_output_from_wire,
    resources_to_wire, sandbox_to_wire, selector,
};
use crate::cri::{
    Call, Container, ContainerConfig, ContainerStatus, Containers, ConvertError, ExecOutput,
    Resources, SandboxConfig, Scope,
};
use crate::model::{ContainerId, SandboxId};

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

    fn update_container(&self, id: ContainerId, resources: Resources) -> Call<'_, ()> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::UpdateContainerResourcesRequest {
                container_id: id.to_string(),
                linux: Some(resources_to_wire(resources)),
                ..v1::UpdateContainerResourcesRequest::default()
            };
            let answer = runtime.update_container_resources(request);
            self.within("UpdateContainerResources", self.deadlines.request, answer)
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
            // A command without a timeout may take as long as it takes.
            let deadline = match timeout {
                Duration::ZERO => Duration::MAX,
                timeout => self.deadlines.request.saturating_add(timeout),
            };
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
