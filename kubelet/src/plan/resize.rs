//! Which running containers have another size than they have been allotted?
//!
//! A container goes on at its new size, or is started again where its policy says so. Of those that
//! go on the ones that shrink come first: what they give up is there for the others. Init containers
//! that run are like the others. The pod as a whole changes with them, or alone.

use crate::model::{
    Container, ContainerObservation, ContainerState, OnResize, Pod, PodObservation,
    ResizeContainer, ResizePod, ResizeWhole, SandboxId, Size,
};

/// The changes of all containers of a pod that go on, if there are any.
pub(super) fn resize(
    pod: &Pod,
    observation: &PodObservation,
    sandbox: &SandboxId,
) -> Option<ResizePod> {
    let mut all = ResizePod::default();
    for (container, newest) in running(pod, observation, sandbox) {
        let Some((from, to)) = change(pod, container, newest) else {
            continue;
        };
        if restarts(container, &from, &to) {
            continue;
        }
        let one = ResizeContainer {
            id: newest.id.clone(),
            name: container.name.clone(),
            from,
            to,
        };
        if from.memory_bytes != to.memory_bytes {
            all.memory.push(one.clone());
        }
        if from.cpu_millis != to.cpu_millis {
            all.cpu.push(one);
        }
    }
    // Stable: containers stay in the order of the manifest otherwise.
    let grows = |one: &ResizeContainer| one.to.memory_bytes.is_more_than(&one.from.memory_bytes);
    all.memory.sort_by_key(grows);
    let grows = |one: &ResizeContainer| one.to.cpu_millis.is_more_than(&one.from.cpu_millis);
    all.cpu.sort_by_key(grows);
    all.whole = change_of_whole(pod, observation);
    (all != ResizePod::default()).then_some(all)
}

/// The size that the pod as a whole has and the one it shall have, if they differ. Where nothing was
/// written down it is given all of its size once that has changed.
fn change_of_whole(pod: &Pod, observation: &PodObservation) -> Option<ResizeWhole> {
    let to = Size::of(&pod.spec.resources);
    let unknown = || pod.resize.granted.map(|_| Size::default());
    let from = observation.size.or_else(unknown)?;
    (from != to).then_some(ResizeWhole { from, to })
}

/// Whether a running container has to be started again because of its size.
pub(super) fn requires_restart(
    pod: &Pod,
    container: &Container,
    newest: &ContainerObservation,
) -> bool {
    change(pod, container, newest).is_some_and(|(from, to)| restarts(container, &from, &to))
}

/// Whether the pod as a whole, or any running container of it, has another size than it shall have. One
/// that does not run gets it when it starts.
pub fn is_resizing(pod: &Pod, observation: &PodObservation) -> bool {
    let Some(sandbox) = observation.newest_sandbox() else {
        return false;
    };
    let mut running = running(pod, observation, &sandbox.id);
    change_of_whole(pod, observation).is_some()
        || running.any(|(container, newest)| change(pod, container, newest).is_some())
}

fn running<'a>(
    pod: &'a Pod,
    observation: &'a PodObservation,
    sandbox: &'a SandboxId,
) -> impl Iterator<Item = (&'a Container, &'a ContainerObservation)> {
    let containers = pod.spec.init_containers.iter();
    let containers = containers.chain(&pod.spec.containers);
    containers.filter_map(move |container| {
        let newest = observation.newest(&container.name)?;
        let is_running = matches!(newest.state, ContainerState::Running { .. });
        (is_running && newest.sandbox_id == *sandbox).then_some((container, newest))
    })
}

/// The size that a container has and the one it shall have, if they differ. Of one that somebody else
/// has made nothing is known: it is given all of its size once that has changed.
fn change(pod: &Pod, container: &Container, newest: &ContainerObservation) -> Option<(Size, Size)> {
    let to = pod.spec.size_of(container);
    let unknown = || pod.resize.granted.map(|_| Size::default());
    let from = newest.size.or_else(unknown)?;
    // Of one that was made by an earlier podling only its own size is known, until that changes.
    let is_own = from == Size::of(&container.resources) && pod.resize.granted.is_none();
    (from != to && !is_own).then_some((from, to))
}

