//! Volumes of a pod and how containers mount them.

use std::sync::Arc;

use super::{
    CertificateWish, InlineCsi, ObjectKind, PersistentVolume, PullPolicy, ResourceField,
    TokenRequest, TrustWish,
};

/// A volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name, unique in the pod.
    pub name: String,
    /// What it is.
    pub source: VolumeSource,
}

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A directory that lives as long as the pod.
    EmptyDir {
        /// What it is made of.
        medium: Medium,
        /// How much it may hold, in bytes.
        size_limit: Option<u64>,
    },
    /// A path of the host.
    HostPath {
        /// Which.
        path: String,
        /// What must be there.
        kind: HostPathKind,
    },
    /// Files that follow ConfigMaps, Secrets and the pod's own fields.
    Files(Files),
    /// The files of an image, which the runtime mounts.
    Image {
        /// The image reference, as written.
        reference: String,
        /// When the image is pulled.
        pull_policy: PullPolicy,
    },
    /// Room that outlives the pod.
    Claim {
        /// The claim's name.
        name: String,
        /// Writing is refused.
        read_only: bool,
        /// Whether it was made for the pod, and goes with it.
        is_own: bool,
    },
    /// A volume of a driver that lives as long as the pod.
    Csi(Box<InlineCsi>),
    /// A volume of a plugin of old, as the persistent volume of a driver; nobody has claimed it.
    InTree {
        /// What it is.
        volume: Arc<PersistentVolume>,
        /// Writing is refused.
        read_only: bool,
    },
    /// A kind of volume this kubelet does not make yet: mounting it fails and says so.
    NotHandled {
        /// The manifest's name of the kind, for instance `nfs`.
        kind: String,
    },
}

/// What an emptyDir is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Medium {
    /// The node's disk.
    #[default]
    Disk,
    /// A tmpfs.
    Memory,
    /// A hugetlbfs.
    HugePages {
        /// Bytes of a page.
        page: u64,
    },
}

/// Files that the kubelet writes and containers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// What the manifest calls the volume.
    pub kind: FilesKind,
    /// The mode of files that have none of their own.
    pub default_mode: u32,
    /// Where they come from.
    pub sources: Vec<FilesSource>,
}

/// What a manifest calls a volume of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilesKind {
    /// `configMap`.
    ConfigMap,
    /// `secret`.
    Secret,
    /// `downwardAPI`.
    DownwardApi,
    /// `projected`: several of the others.
    Projected,
}

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesSource {
    /// A ConfigMap or a Secret.
    Object(ObjectReference),
    /// Fields of the pod.
    Downward(Vec<DownwardFile>),
    /// What shows the pod's service account to others.
    Token {
        /// Which.
        request: TokenRequest,
        /// The file inside the volume.
        path: String,
    },
    /// Whom to trust.
    Trust {
        /// Which authorities.
        wish: TrustWish,
        /// Whether there may be none.
        optional: bool,
        /// The file inside the volume.
        path: String,
    },
    /// A certificate of the pod's own, and its key.
    Certificate {
        /// Which.
        wish: CertificateWish,
        /// The files inside the volume.
        paths: CertificatePaths,
    },
}

/// The files that a certificate becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificatePaths {
    /// The key and after it the chain.
    pub bundle: Option<String>,
    /// The key alone.
    pub key: Option<String>,
    /// The chain alone.
    pub chain: Option<String>,
}

/// A ConfigMap or a Secret of the pod's namespace, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectReference {
    /// Which of the two.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Which keys become which files; none: all, each a file of its name.
    pub items: Vec<KeyToPath>,
    /// Whether the object or a key may be missing.
    pub optional: bool,
}

/// A key that becomes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyToPath {
    /// The key.
    pub key: String,
    /// The file inside the volume.
    pub path: String,
    /// Its mode, if it has one of its own.
    pub mode: Option<u32>,
}

/// A field of the pod that becomes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownwardFile {
    /// The file inside the volume.
    pub path: String,
    /// Its mode, if it has one of its own.
    pub mode: Option<u32>,
    /// What is in it.
    pub value: DownwardValue,
}

/// What is in a file about the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownwardValue {
    /// A field, for instance `metadata.labels`.
    Field(String),
    /// What a container asks for or may use.
    Resource(ResourceField),
}

/// What must be at a host path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostPathKind {
    /// Nothing is checked.
    #[default]
    Unchecked,
    /// A directory, made when missing (0755, root).
    DirectoryOrCreate,
    /// A directory.
    Directory,
    /// A file, made empty when missing (0644, root).
    FileOrCreate,
    /// A file.
    File,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// A volume as one container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// The volume's name.
    pub volume: String,
    /// Where in the container; relative paths start at its root.
    pub path: String,
    /// What of the volume is seen, if not all.
    pub sub_path: Option<VolumePath>,
    /// Writing is refused.
    pub read_only: bool,
    /// Whether it is refused on what is mounted below, too.
    pub recursive_read_only: RecursiveReadOnly,
    /// Which way later mounts are seen.
    pub propagation: MountPropagation,
}

/// A volume as one container sees it as a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeDevice {
    /// The volume's name.
    pub volume: String,
    /// Where in the container.
    pub path: String,
}

/// A path inside a volume; never absolute, without `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumePath {
    /// As it is.
    Literal(String),
    /// With `$(VAR)` of the container's environment, not yet expanded.
    Expression(String),
}

/// Whether writing is refused on what is mounted below a read-only mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecursiveReadOnly {
    /// It is not.
    #[default]
    Disabled,
    /// It is where the runtime can.
    IfPossible,
    /// It is, and a runtime that cannot is refused.
    Enabled,
}

/// Which way later mounts are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MountPropagation {
    /// Neither.
    #[default]
    None,
    /// From the host in the container.
    HostToContainer,
    /// Both ways.
    Bidirectional,
}
