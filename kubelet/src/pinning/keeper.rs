//! Keeps containers that run on the CPUs that they shall be on.
//!
//! What a container was last given is remembered by its id, so one that is new to this kubelet is told
//! once, whatever it was made with: what it was made with may have changed while it was made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{CpuSet, Desk, Holder};
use crate::cri::{Container, ContainerPhase, Resources, Runtime, Scope};
use crate::labels;
use crate::model::ContainerId;
use crate::sync::Tenants;

/// Keeps containers that run on the CPUs that they shall be on.
pub struct Keeper {
    desk: Arc<Desk>,
    runtime: Arc<dyn Runtime>,
    tenants: watch::Receiver<Tenants>,
    period: Duration,
    given: BTreeMap<ContainerId, CpuSet>,
}

impl Keeper {
    /// A keeper that looks this often, and whenever something changes.
    pub fn new(
        desk: Arc<Desk>,
        runtime: Arc<dyn Runtime>,
        tenants: watch::Receiver<Tenants>,
        period: Duration,
    ) -> Self {
        Self {
            desk,
            runtime,
            tenants,
            period,
            given: BTreeMap::new(),
        }
    }

    /// Works until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.desk.changes();
        loop {
            self.desk.free_stale().await;
            self.look().await;
            // Each of these only says that it is time to look again.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changes.changed() => {}
                Ok(()) = self.tenants.changed() => {}
                () = tokio::time::sleep(self.period.max(Duration::from_millis(100))) => {}
            }
        }
    }

    /// Looks at every container once.
    pub(super) async fn look(&mut self) {
        let containers = match self.runtime.list_containers(Scope::All).await {
            Ok(containers) => containers,
            Err(error) => return warn!(%error, "cannot see which containers run"),
        };
        let running: BTreeMap<_, _> = containers
            .iter()
            .filter(|one| matches!(one.phase, ContainerPhase::Created | ContainerPhase::Running))
            .filter_map(|one| Some((one.id.clone(), holder(one)?)))
            .collect();
        self.given.retain(|id, _| running.contains_key(id));
        let known = self.tenants.borrow().holding.clone();
        for (id, holder) in running {
            if known.contains(&holder.pod) {
                self.keep(id, &holder).await;
            }
        }
    }

    async fn keep(&mut self, id: ContainerId, holder: &Holder) {
        let Some(cpus) = self.desk.usable(holder).filter(|cpus| !cpus.is_empty()) else {
            return;
        };
        if self.given.get(&id) == Some(&cpus) {
            return;
        }
        let resources = Resources {
            cpuset_cpus: cpus.to_string(),
            ..Resources::default()
        };
        match self.runtime.update_container(id.clone(), resources).await {
            Ok(()) => drop(self.given.insert(id, cpus)),
            Err(error) => {
                let (pod, container) = (&holder.pod, &holder.container);
                warn!(%error, %pod, container, %cpus, "cannot move a container to its CPUs");
            }
        }
    }
}

/// Whose a container is, if it is a pod's.
fn holder(container: &Container) -> Option<Holder> {
    let uid = container.labels.get(labels::POD_UID)?;
    let name = container.labels.get(labels::CONTAINER_NAME)?;
    Some(Holder {
        pod: uid.as_str().into(),
        container: name.clone(),
    })
}
