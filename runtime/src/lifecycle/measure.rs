//! Where what pods use is counted.

use std::collections::HashMap;
use std::sync::Arc;

use super::pod::PodSnapshot;
use super::{Lifecycle, paths};
use crate::cgroup::CgroupPath;
use crate::model::config::NamespaceMode;
use crate::model::{ContainerRecord, ContainerState, SandboxRecord};
use crate::snapshot;
use crate::stats::{ContainerTarget, PodTarget, Whole};

/// Whether pods are measured as wholes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Their containers alone.
    Containers,
    /// The pods, with their containers.
    Pods,
}

impl Lifecycle {
    /// What is to be measured of these pods, in their order.
    pub fn targets(
        &self,
        pods: &[Arc<PodSnapshot>],
        scope: Scope,
        is_wanted: impl Fn(&ContainerRecord) -> bool,
    ) -> Vec<PodTarget> {
        let every = self.pods();
        let parents = match scope {
            Scope::Containers => HashMap::new(),
            Scope::Pods => pods_of_parents(&every),
        };
        let target = |pod: &Arc<PodSnapshot>| PodTarget {
            whole: match scope {
                Scope::Containers => Whole::Unasked,
                Scope::Pods => self.whole(&pod.sandbox, &parents),
            },
            pause_pid: match scope {
                Scope::Containers => None,
                Scope::Pods => own_network(pod),
            },
            containers: pod
                .containers
                .values()
                .filter(|container| is_wanted(container))
                .map(|container| self.target(&pod.sandbox, container))
                .collect(),
        };
        pods.iter().map(target).collect()
    }

    fn whole(&self, sandbox: &SandboxRecord, parents: &HashMap<&str, usize>) -> Whole {
        let parent = sandbox.config.cgroup_parent.as_str();
        let own = (parents.get(parent) == Some(&1))
            .then(|| paths::client_cgroup(parent))
            .flatten();
        match (own, self.cgroup(sandbox, sandbox.id.as_str())) {
            (Some(own), _) => Whole::Cgroup(own),
            (None, Some(pause)) => Whole::Parts(pause),
            (None, None) => Whole::Unasked,
        }
    }

    fn target(&self, sandbox: &SandboxRecord, container: &ContainerRecord) -> ContainerTarget {
        let directory = self.parts().layout.container_dir(&container.id);
        let (started_at, pid) = match container.state {
            ContainerState::Running { started_at, pid } => (started_at, Some(pid)),
            _ => (0, None),
        };
        ContainerTarget {
            id: container.id.clone(),
            cgroup: pid.and_then(|_| self.cgroup(sandbox, container.id.as_str())),
            started_at,
            pid,
            layer: snapshot::overlay(&[], &directory).upper,
        }
    }

    /// The cgroup of a sandbox, or of a container in it.
    pub fn cgroup(&self, sandbox: &SandboxRecord, name: &str) -> Option<CgroupPath> {
        // A parent that is none was refused when the sandbox was made.
        paths::cgroup(self.parts(), sandbox, name).ok()
    }
}

/// How many pods have their cgroups below each parent. A parent of one pod alone is that pod's own
/// cgroup, made by its client; several tries of one pod share it.
fn pods_of_parents(pods: &[Arc<PodSnapshot>]) -> HashMap<&str, usize> {
    let mut uids: HashMap<&str, Vec<&str>> = HashMap::new();
    for pod in pods {
        let config = &pod.sandbox.config;
        let known = uids.entry(config.cgroup_parent.as_str()).or_default();
        if !known.contains(&config.metadata.uid.as_str()) {
            known.push(&config.metadata.uid);
        }
    }
    // Without a parent of its client's a pod is below the runtime's, which is everybody's.
    uids.remove("");
    uids.into_iter()
        .map(|(parent, uids)| (parent, uids.len()))
        .collect()
}

/// Pid of pause, unless the pod is on the host's network.
fn own_network(pod: &PodSnapshot) -> Option<i32> {
    let network = &pod.sandbox.config.security.namespaces.network;
    pod.pause_pid().filter(|_| *network != NamespaceMode::Node)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{SandboxConfig, SandboxId, SandboxState};

    fn pod(fill: u8, uid: &str, parent: &str) -> Arc<PodSnapshot> {
        let mut config = SandboxConfig {
            cgroup_parent: parent.to_owned(),
            ..Default::default()
        };
        config.metadata.uid = uid.to_owned();
        Arc::new(PodSnapshot {
            sandbox: SandboxRecord {
                state: SandboxState::Stopped,
                ..SandboxRecord::reserved(SandboxId::from_random([fill; 32]), config)
            },
            containers: BTreeMap::new(),
        })
    }

    #[test]
    fn a_parent_is_a_path_or_a_slice() {
        let at = |parent: &str| Some(paths::client_cgroup(parent)?.to_string());
        assert_eq!(at("/kubepods/poda/").as_deref(), Some("/kubepods/poda"));
        assert_eq!(
            at("kubepods-poda.slice").as_deref(),
            Some("/kubepods.slice/kubepods-poda.slice")
        );
        assert_eq!(at(""), None);
        assert_eq!(at("/"), None);
    }

    #[test]
    fn a_parent_is_a_pods_own_when_no_other_pod_has_it() {
        let pods = [
            pod(1, "a", "/kubepods/poda"),
            pod(2, "a", "/kubepods/poda"),
            pod(3, "b", "/shared"),
            pod(4, "c", "/shared"),
            pod(5, "d", ""),
        ];
        let parents = pods_of_parents(&pods);
        assert_eq!(parents.get("/kubepods/poda"), Some(&1));
        assert_eq!(parents.get("/shared"), Some(&2));
        assert_eq!(parents.get(""), None);
    }
}
