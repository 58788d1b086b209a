//! Which ephemeral containers have not been started yet? Each is started once in its life.

use crate::model::{Container, Pod, PodObservation};

/// The ephemeral containers that the runtime has never seen.
pub(super) fn missing<'a>(
    pod: &'a Pod,
    observation: &'a PodObservation,
) -> impl Iterator<Item = &'a Container> {
    pod.spec
        .ephemeral_containers
        .iter()
        .map(|ephemeral| &ephemeral.container)
        .filter(|container| observation.newest(&container.name).is_none())
}
