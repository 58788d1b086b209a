//! What every pod's owner works with.

use std::path::PathBuf;
use std::sync::Arc;

use podling_systemd::Systemd;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::Events;
use super::pods::Pods;
use crate::cgroup::{CgroupDriver, Cgroups};
use crate::handler::Handlers;
use crate::image::Images;
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::network::PodNetwork;
use crate::nri::Nri;
use crate::spec::HostFacts;
use crate::store::Store;

/// The programs that podling runs, all of the same build.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `podling-monitor`.
    pub monitor: PathBuf,
    /// `podling-launch`.
    pub launch: PathBuf,
    /// `pause`.
    pub pause: PathBuf,
}

/// Everything that the life of a pod needs, shared by the owners of all pods.
#[derive(Debug)]
pub struct Parts {
    /// Where things lie.
    pub layout: Layout,
    /// The programs to run.
    pub programs: Programs,
    /// Which boot of the kernel this is.
    pub boot_id: String,
    /// Facts of this machine.
    pub host: HostFacts,
    /// Who makes containers.
    pub handlers: Handlers,
    /// Records.
    pub store: Store,
    /// Images.
    pub images: Arc<Images>,
    /// Plugins that have a say.
    pub nri: Nri,
    /// The pod network.
    pub network: Arc<PodNetwork>,
    /// Cgroups.
    pub cgroups: Cgroups,
    /// Who makes those above the runtime's own.
    pub cgroup_driver: CgroupDriver,
    /// systemd, which is asked only where it is that, or was.
    pub systemd: Systemd,
    /// Cgroup below which pods go whose client names no parent.
    pub default_cgroup_parent: String,
    /// Who exists.
    pub pods: Pods,
    /// What is counted.
    pub metrics: Metrics,
    /// What happens.
    pub events: Events,
    /// Every task that owns a pod.
    pub tasks: TaskTracker,
    /// Cancelled when the runtime stops; pods go on without it.
    pub shutdown: CancellationToken,
}
