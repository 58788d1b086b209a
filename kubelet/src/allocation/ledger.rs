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
    /// The pod's own, if it says something as a whole.
    #[serde(rename = "PodLevelResources", default)]
    pub pod: Option<core::ResourceRequirements>,
}

/// What a pod has been given where that is not what its manifest says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differing {
    /// Of its containers.
    pub containers: BTreeMap<ContainerName, core::ResourceRequirements>,
    /// As a whole; empty for nothing.
    pub whole: Option<core::ResourceRequirements>,
}

impl Differing {
    /// Whether it has been given what its manifest says.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.whole.is_none()
    }
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

    /// What a pod has been given where that is not what its manifest says.
    pub fn differing(&self, pod: &Pod) -> Differing {
        let Some(allotment) = self.entries.get(&pod.uid) else {
            return Differing::default();
        };
        let written = written(pod);
        let differing = written.filter_map(|(name, wanted)| {
            let given = allotment.containers.get(name)?;
            (size(given)? != size(&wanted)?).then(|| (name.into(), given.clone()))
        });
        let (given, wanted) = (allotment.pod.as_ref(), written_whole(pod));
        let is_other = whole_size(given) != whole_size(wanted);
        Differing {
            containers: differing.collect(),
            whole: is_other.then(|| given.cloned().unwrap_or_default()),
        }
    }

    /// Writes down what a pod is given now.
    pub fn give(&mut self, pod: &Pod) {
        let containers = written(pod).map(|(name, wanted)| {
            let given = pod.resize.allocated.get(&ContainerName::from(name));
            (name.to_owned(), given.cloned().unwrap_or(wanted))
        });
        let allotment = Allotment {
            containers: containers.collect(),
            pod: pod
                .resize
                .whole
                .as_ref()
                .or(written_whole(pod))
                .filter(|whole| **whole != core::ResourceRequirements::default())
                .cloned(),
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

/// The spec with what the pod has been given.
pub fn with_given(mut spec: PodSpec, given: &Differing) -> PodSpec {
    if let Some(whole) = given.whole.as_ref().and_then(read_requirements) {
        spec.resources = whole;
    }
    let containers = spec.init_containers.iter_mut().chain(&mut spec.containers);
    for container in containers {
        let given = given.containers.get(&container.name);
        let given = given.and_then(read_requirements);
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

/// What a pod asks for as a whole, as it is written.
fn written_whole(pod: &Pod) -> Option<&core::ResourceRequirements> {
    pod.manifest.spec.as_ref()?.resources.as_ref()
}

/// Nothing said is as nothing asked for.
fn whole_size(whole: Option<&core::ResourceRequirements>) -> Option<Size> {
    whole.map_or(Some(Size::default()), size)
}

fn size(requirements: &core::ResourceRequirements) -> Option<Size> {
    read_requirements(requirements).map(|one| Size::of(&one))
}
