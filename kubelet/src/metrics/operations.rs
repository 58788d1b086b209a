//! What workers do, and calls of the runtime, in the words that dashboards know.

/// What a worker does for its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The first look at it.
    Create,
    /// The first look at another version of it.
    Update,
    /// Any later look.
    Sync,
    /// Ending it.
    Kill,
}

impl Work {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Sync => "sync",
            Self::Kill => "kill",
        }
    }
}

/// The words that dashboards know for the calls of CRI.
pub(super) fn operation_type(call: &'static str) -> &'static str {
    match call {
        "RunPodSandbox" => "run_podsandbox",
        "StopPodSandbox" => "stop_podsandbox",
        "RemovePodSandbox" => "remove_podsandbox",
        "PodSandboxStatus" => "podsandbox_status",
        "ListPodSandbox" => "list_podsandbox",
        "CreateContainer" => "create_container",
        "StartContainer" => "start_container",
        "StopContainer" => "stop_container",
        "RemoveContainer" => "remove_container",
        "UpdateContainerResources" => "update_container",
        "ContainerStatus" => "container_status",
        "ListContainers" => "list_containers",
        "ExecSync" => "exec_sync",
        "UpdatePodSandboxResources" => "update_podsandbox_resources",
        "ReopenContainerLog" => "reopen_container_log",
        "ImageStatus" => "image_status",
        "ListImages" => "list_images",
        "PullImage" => "pull_image",
        "Version" => "version",
        "Status" => "status",
        other => other,
    }
}
