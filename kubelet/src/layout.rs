//! Where the kubelet keeps what on disk: paths only, pure.
//!
//! ```text
//! <root>/allocated_pods_state                                  sizes that containers shall have by now
//! <root>/pods/<uid>/etc-hosts
//! <root>/pods/<uid>/ephemeral.json                             containers that were added to it
//! <root>/pods/<uid>/probes.json                                verdicts of its probes
//! <root>/pods/<uid>/sizes.json                                 sizes that its containers were given later
//! <root>/pods/<uid>/containers/<container>/<random>            termination message
//! <root>/pods/<uid>/volumes/kubernetes.io~empty-dir/<volume>
//! <root>/pods/<uid>/volumes/kubernetes.io~csi/<volume>         of a driver, with what is recorded of it
//! <root>/plugins/kubernetes.io/csi/<driver>/<hash>             the same of all pods
//! <root>/pods/<uid>/volume-subpaths/<volume>/<container>/<n>
//! <pod logs>/<namespace>_<name>_<uid>/<container>/<restart count>.log
//! <log links>/<name>_<namespace>_<container>-<id>.log          leads there
//! ```

#![deny(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use crate::model::{ContainerName, PodName, PodUid};

/// The directories below which everything is.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    pod_logs: PathBuf,
    log_links: Option<PathBuf>,
}

impl Layout {
    /// A layout below these directories.
    pub fn new(root: &Path, pod_logs: &Path) -> Self {
        Self {
            root: root.to_owned(),
            pod_logs: pod_logs.to_owned(),
            log_links: None,
        }
    }

    /// The same with links to containers' logs in a directory.
    #[must_use]
    pub fn with_log_links(self, directory: &Path) -> Self {
        Self {
            log_links: Some(directory.to_owned()),
            ..self
        }
    }

    /// The directory of links to containers' logs, if there shall be some.
    pub fn log_links(&self) -> Option<&Path> {
        self.log_links.as_deref()
    }

    /// The directory of all pods.
    pub fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// Everything of one pod but its logs.
    pub fn pod(&self, uid: &PodUid) -> PathBuf {
        self.pods().join(uid.as_str())
    }

    /// The pod's /etc/hosts.
    pub fn etc_hosts(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("etc-hosts")
    }

    /// The verdicts of a pod's probes.
    pub fn probe_results(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("probes.json")
    }

    /// The sizes that a pod's containers were given after they were made.
    pub fn sizes(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("sizes.json")
    }

    /// What pods have been given, by upstream's name.
    pub fn allocated(&self) -> PathBuf {
        self.root.join("allocated_pods_state")
    }

    /// The containers that were added to a pod while it runs.
    pub fn ephemeral_containers(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("ephemeral.json")
    }

    /// The directory of a container's termination messages.
    pub fn container(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod(uid).join("containers").join(container.as_str())
    }

    /// What plugins keep, and what is kept of them.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// The directory of a pod's volumes.
    pub fn volumes(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("volumes")
    }

    /// An emptyDir.
    pub fn empty_dir(&self, uid: &PodUid, volume: &str) -> PathBuf {
        self.volumes(uid)
            .join("kubernetes.io~empty-dir")
            .join(volume)
    }

    /// Seccomp profiles that pods may name.
    pub fn seccomp_profiles(&self) -> PathBuf {
        self.root.join("seccomp")
    }

    /// The directory of all pods' logs.
    pub fn pod_logs(&self) -> &Path {
        &self.pod_logs
    }

    /// The log directory of one pod.
    pub fn pod_log(&self, name: &PodName, uid: &PodUid) -> PathBuf {
        self.pod_logs
            .join(format!("{}_{}_{uid}", name.namespace, name.name))
    }

    /// The log directory of one container.
    pub fn container_log(
        &self,
        name: &PodName,
        uid: &PodUid,
        container: &ContainerName,
    ) -> PathBuf {
        self.pod_log(name, uid).join(container.as_str())
    }
}

/// The log file of one try of a container, below its pod's log directory.
pub fn log_file(container: &ContainerName, restart_count: u32) -> String {
    format!("{container}/{restart_count}.log")
}