fn restarts(container: &Container, from: &Size, to: &Size) -> bool {
    let policy = &container.resize;
    let restarts = |on: OnResize| on == OnResize::RestartContainer;
    (from.cpu_millis != to.cpu_millis && restarts(policy.cpu))
        || (from.memory_bytes != to.memory_bytes && restarts(policy.memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KillReason, Range, ResizePolicy, RestartPolicy, SandboxState, StartReason};
    use crate::plan::{CrashBackoff, LONGEST_BACKOFF, fixture};

    fn size(cpu: u64, memory: u64) -> Size {
        let range = |amount| Range {
            request: Some(amount),
            limit: Some(amount),
        };
        Size {
            cpu_millis: range(cpu),
            memory_bytes: range(memory),
        }
    }

    /// A pod whose containers shall have so much CPU and memory, and have had so much.
    fn stage(containers: &[(&str, Size, Size)]) -> (Pod, PodObservation) {
        let names: Vec<_> = containers.iter().map(|(name, ..)| *name).collect();
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &names);
        let mut seen = Vec::new();
        for (container, (name, shall, has)) in pod.spec.containers.iter_mut().zip(containers) {
            container.resources = shall.requirements();
            seen.push(ContainerObservation {
                size: Some(*has),
                ..fixture::made(name, 0, fixture::running())
            });
        }
        let sandbox = fixture::sandbox(0, SandboxState::Ready);
        (pod, fixture::seen(vec![sandbox], seen))
    }

    fn names(resizes: &[ResizeContainer]) -> Vec<String> {
        resizes.iter().map(|one| one.name.to_string()).collect()
    }

    fn plan(pod: &Pod, observation: &PodObservation) -> crate::model::PodActions {
        let backoff = CrashBackoff::new(LONGEST_BACKOFF);
        fixture::plan_for(pod, observation, fixture::at(100), &backoff)
    }

    #[test]
    fn containers_that_shrink_come_first_and_memory_before_cpu() {
        let (pod, observation) = stage(&[
            ("a", size(100, 20), size(100, 10)),
            ("b", size(200, 10), size(100, 10)),
            ("c", size(100, 10), size(300, 20)),
        ]);
        let found = plan(&pod, &observation).resize.unwrap();
        assert_eq!(names(&found.memory), ["c", "a"]);
        assert_eq!(names(&found.cpu), ["c", "b"]);
        assert!(is_resizing(&pod, &observation));
    }

    #[test]
    fn what_has_its_size_is_left_alone() {
        let (pod, observation) = stage(&[("a", size(100, 20), size(100, 20))]);
        assert!(plan(&pod, &observation).is_empty());
        assert!(!is_resizing(&pod, &observation));
    }

    #[test]
    fn a_container_whose_policy_asks_for_it_is_started_again_and_others_are_not() {
        let (mut pod, observation) = stage(&[
            ("a", size(100, 20), size(100, 10)),
            ("b", size(100, 20), size(50, 20)),
        ]);
        for container in &mut pod.spec.containers {
            container.resize = ResizePolicy {
                memory: OnResize::RestartContainer,
                ..ResizePolicy::default()
            };
        }
        let actions = plan(&pod, &observation);
        assert_eq!(actions.kill.len(), 1);
        assert_eq!(actions.kill[0].name, "a".into());
        assert_eq!(actions.kill[0].reason, KillReason::Resized);
        assert_eq!(actions.start.len(), 1);
        assert_eq!(actions.start[0].reason, StartReason::Resized);
        assert_eq!(names(&actions.resize.unwrap().cpu), ["b"]);
    }

    #[test]
    fn a_sidecar_is_resized_and_one_that_has_ended_is_not() {
        let (mut pod, mut observation) = stage(&[("a", size(100, 20), size(100, 20))]);
        let mut sidecar = fixture::sidecar("log");
        sidecar.resources = size(50, 5).requirements();
        pod.spec.init_containers = vec![sidecar];
        observation.containers.push(ContainerObservation {
            size: Some(size(10, 5)),
            ..fixture::made("log", 0, fixture::running())
        });
        assert_eq!(
            names(&plan(&pod, &observation).resize.unwrap().cpu),
            ["log"]
        );
        observation.containers[1].state = fixture::exited(0);
        assert!(!is_resizing(&pod, &observation));
    }

    #[test]
    fn a_pod_is_resized_as_a_whole_with_the_containers_that_its_limits_are_for() {
        let own = size(100, 20);
        let (mut pod, mut observation) = stage(&[("own", own, own), ("free", own, size(300, 30))]);
        pod.spec.containers[1].resources = crate::model::Requirements::default();
        observation.containers[1].size = Some(Size {
            cpu_millis: Range {
                request: None,
                limit: Some(300),
            },
            memory_bytes: Range {
                request: None,
                limit: Some(30),
            },
        });
        pod.spec.resources = size(400, 30).requirements();
        observation.size = Some(size(300, 30));
        let found = plan(&pod, &observation).resize.unwrap();
        let whole = found.whole.expect("it is another");
        assert_eq!((whole.from, whole.to), (size(300, 30), size(400, 30)));
        assert_eq!(
            names(&found.cpu),
            ["free"],
            "the other has a limit of its own"
        );
        assert!(found.memory.is_empty());
        assert!(is_resizing(&pod, &observation));

        // Where nothing was written down it is left alone until somebody has asked for another size.
        observation.size = None;
        observation.containers[1].size = Some(pod.spec.size_of(&pod.spec.containers[1]));
        assert!(!is_resizing(&pod, &observation));
        pod.resize.granted = Some(2);
        assert!(is_resizing(&pod, &observation));
    }

    #[test]
    fn a_container_of_unknown_size_is_given_all_of_it_once_that_has_changed() {
        let (mut pod, mut observation) = stage(&[("a", size(100, 20), size(100, 10))]);
        observation.containers[0].size = None;
        assert!(plan(&pod, &observation).is_empty());
        pod.resize.granted = Some(2);
        let found = plan(&pod, &observation).resize.unwrap();
        assert_eq!((found.memory.len(), found.cpu.len()), (1, 1));
        assert_eq!(found.memory[0].from, Size::default());
    }
}
