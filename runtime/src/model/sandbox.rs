//! The record of one sandbox: what was asked, and how far it has come.
//!
//! ```text
//! Reserved ──► Networked ──► Ready ──► Stopped
//!     └────────────┴────────────┴───────►┘   (tear_down, from anywhere)
//! ```
//!
//! Each state is recorded before the step that it names is begun, so whatever exists on the machine
//! is at most one step ahead of the record and `lifecycle::tear_down` knows where to look.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::config::SandboxConfig;
use super::id::SandboxId;
use super::selinux::PodLabels;

/// One sandbox, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxRecord {
    /// Its id.
    pub id: SandboxId,
    /// The request it was made from.
    pub config: SandboxConfig,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// Kernel boot (`/proc/sys/kernel/random/boot_id`) in which it was made: after another boot
    /// nothing of it runs any more.
    pub boot_id: String,
    /// The cgroup below which its own and its containers' lie: a runtime that is started with another
    /// default finds them where they are. `None` in records of versions that did not write it.
    #[serde(default)]
    pub cgroup_parent: Option<String>,
    /// What its processes and files are to SELinux; the level is no other pod's. `None` without SELinux.
    #[serde(default)]
    pub selinux: Option<PodLabels>,
    /// How far it has come.
    pub state: SandboxState,
}

/// How far a sandbox has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxState {
    /// Its names are taken; a cgroup and a monitor may exist.
    Reserved,
    /// Addresses are given to it; a veth may exist.
    Networked {
        /// The pod's addresses, primary first; empty on the host network.
        ips: Vec<IpAddr>,
    },
    /// Pause runs and the network works.
    Ready {
        /// The pod's addresses, primary first; empty on the host network.
        ips: Vec<IpAddr>,
        /// Pid of pause on the host.
        pause_pid: i32,
    },
    /// Stopped, or found broken: nothing of it runs.
    Stopped,
}

impl SandboxRecord {
    /// A sandbox of which nothing exists yet; when and where it is made is still to be filled in.
    pub fn reserved(id: SandboxId, config: SandboxConfig) -> Self {
        Self {
            id,
            config,
            created_at: 0,
            boot_id: String::new(),
            cgroup_parent: None,
            selinux: None,
            state: SandboxState::Reserved,
        }
    }

    /// Whether containers can be made in it.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, SandboxState::Ready { .. })
    }

    /// Whether it was never made whole.
    pub fn is_unfinished(&self) -> bool {
        matches!(
            self.state,
            SandboxState::Reserved | SandboxState::Networked { .. }
        )
    }

    /// The pod's addresses, primary first; empty while there are none and on the host network.
    pub fn ips(&self) -> &[IpAddr] {
        match &self.state {
            SandboxState::Networked { ips } | SandboxState::Ready { ips, .. } => ips,
            SandboxState::Reserved | SandboxState::Stopped => &[],
        }
    }
}
