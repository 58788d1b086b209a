//! Labels and annotations on the runtime's objects, by which they are known again after a restart.
//!
//! The names are those every kubelet writes, so that crictl and log collectors find them.

#![deny(clippy::disallowed_methods)]

/// The pod's name.
pub(crate) const POD_NAME: &str = "io.kubernetes.pod.name";
/// The pod's namespace.
pub(crate) const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// The pod's UID.
pub(crate) const POD_UID: &str = "io.kubernetes.pod.uid";
/// The container's name in its pod.
pub(crate) const CONTAINER_NAME: &str = "io.kubernetes.container.name";

/// Annotation: the hash of what the container was made from.
pub(crate) const CONTAINER_HASH: &str = "io.kubernetes.container.hash";
/// Annotation: the size that the container was made with, as JSON.
pub(crate) const CONTAINER_SIZE: &str = "io.podling.container.size";
/// Annotation: how many containers of this name the pod had before.
pub(crate) const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
/// Annotation: the file in the container that holds its last words.
pub(crate) const TERMINATION_MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
/// Annotation: what stands in for that file when it is empty.
pub(crate) const TERMINATION_MESSAGE_POLICY: &str =
    "io.kubernetes.container.terminationMessagePolicy";
/// Annotation: the hook before the container's end, as JSON.
pub(crate) const PRE_STOP_HANDLER: &str = "io.kubernetes.container.preStopHandler";
/// Annotation: the ports the container listens on, as JSON.
pub(crate) const CONTAINER_PORTS: &str = "io.kubernetes.container.ports";
/// Annotation: seconds the pod's containers may take to end.
pub(crate) const TERMINATION_GRACE_PERIOD: &str = "io.kubernetes.pod.terminationGracePeriod";
