//! The container runtime as the kubelet uses it: one trait of small roles in our own types.
//!
//! ```text
//! execute, pleg ──▶ Runtime (Sandboxes + Containers + Images + Events + Health + Streams)
//!                      ├── client   CRI v1 over a Unix socket; convert/ is the only user of proto
//!                      └── fake     an in-memory runtime for tests
//! ```

mod client;
mod container;
mod convert;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod image;
mod sandbox;
mod stats;
mod streams;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;

pub(crate) use client::unix_channel;
pub use client::{Client, Deadlines};
pub use container::{
    Container, ContainerConfig, ContainerMetadata, ContainerPhase, ContainerSecurity,
    ContainerStatus, Device, EnvVar, ExecOutput, ImageMount, Mount, MountPropagation, PodResources,
    Resources,
};
pub use convert::ConvertError;
pub use error::{Refusal, RuntimeError};
pub use image::{Image, ImageReference, Login, PulledImage};
pub use sandbox::{
    DnsConfig, IdRange, NamespaceMode, Namespaces, PortMapping, Sandbox, SandboxConfig,
    SandboxMetadata, SandboxStatus,
};
pub use stats::{
    ContainerStats, CpuUsage, FilesystemUsage, ImageFilesystems, InterfaceUsage, MemoryUsage,
    Metric, MetricDescriptor, NetworkUsage, PodStats, Pressure, Statistics, SwapUsage, Usage,
    Waiting,
};
pub use streams::{StreamSet, Streams};

use crate::model::{CgroupDriver, ContainerId, PodUid, SandboxId};

/// The answer to one call, when it comes.
pub type Call<'a, T> = BoxFuture<'a, Result<T, RuntimeError>>;

/// Which objects a list is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything the runtime has.
    All,
    /// What carries this pod UID in its labels.
    Pod(PodUid),
}

/// Pod sandboxes.
pub trait Sandboxes: Send + Sync {
    /// Makes and starts a sandbox; it is ready when this returns.
    fn run_sandbox(&self, config: SandboxConfig) -> Call<'_, SandboxId>;
    /// Ends everything in the sandbox and gives its network back; may be repeated.
    fn stop_sandbox(&self, id: SandboxId) -> Call<'_, ()>;
    /// Removes the sandbox and its containers; may be repeated.
    fn remove_sandbox(&self, id: SandboxId) -> Call<'_, ()>;
    /// The sandbox with its addresses.
    fn sandbox_status(&self, id: SandboxId) -> Call<'_, SandboxStatus>;
    /// Tells what the cgroup of the sandbox's pod is about to say; a runtime may refuse.
    fn update_sandbox_resources(&self, id: SandboxId, resources: PodResources) -> Call<'_, ()>;
    /// Sandboxes without their addresses.
    fn list_sandboxes(&self, scope: Scope) -> Call<'_, Vec<Sandbox>>;
}

/// Containers in sandboxes.
pub trait Containers: Send + Sync {
    /// Makes a container from an image that is present; it does not run yet.
    fn create_container(
        &self,
        sandbox: SandboxId,
        config: ContainerConfig,
        sandbox_config: SandboxConfig,
    ) -> Call<'_, ContainerId>;
    /// Runs a container that was created.
    fn start_container(&self, id: ContainerId) -> Call<'_, ()>;
    /// Asks the container to end, and kills it after the grace period; may be repeated.
    fn stop_container(&self, id: ContainerId, grace: Duration) -> Call<'_, ()>;
    /// Removes the container; may be repeated.
    fn remove_container(&self, id: ContainerId) -> Call<'_, ()>;
    /// Gives a container other limits while it runs; what is not set stays as it is.
    fn update_container(&self, id: ContainerId, resources: Resources) -> Call<'_, ()>;
    /// The container with times, exit code and reason.
    fn container_status(&self, id: ContainerId) -> Call<'_, ContainerStatus>;
    /// Containers with their states only.
    fn list_containers(&self, scope: Scope) -> Call<'_, Vec<Container>>;
    /// Runs a command in the container and waits for it.
    fn exec_sync(
        &self,
        id: ContainerId,
        command: Vec<String>,
        timeout: Duration,
    ) -> Call<'_, ExecOutput>;
    /// Makes the runtime write to a new log file after the old one was renamed.
    fn reopen_log(&self, id: ContainerId) -> Call<'_, ()>;
}

