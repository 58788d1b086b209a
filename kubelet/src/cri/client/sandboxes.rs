//! Sandboxes, over CRI.

use futures::FutureExt;
use podling_proto::runtime::v1;

use super::{Client, malformed};
use crate::cri::convert::{
    resources_to_wire, sandbox_from_wire, sandbox_status_from_wire, sandbox_to_wire, selector,
};
use crate::cri::{
    Call, ConvertError, PodResources, Sandbox, SandboxConfig, SandboxStatus, Sandboxes, Scope,
};
use crate::model::SandboxId;

impl Sandboxes for Client {
    fn run_sandbox(&self, config: SandboxConfig) -> Call<'_, SandboxId> {
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::RunPodSandboxRequest {
                runtime_handler: config.runtime_handler.clone(),
                config: Some(sandbox_to_wire(config)),
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

    fn update_sandbox_resources(&self, id: SandboxId, resources: PodResources) -> Call<'_, ()> {
        const CALL: &str = "UpdatePodSandboxResources";
        let mut runtime = self.runtime.clone();
        async move {
            let request = v1::UpdatePodSandboxResourcesRequest {
                pod_sandbox_id: id.to_string(),
                overhead: Some(resources_to_wire(resources.overhead)),
                resources: Some(resources_to_wire(resources.containers)),
            };
            let answer = runtime.update_pod_sandbox_resources(request);
            self.within(CALL, self.deadlines.request, answer)
                .await
                .map(drop)
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
