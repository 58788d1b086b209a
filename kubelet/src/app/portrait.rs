//! The node as it shows itself.

use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::{Kubelet, Settings};
use crate::event::EventLog;
use crate::evict::Standing;
use crate::execute::resolver_excess;
use crate::host;
use crate::model::{Event, EventKind};
use crate::node::{Identity, Portrait};
use crate::server::{Doors, Exhibits};
use crate::store::Objects;
use crate::summary::{Figures, VolumeGauge};
use crate::sync::{EventRecorder as _, Input, SystemClock};

/// What upstream says of such a machine.
const CGROUP_V1: &str = "cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future \
                         release. Please migrate to cgroup v2. More information at \
                         https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1";

/// What upstream says of a machine that swaps and cannot keep volumes in memory from it.
const ON_DISK: &str = "The tmpfs noswap option is not supported. Memory-backed volumes (e.g. secrets, emptyDirs, \
                       etc.) might be swapped to disk and should no longer be considered secure.";

/// Whether the machine swaps, by what it says of its swaps, and its kernel has no tmpfs that is kept from
/// them: older ones have not, and no user namespace but the first.
fn may_swap_volumes(swaps: &str, release: &str, users: &str) -> bool {
    const SINCE: [u32; 2] = [6, 4];
    let is_swapping = swaps.trim().lines().count() > 1;
    let mut numbers = release
        .split(|one: char| !one.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    let version = [(); 2].map(|()| numbers.next().unwrap_or(0));
    let is_first = users.split_whitespace().eq(["0", "0", "4294967295"]);
    is_swapping && !(is_first && version >= SINCE)
}

/// An event of why the kubelet does not begin. Nobody can ask it any more: it is read in the log.
pub(super) fn say_what_failed(settings: &Settings, error: &dyn Error) {
    let cause = error.source().map(|cause| format!(": {cause}"));
    let message = format!("{error}{}", cause.unwrap_or_default());
    let (node, kind) = (&settings.node_name, EventKind::Warning);
    let event = Event::of_node(node, kind, "KubeletSetupFailed", message);
    EventLog::new(Arc::new(SystemClock)).record(event);
}

impl Kubelet {
    /// Events of what of the machine is not as it should be.
    pub(super) fn warn_of_machine(&self) {
        let warn = |reason, message| {
            let node = &self.settings.node_name;
            let event = Event::of_node(node, EventKind::Warning, reason, message);
            self.events.record(event);
        };
        if host::cgroup_version() == 1 {
            warn("CgroupV1", CGROUP_V1.to_owned());
        }
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let [swaps, release, users] = [
            "/proc/swaps",
            "/proc/sys/kernel/osrelease",
            "/proc/self/uid_map",
        ]
        .map(read);
        if may_swap_volumes(&swaps, &release, &users) {
            warn("PossibleMemoryBackedVolumesOnDisk", ON_DISK.to_owned());
        }
        let file = &self.settings.resolv_conf;
        if file.as_os_str().is_empty() {
            return;
        }
        let trouble = match std::fs::read_to_string(file) {
            Err(error) => Some(format!("open {}: {error}", file.display())),
            Ok(text) => {
                let file = file.display().to_string();
                let is_in_cluster = !self.settings.pods.cluster_domain.is_empty();
                resolver_excess(&file, &text, usize::from(is_in_cluster) * 3)
            }
        };
        if let Some(trouble) = trouble {
            warn("CheckLimitsForResolvConf", trouble);
        }
    }

    /// What the server shows.
    pub(super) fn exhibits(
        &self,
        (portrait, objects): (Arc<Portrait>, Arc<dyn Objects>),
        inbox: mpsc::Sender<Input>,
    ) -> Exhibits {
        Exhibits {
            pods: Arc::clone(&self.pods),
            events: Arc::clone(&self.events),
            metrics: self.metrics.clone(),
            pulse: self.pulse.clone(),
            layout: self.layout.clone(),
            runtime: Arc::clone(&self.runtime),
            configuration: Arc::clone(&self.settings.configuration),
            figures: Arc::new(
                Figures::new(
                    Arc::clone(&self.runtime),
                    self.layout.clone(),
                    &self.settings.root,
                    &self.settings.node_name,
                )
                .with_volumes(self.volume_gauge(objects)),
            ),
            portrait,
            additions: Arc::clone(&self.additions),
            system_logs: self.settings.system_logs.clone(),
            inbox,
        }
    }

    /// The node, with the port that was got.
    pub(super) fn portrait(&self, doors: &Doors) -> Arc<Portrait> {
        let port = doors.addresses()[0].map(|address| address.port());
        let identity = identity(
            &self.settings,
            (port, self.standing.subscribe()),
            self.addresses.subscribe(),
        );
        let (runtime, pulse) = (Arc::clone(&self.runtime), self.pulse.clone());
        let devices = Arc::clone(&self.devices);
        Arc::new(Portrait::new(identity, runtime, pulse, devices))
    }
}

impl Kubelet {
    /// Who measures volumes, if that is wanted.
    pub(super) fn volume_gauge(&self, objects: Arc<dyn Objects>) -> Option<VolumeGauge> {
        let pods = Arc::clone(&self.pods);
        Some(VolumeGauge {
            layout: self.layout.clone(),
            objects,
            csi: self.csi.clone(),
            roll: Arc::new(move || pods.all()),
            period: self.settings.volume_stats?,
            last: Mutex::default(),
        })
    }
}

/// What of the node does not change while the kubelet runs.
pub(super) fn identity(
    settings: &Settings,
    (port, standing): (Option<u16>, watch::Receiver<Standing>),
    addresses: watch::Receiver<Vec<IpAddr>>,
) -> Identity {
    Identity {
        standing,
        name: settings.node_name.clone(),
        addresses,
        root: settings.root.clone(),
        labels: settings.node_labels.clone(),
        port,
        reserve: settings.reserve.clone(),
        most_images: settings.most_images,
        declared: settings.declared_features.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_in_memory_are_kept_from_swaps_by_new_kernels_and_for_the_first_users_alone() {
        let none = "Filename\tType\tSize\tUsed\tPriority\n";
        let one = format!("{none}/dev/vda2\tpartition\t1\t0\t-2\n");
        let (all, some) = ("         0          0 4294967295\n", "0 1000 65536\n");
        for (swaps, release, users, expected) in [
            (none, "5.10.0", some, false),
            ("", "5.10.0", all, false),
            (&one, "6.4.0-1-amd64", all, false),
            (&one, "6.18.2", all, false),
            (&one, "7.0", all, false),
            (&one, "6.3.9", all, true),
            (&one, "5.15.0", all, true),
            (&one, "6.18.2", some, true),
        ] {
            assert_eq!(
                may_swap_volumes(swaps, release, users),
                expected,
                "{release}"
            );
        }
    }
}
