//! What the executor must know of the node.

use std::net::IpAddr;
use std::path::PathBuf;

use super::users::IdPool;
use crate::model::SeccompProfile;
use crate::resource::Shape;

/// Facts of the node that pods see.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its addresses, the primary first.
    pub ips: Vec<IpAddr>,
    /// Bytes of memory it has.
    pub memory_capacity: u64,
    /// What it has for pods.
    pub allocatable: Allocatable,
    /// What holds for its pods.
    pub pods: PodSettings,
    /// The resolv.conf that pods inherit.
    pub resolv_conf: PathBuf,
    /// The hosts file that pods of the host's network see.
    pub hosts_file: PathBuf,
    /// Whether files and processes have labels of SELinux.
    pub has_selinux: bool,
}

/// What a node has for pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocatable {
    /// Thousandths of CPUs.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes on the node's own disk.
    pub ephemeral_storage_bytes: u64,
}

/// What holds for the pods of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSettings {
    /// The seccomp profile of containers that ask for none (`seccompDefault`).
    pub default_seccomp: SeccompProfile,
    /// Kernel parameters beyond the safe ones that pods may set; `*` at the end stands for any rest.
    pub allowed_unsafe_sysctls: Vec<String>,
    /// The cluster's nameservers; none on a node without a cluster.
    pub cluster_dns: Vec<IpAddr>,
    /// The domain below which the cluster's names are; may be empty.
    pub cluster_domain: String,
    /// What of their containers' resources the node decides.
    pub shape: Shape,
    /// The ids for pods with users of their own (`userNamespaces.idsPerPod`).
    pub user_ids: IdPool,
}

impl Default for PodSettings {
    fn default() -> Self {
        Self {
            default_seccomp: SeccompProfile::Unconfined,
            allowed_unsafe_sysctls: Vec::new(),
            cluster_dns: Vec::new(),
            cluster_domain: String::new(),
            shape: Shape::default(),
            user_ids: IdPool::default(),
        }
    }
}
