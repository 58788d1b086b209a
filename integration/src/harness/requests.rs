//! CRI requests for tests that go past the kubelet.

use podling_proto::runtime::v1::{
    ContainerConfig, ContainerMetadata, CreateContainerRequest, ImageSpec, LinuxContainerConfig,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, NamespaceMode, NamespaceOption,
    PodSandboxConfig, PodSandboxMetadata, RemovePodSandboxRequest, RunPodSandboxRequest,
    StartContainerRequest, StopPodSandboxRequest,
};
use tonic::Status;

use super::cri::Cri;

/// A sandbox as the kubelet would ask for one.
pub fn sandbox(name: &str, cgroup_parent: &str) -> PodSandboxConfig {
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
            namespace: "default".to_owned(),
            attempt: 0,
        }),
        hostname: name.to_owned(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: cgroup_parent.to_owned(),
            ..LinuxPodSandboxConfig::default()
        }),
        ..PodSandboxConfig::default()
    }
}

/// A container named `main` that runs an image with these arguments.
pub fn container(image: &str, arguments: &[&str]) -> ContainerConfig {
    // As the kubelet asks by default: a process tree of its own.
    let namespaces = NamespaceOption {
        pid: NamespaceMode::Container.into(),
        ..NamespaceOption::default()
    };
    let security = LinuxContainerSecurityContext {
        namespace_options: Some(namespaces),
        ..LinuxContainerSecurityContext::default()
    };
    ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: "main".to_owned(),
            attempt: 0,
        }),
        image: Some(ImageSpec {
            image: image.to_owned(),
            ..ImageSpec::default()
        }),
        args: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect(),
        linux: Some(LinuxContainerConfig {
            security_context: Some(security),
            ..LinuxContainerConfig::default()
        }),
        ..ContainerConfig::default()
    }
}

/// A pod that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its sandbox.
    pub sandbox: String,
    /// Its container.
    pub container: String,
}

/// Runs a pod with one container, as a kubelet does: sandbox, create, start.
pub async fn run_pod(
    cri: &Cri,
    config: PodSandboxConfig,
    container: ContainerConfig,
) -> Result<Running, Status> {
    run_pod_of(cri, "", config, container).await
}

/// The same with a runtime handler.
pub async fn run_pod_of(
    cri: &Cri,
    handler: &str,
    config: PodSandboxConfig,
    container: ContainerConfig,
) -> Result<Running, Status> {
    let mut runtime = cri.runtime.clone();
    let request = RunPodSandboxRequest {
        config: Some(config.clone()),
        runtime_handler: handler.to_owned(),
    };
    let sandbox = runtime
        .run_pod_sandbox(request)
        .await?
        .into_inner()
        .pod_sandbox_id;
    let request = CreateContainerRequest {
        pod_sandbox_id: sandbox.clone(),
        config: Some(container),
        sandbox_config: Some(config),
    };
    let container = runtime
        .create_container(request)
        .await?
        .into_inner()
        .container_id;
    runtime
        .start_container(StartContainerRequest {
            container_id: container.clone(),
        })
        .await?;
    Ok(Running { sandbox, container })
}

/// Ends a pod and forgets it.
pub async fn remove_pod(cri: &Cri, sandbox: &str) -> Result<(), Status> {
    let mut runtime = cri.runtime.clone();
    let pod_sandbox_id = sandbox.to_owned();
    runtime
        .stop_pod_sandbox(StopPodSandboxRequest {
            pod_sandbox_id: pod_sandbox_id.clone(),
        })
        .await?;
    runtime
        .remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id })
        .await?;
    Ok(())
}
