//! From Kubernetes' pod to ours, with everything that is wrong with it.
//!
//! Converting and validating are one walk: what cannot be converted is a problem, and the walk goes
//! on to find the others. A pod without problems is converted as a whole.
#![deny(clippy::disallowed_methods)]

mod container;
mod csi;
mod device;
mod environment;
mod ephemeral;
mod files;
mod hook;
mod in_tree;
mod network;
mod object;
mod persistent;
mod placement;
mod pod;
mod probe;
mod references;
mod resize;
mod resources;
mod restart;
mod security;
mod trust;
mod volume;
mod whole;

#[cfg(test)]
mod tests;

use k8s_openapi::api::core::v1 as core;

use crate::model::{EphemeralContainer, PodSpec};

pub use hook::read_hook;
pub(super) use resources::read_overhead;
pub(crate) use resources::read_requirements;

use super::Problem;
use super::problem::Problems;

pub(super) use object::object;
pub use object::read_object;

/// The spec of a defaulted static pod, or all that is wrong with the pod.
pub fn convert(pod: &core::Pod) -> Result<PodSpec, Vec<Problem>> {
    convert_beside(pod, references::refuse_of_static)
}

/// The spec of a pod of an API server, or all that is wrong with the pod.
pub fn convert_of_api(pod: &core::Pod) -> Result<PodSpec, Vec<Problem>> {
    let mut spec = convert_beside(pod, references::refuse_of_api)?;
    spec.ephemeral_containers = convert_ephemeral(pod)?;
    Ok(spec)
}

fn convert_beside(
    pod: &core::Pod,
    refuse: impl FnOnce(&core::PodSpec, &mut Problems),
) -> Result<PodSpec, Vec<Problem>> {
    let mut problems = Problems::default();
    refuse(&pod.spec.clone().unwrap_or_default(), &mut problems);
    let spec = pod::pod(pod, &mut problems);
    problems.none().map(|()| spec)
}

/// The ephemeral containers of a pod, or all that is wrong with them.
pub(crate) fn convert_ephemeral(pod: &core::Pod) -> Result<Vec<EphemeralContainer>, Vec<Problem>> {
    let mut problems = Problems::default();
    let spec = pod.spec.clone().unwrap_or_default();
    let containers = ephemeral::containers(&spec, &mut problems);
    if problems.0.is_empty() {
        Ok(containers)
    } else {
        Err(problems.0)
    }
}
