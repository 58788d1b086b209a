//! What went wrong while a plan was carried out, in the words kubectl's users know.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ContainerName;

/// What came of carrying out a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// What stopped the whole pod, if anything did.
    pub pod: Option<PodFailure>,
    /// What stopped single containers.
    pub containers: BTreeMap<ContainerName, StartFailure>,
    /// What kept running containers from another size.
    pub resize: Option<String>,
    /// Containers that were started.
    pub started: Vec<ContainerName>,
}

impl SyncReport {
    /// Whether everything was done.
    pub fn is_success(&self) -> bool {
        self.pod.is_none() && self.containers.is_empty() && self.resize.is_none()
    }

    /// The shortest wait that a failure asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        self.containers
            .values()
            .filter_map(|failure| failure.retry_after)
            .min()
    }
}

/// Why nothing of a pod could be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFailure {
    /// What was attempted, as an event reason, for instance `FailedMount`.
    pub reason: &'static str,
    /// What happened, the chain of causes included.
    pub message: String,
}

/// The node has as many volumes attached as it can have.
pub const BEYOND_VOLUME_LIMIT: &str = "VolumeAttachmentLimitExceeded";

impl PodFailure {
    /// Whether the pod is not wanted here any more: trying again would not help.
    pub fn is_rejection(&self) -> bool {
        self.reason == BEYOND_VOLUME_LIMIT
    }
}

/// Why a container could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// The step that failed.
    pub reason: FailureReason,
    /// What happened, the chain of causes included.
    pub message: String,
    /// When trying again makes sense, if the failure knows.
    pub retry_after: Option<Duration>,
}

/// The step at which a container could not be started: `state.waiting.reason` of its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// The image reference is not one.
    InvalidImageName,
    /// The image could not be looked at.
    ImageInspectError,
    /// The image is not on the node and may not be pulled.
    ErrImageNeverPull,
    /// The pull failed.
    ErrImagePull,
    /// The pull failed because no registry answers.
    RegistryUnavailable,
    /// The pull failed because nobody vouches for the image.
    SignatureValidationFailed,
    /// The pull failed before; the next try is later.
    ImagePullBackOff,
    /// The container's configuration could not be put together.
    CreateContainerConfigError,
    /// The runtime refused to create it.
    CreateContainerError,
    /// The runtime refused to start it.
    RunContainerError,
    /// The hook after its start failed.
    PostStartHookError,
}

impl FailureReason {
    /// The word in a container's status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidImageName => "InvalidImageName",
            Self::ImageInspectError => "ImageInspectError",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::ErrImagePull => "ErrImagePull",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::SignatureValidationFailed => "SignatureValidationFailed",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::CreateContainerConfigError => "CreateContainerConfigError",
            Self::CreateContainerError => "CreateContainerError",
            Self::RunContainerError => "RunContainerError",
            Self::PostStartHookError => "PostStartHookError",
        }
    }
}