/// Images.
pub trait Images: Send + Sync {
    /// The image, if it is present.
    fn image(&self, reference: ImageReference) -> Call<'_, Option<Image>>;
    /// All images that are present.
    fn list_images(&self) -> Call<'_, Vec<Image>>;
    /// Removes the image; may be repeated.
    fn remove_image(&self, reference: ImageReference) -> Call<'_, ()>;
    /// Fetches the image; there is no deadline, a large image may take its time.
    fn pull_image(
        &self,
        reference: ImageReference,
        login: Option<Login>,
        sandbox_config: SandboxConfig,
    ) -> Call<'_, PulledImage>;
}

/// What tells that something in the runtime changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeEvent {
    /// The pod whose sandbox or container changed, when the runtime said which.
    pub pod_uid: Option<PodUid>,
    /// The container or sandbox that changed.
    pub container: String,
}

/// A push channel for changes.
pub trait Events: Send + Sync {
    /// Opens the stream of events; it ends when the runtime does.
    fn events(&self) -> Call<'_, BoxStream<'static, Result<RuntimeEvent, RuntimeError>>>;
}

/// Name and version of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeVersion {
    /// What it calls itself.
    pub name: String,
    /// Its own version.
    pub version: String,
}

/// One condition of a runtime, as it reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeCondition {
    /// `RuntimeReady`, `NetworkReady`, or one of its own.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// Why it does not, in one word; may be empty.
    pub reason: String,
    /// Why it does not, in a sentence; may be empty.
    pub message: String,
}

impl fmt::Display for RuntimeCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            holds,
            reason,
            message,
        } = self;
        write!(f, "{name}={holds} reason:{reason} message:{message}")
    }
}

/// What a runtime can do beyond what every runtime can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeFeatures {
    /// Its handlers by name; the default one has the empty name.
    pub handlers: BTreeMap<String, HandlerFeatures>,
    /// Whether it can keep the groups of an image away from containers.
    pub supplemental_groups_policy: bool,
}

impl RuntimeFeatures {
    /// What one handler can do; one that is not listed can do nothing of it.
    pub fn handler(&self, name: &str) -> HandlerFeatures {
        self.handlers.get(name).copied().unwrap_or_default()
    }
}

/// What one handler of a runtime can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandlerFeatures {
    /// Mounts that are read-only with all that is mounted below.
    pub recursive_read_only: bool,
    /// Pods with user namespaces of their own.
    pub user_namespaces: bool,
}

/// Whether the runtime can do its work.
pub trait Health: Send + Sync {
    /// Name and version.
    fn version(&self) -> Call<'_, RuntimeVersion>;
    /// All conditions.
    fn conditions(&self) -> Call<'_, Vec<RuntimeCondition>>;
    /// Who makes the upper cgroups; `None` when it does not say.
    fn cgroup_driver(&self) -> Call<'_, Option<CgroupDriver>>;
    /// What it can do beyond what every runtime can.
    fn features(&self) -> Call<'_, RuntimeFeatures>;
    /// Which addresses its pods get from now on: a CIDR, or two of two families.
    fn set_pod_cidr<'a>(&'a self, cidr: &'a str) -> Call<'a, ()>;
}

/// A container runtime: all the roles together.
pub trait Runtime:
    Sandboxes + Containers + Images + Events + Health + Streams + Statistics
{
}

impl<T: Sandboxes + Containers + Images + Events + Health + Streams + Statistics> Runtime for T {}
