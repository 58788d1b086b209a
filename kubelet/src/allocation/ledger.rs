//! What every pod has been given: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};

use crate::model::{ContainerName, Pod, PodSpec, PodUid, Size};
use crate::source::read_requirements;

/// What one pod has been given, by upstream's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Allotment {
    /// Each container's.
    #[serde(rename = "ContainerResources", default)]
    pub containers: BTreeMap<String, core::ResourceRequirements>,
    /// The pod's own, which is not handled.
    #[serde(rename = "PodLevelResources", default)]
    pub pod: Option<core::ResourceRequirements>,
}

/// What every pod has been given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    entries: BTreeMap<PodUid, Allotment>,
}

impl Ledger {
    /// A ledger with these entries.
    pub fn of(entries: BTreeMap<PodUid, Allotment>) -> Self {
        Self { entries }
    }

    /// Its entries.
    pub fn entries(&self) -> &BTreeMap<PodUid, Allotment> {
        &self.entries
    }

    /// What containers of a pod have been given where that is not what its manifest says.
    pub fn differing(&self, pod: &Pod) -> BTreeMap<ContainerName, core::ResourceRequirements> {
        let Some(allotment) = self.entries.get(&pod.uid) else {
            return BTreeMap::new();
        };
        let written = written(pod);
        let differing = written.filter_map(|(name, wanted)| {
            let given = allotment.containers.get(name)?;
            (size(given)? != size(&wanted)?).then(|| (name.into(), given.clone()))
        });
        differing.collect()
    }

    /// Writes down what a pod is given now.
    pub fn give(&mut self, pod: &Pod) {
        let containers = written(pod).map(|(name, wanted)| {
            let given = pod.resize.allocated.get(&ContainerName::from(name));
            (name.to_owned(), given.cloned().unwrap_or(wanted))
        });
        let allotment = Allotment {
            containers: containers.collect(),
            pod: None,
        };
        self.entries.insert(pod.uid.clone(), allotment);
    }

    /// A pod is gone.
    pub fn forget(&mut self, uid: &PodUid) {
        self.entries.remove(uid);
    }

    /// All pods but these are gone.
    pub fn keep_only(&mut self, known: &BTreeSet<PodUid>) {
        self.entries.retain(|uid, _| known.contains(uid));
    }
}

/// The spec with what its containers have been given.
pub fn with_given(
    mut spec: PodSpec,
    given: &BTreeMap<ContainerName, core::ResourceRequirements>,
) -> PodSpec {
    let containers = spec.init_containers.iter_mut().chain(&mut spec.containers);
    for container in containers {
        let given = given.get(&container.name).and_then(read_requirements);
        if let Some(given) = given {
            container.resources = given;
        }
    }
    spec
}

/// The containers that can be resized, with what they ask for as it is written.
fn written(pod: &Pod) -> impl Iterator<Item = (&str, core::ResourceRequirements)> {
    let spec = pod.manifest.spec.as_ref();
    let containers = spec.into_iter().flat_map(|spec| {
        let init = spec.init_containers.iter().flatten();
        init.chain(&spec.containers)
    });
    containers.map(|one| {
        let resources = one.resources.clone().unwrap_or_default();
        (one.name.as_str(), resources)
    })
}

fn size(requirements: &core::ResourceRequirements) -> Option<Size> {
    read_requirements(requirements).map(|one| Size::of(&one))
}
