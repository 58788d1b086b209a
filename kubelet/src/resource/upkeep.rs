//! Keeps the cgroups above the pods as they should be, and removes those of pods that are gone.
//!
//! ```text
//! the pods that are in ─► groups (pure) ─► kubepods, burstable, besteffort: stated anew
//! the pods there are ───► who is not among them and has a cgroup ─► removed, when it is empty
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::groups::{GroupLimits, all_pods, classes, reserved};
use super::{Capacity, CgroupError, GroupSettings, PodCgroups, QosClass};
use crate::admit::NodeFacts;
use crate::causes::chain;
use crate::model::{Event, EventKind, PodUid};
use crate::sync::{EventRecorder, Tenants};

/// How often everything is stated even if nothing tells of a change.
const AGAIN: Duration = Duration::from_secs(60);

/// What the upkeep needs.
pub struct Parts {
    /// Where the cgroups are.
    pub cgroups: PodCgroups,
    /// What is configured of them.
    pub settings: GroupSettings,
    /// What the machine has.
    pub capacity: Capacity,
    /// The pods that are in.
    pub tenants: watch::Receiver<Tenants>,
    /// What the node has for pods.
    pub node: watch::Receiver<Arc<NodeFacts>>,
    /// Who is told what became of it.
    pub events: Arc<dyn EventRecorder>,
}

/// Keeps the cgroups above the pods.
pub struct Upkeep {
    parts: Parts,
    /// Whether the cgroup of all pods has its limits.
    enforcement: Enforcement,
    /// Whether what another kubelet left behind was looked for.
    looked: Looked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    NotYet,
    Once,
}

/// What was told of the cgroup of all pods.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Enforcement {
    Untold,
    Enforced,
    Failed,
}

impl Upkeep {
    /// Limits cgroups of others, which must be there.
    pub fn enforce_reserved(parts: &Parts) -> Result<(), CgroupError> {
        for (path, limits) in reserved(&parts.settings) {
            let limited = parts.cgroups.limit_existing(&path, &limits);
            limited.inspect_err(|error| {
                let message = format!("Failed to enforce limits on {path:?}: {}", chain(error));
                parts.tell(EventKind::Warning, message);
            })?;
            let message = format!("Updated limits on reserved cgroup {path}");
            parts.tell(EventKind::Normal, message);
        }
        Ok(())
    }

    /// Limits what is above the pods before any runs.
    pub fn begin(parts: Parts) -> Self {
        let mut upkeep = Self {
            parts,
            enforcement: Enforcement::Untold,
            looked: Looked::NotYet,
        };
        let all = all_pods(&upkeep.parts.settings, &upkeep.parts.capacity);
        let limited = upkeep.parts.cgroups.limit_all(&all);
        upkeep.enforced(limited.err().as_ref());
        upkeep
    }

    /// Works until `stop`.
    pub async fn keep(mut self, stop: CancellationToken) {
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Nothing is lost by stopping a wait.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = again.tick() => {
                    self.state().await;
                    self.sweep().await;
                }
                changed = self.parts.tenants.changed() => match changed {
                    Ok(()) => {
                        self.state().await;
                        if self.looked == Looked::NotYet {
                            self.sweep().await;
                        }
                    }
                    Err(_) => return,
                },
            }
        }
    }

    async fn state(&mut self) {
        let all = all_pods(&self.parts.settings, &self.parts.capacity);
        let groups = self.parts.classes();
        let cgroups = self.parts.cgroups.clone();
        let work = tokio::task::spawn_blocking(move || {
            let of_all = cgroups.limit_all(&all).err();
            let of_classes = groups
                .iter()
                .filter_map(|(class, limits)| limit_class(&cgroups, *class, limits).err());
            (of_all, of_classes.collect::<Vec<_>>())
        });
        let Ok((of_all, of_classes)) = work.await else {
            return;
        };
        self.enforced(of_all.as_ref());
        for error in of_classes {
            warn!(error = %chain(&error), "trying again later");
        }
    }

    /// Removes cgroups of pods that nobody knows of: a kubelet was killed while it cleaned up.
    async fn sweep(&mut self) {
        let (cgroups, tenants) = (self.parts.cgroups.clone(), self.parts.tenants.clone());
        let work = tokio::task::spawn_blocking(move || sweep(&cgroups, &tenants));
        if let Ok(looked) = work.await {
            self.looked = looked;
        }
    }

    /// Told once for each change: what is refused is tried again each minute.
    fn enforced(&mut self, error: Option<&CgroupError>) {
        let now = match error {
            None => Enforcement::Enforced,
            Some(_) => Enforcement::Failed,
        };
        if now == self.enforcement {
            return;
        }
        self.enforcement = now;
        match error {
            None => {
                let message = "Updated Node Allocatable limit across pods".to_owned();
                self.parts.tell(EventKind::Normal, message);
            }
            Some(error) => {
                // More memory may be in use than there shall be: eviction brings it down.
                let message = format!("Failed to update Node Allocatable Limits: {}", chain(error));
                self.parts.tell(EventKind::Warning, message);
            }
        }
    }
}

impl Parts {
    fn classes(&mut self) -> [(QosClass, GroupLimits); 2] {
        let tenants = self.tenants.borrow_and_update();
        let memory = self.node.borrow().allocatable.memory;
        let sizes: Vec<String> = self.capacity.huge_pages.keys().cloned().collect();
        let pods = tenants.inside.values().map(AsRef::as_ref);
        classes(pods, &self.settings, (memory, &sizes))
    }

    fn tell(&self, kind: EventKind, message: String) {
        let reason = match kind {
            EventKind::Normal => "NodeAllocatableEnforced",
            EventKind::Warning => "FailedNodeAllocatableEnforcement",
        };
        let node = self.node.borrow().name.clone();
        let event = Event::of_node(&node, kind, reason, message);
        self.events.record(event);
    }
}

/// Pods that have more memory than they shall get no more of it.
fn limit_class(
    cgroups: &PodCgroups,
    class: QosClass,
    limits: &GroupLimits,
) -> Result<(), CgroupError> {
    match cgroups.limit_class(class, limits) {
        Err(_) if limits.memory.is_some() => cgroups.stop_growth(class),
        limited => limited,
    }
}

fn sweep(cgroups: &PodCgroups, tenants: &watch::Receiver<Tenants>) -> Looked {
    let found = cgroups.pods();
    // Asked after the list was made: a pod is known before anything of it is.
    let known = tenants.borrow().known.clone();
    let Some(known) = known else {
        return Looked::NotYet;
    };
    for uid in found.difference(&known) {
        match cgroups.remove(uid) {
            Ok(()) => info!(%uid, "removed a cgroup that was left behind"),
            Err(error) => warn!(%uid, error = %chain(&error), "a cgroup is left behind"),
        }
    }
    Looked::Once
}

/// The pods that have a directory in one of these.
pub(super) fn pods_in(directories: impl Iterator<Item = PathBuf>) -> BTreeSet<PodUid> {
    let entries = directories.filter_map(|directory| std::fs::read_dir(directory).ok());
    let names = entries
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| Some(PodUid::from(name.strip_prefix("pod")?)))
        .collect()
}
