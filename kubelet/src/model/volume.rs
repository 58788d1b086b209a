//! Volumes of a pod and how containers mount them.

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
    /// A path inside the volume; never absolute, without `..`.
    pub sub_path: Option<String>,
    /// Writing is refused.
    pub read_only: bool,
}
