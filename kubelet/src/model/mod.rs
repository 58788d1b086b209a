//! What the kubelet thinks in: pods as it uses them, what a runtime shows of them, and plans.
//!
//! ```text
//! manifest ──source──► Pod ──┐
//!                            ├──plan──► PodActions ──execute──► runtime
//! runtime ──pleg──► PodObservation ──┘        └──status──► PodStatus
//! ```
//!
//! Everything here is data without behaviour of its own: no clock, no file, no runtime.
#![deny(clippy::disallowed_methods)]

mod action;
mod cgroup_driver;
mod change;
mod container;
mod csi;
mod demise;
mod duration;
mod environment;
mod event;
mod failure;
mod hook;
mod id;
mod image_name;
mod in_tree;
mod object;
mod observation;
mod persistent;
mod placement;
mod pod;
mod probe;
mod quantity;
mod reference;
mod resize;
mod scalars;
mod security;
mod size;
mod trust;
mod volume;

pub use action::{
    Afterwards, ContainerRole, CreateSandbox, HeldBack, KillContainer, KillReason, PodActions,
    RemoveContainer, RemoveSandbox, ResizeContainer, ResizePod, ResizeWhole, SandboxReason,
    StartContainer, StartReason, StopReason, StopSandbox, TargetSandbox,
};
pub use cgroup_driver::CgroupDriver;
pub use change::PodChange;
pub use container::{
    Container, ContainerHash, ContainerPort, EphemeralContainer, ExitCodes, Protocol, PullPolicy,
    RestartAction, RestartRule, TerminationMessage, TerminationMessagePolicy,
};
pub use csi::{
    CsiDriver, CsiSource, DriverToken, FsGroupPolicy, InlineCsi, SecretName, VolumeLifecycle,
};
pub use demise::Demise;
pub use duration::in_words;
pub use environment::{
    Amount, EnvFrom, EnvValue, EnvVar, FileKey, KeyReference, NodeResource, ResourceField,
};
pub use event::{Event, EventKind};
pub use failure::{BEYOND_VOLUME_LIMIT, FailureReason, PodFailure, StartFailure, SyncReport};
pub use hook::{Hook, Lifecycle};
pub use id::{ContainerId, ContainerName, PodName, PodUid, SandboxId};
pub use image_name::{InvalidImageName, is_latest, repository, with_default_tag, written_name};
pub use in_tree::{InTree, Migrated};
pub use object::{
    ConfigMap, Object, ObjectKey, ObjectKind, ObjectNotFound, RuntimeClass, Secret, Token,
    TokenRequest,
};
pub use observation::{
    ContainerObservation, ContainerState, Exit, LinuxUser, PodObservation, SandboxObservation,
    SandboxState, Told,
};
pub use persistent::{
    AccessMode, ClaimName, LabelRequirement, LabelSelector, PersistentSource, PersistentVolume,
    PersistentVolumeClaim, VolumeMode,
};
pub use placement::{
    NodeOperator, NodeRequirement, NodeTerm, Placement, SYSTEM_CRITICAL_PRIORITY, priority_of,
};
pub use pod::{
    DnsConfig, DnsOption, DnsPolicy, HostAlias, Namespaces, NetworkMode, PidMode, Pod, PodOrigin,
    PodSource, PodSpec, RestartPolicy, StringMap, UserMode,
};
pub use probe::{
    HttpGet, HttpHeader, PortRef, Probe, ProbeAction, ProbeKind, ProbeOutcome, ProbeResults,
    Probes, Scheme, Target, UnknownPort, Verdict,
};
pub use quantity::{InvalidQuantity, Quantity, Requirements, ResourceList};
pub use resize::{OngoingResize, PendingResize, Prospect, Resize};
pub use scalars::{EPHEMERAL_STORAGE, Overhead, Scalars, huge_page_size, is_extended_resource};
pub use security::{
    AppArmorProfile, Capabilities, ContainerSecurity, FsGroupChange, PodSecurity, ProcMount,
    SeccompProfile, SecurityIdentity, SelinuxOptions, SupplementalGroupsPolicy, Sysctl,
};
pub use size::{OnResize, Range, ResizePolicy, Size};
pub use trust::{CertificateWish, PodCertificate, TrustBundle, TrustBundles, TrustWish};
pub use volume::{
    CertificatePaths, DownwardFile, DownwardValue, Files, FilesKind, FilesSource, HostPathKind,
    KeyToPath, Medium, MountPropagation, ObjectReference, RecursiveReadOnly, Volume, VolumeDevice,
    VolumeMount, VolumePath, VolumeSource,
};
