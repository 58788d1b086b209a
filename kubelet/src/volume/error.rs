//! Why volumes could not be made or taken away, in upstream's words.

use std::path::PathBuf;

/// Why a volume could not be made, or taken away.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The directory of an emptyDir could not be made or mounted.
    #[error("MountVolume.SetUp failed for volume {volume:?} : cannot {attempt} {path}")]
    EmptyDir {
        /// The volume's name.
        volume: String,
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What the files of a volume are made from is not to be had.
    #[error("MountVolume.SetUp failed for volume {volume:?} : {problem}")]
    Missing {
        /// The volume's name.
        volume: String,
        /// What is missing.
        problem: String,
    },
    /// The files of a volume could not be written.
    #[error("MountVolume.SetUp failed for volume {volume:?} : cannot write to {path}")]
    Files {
        /// The volume's name.
        volume: String,
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A claim has no volume that could be mounted here.
    #[error(
        "Unable to attach or mount volumes: unmounted volumes=[{volume}], unattached volumes=[], \
         failed to process volumes=[{volume}]: {problem}"
    )]
    Unprocessed {
        /// The volume's name.
        volume: String,
        /// Why not.
        problem: String,
    },
    /// A volume is not attached to the node in time.
    #[error(
        "Unable to attach or mount volumes: unmounted volumes=[{volume}], unattached \
         volumes=[{volume}], failed to process volumes=[]: context deadline exceeded"
    )]
    Unattached {
        /// The pod's name for it.
        volume: String,
    },
    /// The node has as many volumes attached as it can have.
    #[error(
        "Node has reached its volume attachment limit, rejecting pod. unmounted volumes=[{volume}], \
         unattached volumes=[{volume}], failed to process volumes=[]: context deadline exceeded"
    )]
    BeyondLimit {
        /// The pod's name for it.
        volume: String,
    },
    /// Nobody may attach a volume here.
    #[error(
        "AttachVolume.Attach failed for volume {volume:?} : attaching volumes from the kubelet is not \
         supported"
    )]
    NotAttachable {
        /// The persistent volume's name.
        volume: String,
    },
    /// Another pod has a volume that only one may have.
    #[error(
        "MountVolume.SetUp failed for volume {volume:?} : volume uses the ReadWriteOncePod access \
         mode and is already in use by another pod"
    )]
    InUse {
        /// The persistent volume's name.
        volume: String,
    },
    /// A persistent volume cannot be used on this node.
    #[error("MountVolume.SetUp failed for volume {volume:?} : {problem}")]
    Persistent {
        /// The persistent volume's name.
        volume: String,
        /// Why not.
        problem: String,
    },
    /// A driver's volume is not mounted.
    #[error("{operation} failed for volume {volume:?} : {problem}")]
    Csi {
        /// What was attempted, in upstream's words.
        operation: &'static str,
        /// The persistent volume's name, or the pod's name for its own.
        volume: String,
        /// Why not.
        problem: String,
    },
    /// A driver's volume is mounted, and not as large as it shall be.
    #[error("{operation} failed while expanding volume for volume {volume:?} : {problem}")]
    Growing {
        /// What was attempted, in upstream's words.
        operation: &'static str,
        /// The persistent volume's name.
        volume: String,
        /// Why not.
        problem: String,
    },
    /// What is at a host path is not what the pod says.
    #[error(
        "MountVolume.SetUp failed for volume {volume:?} : \
         hostPath type check failed: {path} is not {expected}"
    )]
    WrongType {
        /// The volume's name.
        volume: String,
        /// The host path.
        path: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// A host path could not be looked at or made.
    #[error("MountVolume.SetUp failed for volume {volume:?} : cannot use host path {path}")]
    HostPath {
        /// The volume's name.
        volume: String,
        /// The host path.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A kind of volume that is not made here.
    #[error(
        "MountVolume.SetUp failed for volume {volume:?} : volumes of kind {kind} are not supported"
    )]
    NotHandled {
        /// The volume's name.
        volume: String,
        /// The manifest's name of the kind.
        kind: String,
    },
    /// The pod's directory could not be made.
    #[error("cannot make the pod's directory {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What a pod left behind could not be taken away.
    #[error("cannot remove {path}")]
    Remove {
        /// What was to be removed.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
