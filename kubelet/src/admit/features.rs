//! Features that a pod needs and that its node has to declare.

use super::{NodeFacts, Refusal};
use crate::model::{Pod, RestartAction};

/// What restarts all containers of a pod when one of them ends.
const RESTART_ALL: &str = "RestartAllContainersOnContainerExits";

/// Refuses a pod that needs what the node does not declare; a node that declares nothing at all, because the
/// gate for it is closed, is not asked.
pub(super) fn refusal(pod: &Pod, node: &NodeFacts) -> Option<Refusal> {
    let declared = node.declared.as_ref()?;
    let needed = needed(pod);
    let missing: Vec<_> = needed.filter(|name| !declared.contains(name)).collect();
    (!missing.is_empty()).then(|| {
        let missing = missing.join(", ");
        let message = format!("Pod requires node features that are not available: {missing}");
        Refusal::new("PodFeatureUnsupported", message)
    })
}

/// In order. Users of its own in the network of the host, which upstream knows here too, no pod has that is
/// taken at all.
fn needed(pod: &Pod) -> impl Iterator<Item = &'static str> {
    let spec = &pod.spec;
    let mut rules = spec
        .containers
        .iter()
        .chain(&spec.init_containers)
        .flat_map(|one| &one.restart_rules);
    let restarts_all = rules.any(|rule| rule.action == RestartAction::RestartAllContainers);
    restarts_all.then_some(RESTART_ALL).into_iter()
}
