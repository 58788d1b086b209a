//! What the executor must know of the node.

use std::net::IpAddr;
use std::path::PathBuf;

/// Facts of the node that pods see.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its addresses, the primary first.
    pub ips: Vec<IpAddr>,
    /// Bytes of memory it has.
    pub memory_capacity: u64,
    /// The resolv.conf that pods inherit.
    pub resolv_conf: PathBuf,
    /// The hosts file that pods of the host's network see.
    pub hosts_file: PathBuf,
}
