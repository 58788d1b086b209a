//! What holds for every pod and every history, against a runtime of a few lines in memory.

use proptest::prelude::*;

use super::CrashBackoff;
use super::fixture::{at, exited, made, plan_for, pod, running, sandbox, seen};
use crate::model::{
    Container, ContainerObservation, ContainerState, Pod, PodActions, PodObservation,
    RestartPolicy, SandboxObservation, SandboxState, TargetSandbox,
};

/// Carries a plan out at once: what is started runs.
fn apply(observation: &mut PodObservation, actions: &PodActions, step: i64) {
    let now = at(1000 + step * 10);
    for kill in &actions.kill {
        let killed = observation
            .containers
            .iter_mut()
            .find(|one| one.id == kill.id);
        killed.expect("only what is there is killed").state = exited(137);
    }
    for stop in &actions.stop {
        let stopped = observation
            .sandboxes
            .iter_mut()
            .find(|one| one.id == stop.id);
        stopped.expect("only what is there is stopped").state = SandboxState::NotReady;
    }
    for remove in &actions.remove_containers {
        observation.containers.retain(|one| one.id != remove.id);
    }
    for remove in &actions.remove_sandboxes {
        observation.sandboxes.retain(|one| one.id != remove.id);
        let is_inside = |one: &ContainerObservation| one.sandbox_id == remove.id;
        assert!(
            !observation.containers.iter().any(is_inside),
            "nothing is lost with a sandbox"
        );
    }
    let target = match &actions.sandbox {
        Some(TargetSandbox::Existing(id)) => id.clone(),
        Some(TargetSandbox::Create(create)) => {
            let made = SandboxObservation {
                created_at: now,
                ..sandbox(create.attempt, SandboxState::Ready)
            };
            observation.sandboxes.push(made.clone());
            made.id
        }
        None => return assert_eq!(actions.start, [], "nothing starts without a sandbox"),
    };
    for start in &actions.start {
        let is_made = |seen: &ContainerObservation| Some(&seen.id) == start.made.as_ref();
        observation.containers.retain(|seen| !is_made(seen));
        observation.containers.push(ContainerObservation {
            sandbox_id: target.clone(),
            created_at: now,
            ..made(start.name.as_str(), start.restart_count, running())
        });
    }
}

fn policy() -> impl Strategy<Value = RestartPolicy> {
    prop_oneof![
        Just(RestartPolicy::Always),
        Just(RestartPolicy::OnFailure),
        Just(RestartPolicy::Never)
    ]
}

fn state() -> impl Strategy<Value = ContainerState> {
    prop_oneof![
        Just(ContainerState::Created),
        Just(ContainerState::Unknown),
        Just(running()),
        Just(exited(0)),
        Just(exited(1)),
    ]
}

fn some_pod() -> impl Strategy<Value = Pod> {
    let own = || prop::option::of(policy());
    let init = prop::collection::vec(own(), 0..3);
    let regular = prop::collection::vec(own(), 1..4);
    (policy(), init, regular).prop_map(|(policy, init, regular)| {
        let mut pod = pod(
            policy,
            &["i0", "i1", "i2"][..init.len()],
            &["c0", "c1", "c2"][..regular.len()],
        );
        let containers = &mut pod.spec.init_containers;
        for (container, own) in containers.iter_mut().zip(init) {
            container.restart_policy = own;
        }
        for (container, own) in pod.spec.containers.iter_mut().zip(regular) {
            container.restart_policy = own;
        }
        pod
    })
}

/// Any leftovers: sandboxes in any state, containers of any name in any of them.
fn some_observation() -> impl Strategy<Value = PodObservation> {
    let ready = prop_oneof![Just(SandboxState::Ready), Just(SandboxState::NotReady)];
    let name = prop_oneof![
        Just("i0"),
        Just("i1"),
        Just("c0"),
        Just("c1"),
        Just("stray")
    ];
    let sandboxes = prop::collection::vec(ready, 0..3);
    let containers = prop::collection::vec((name, 0..3usize, state()), 0..8);
    (sandboxes, containers).prop_map(|(states, containers)| {
        let attempts = 0_u32..;
        let sandboxes: Vec<_> = attempts
            .zip(states)
            .map(|(attempt, state)| sandbox(attempt, state))
            .collect();
        let counts = 0_u32..;
        let containers = counts
            .zip(containers)
            .filter_map(|(count, (name, index, state))| {
                let sandbox_id = sandboxes.get(index)?.id.clone();
                Some(ContainerObservation {
                    sandbox_id,
                    ..made(name, count, state)
                })
            })
            .collect();
        seen(sandboxes, containers)
    })
}

/// Plans and applies until nothing is left to do; init containers that run then succeed.
fn converge(pod: &Pod, observation: &mut PodObservation) -> usize {
    for step in 0..20 {
        let now = at(2000 + step * 10);
        let actions = plan_for(pod, observation, now, &CrashBackoff::default());
        if actions.is_empty() && !finish_init(pod, observation) {
            return usize::try_from(step).expect("steps are few");
        }
        apply(observation, &actions, step);
    }
    panic!("no end in 20 steps: {observation:#?}");
}

fn finish_init(pod: &Pod, observation: &mut PodObservation) -> bool {
    let is_init = |seen: &ContainerObservation| {
        let mut steps = pod.spec.init_containers.iter();
        steps.any(|init| init.name == seen.name && !init.is_sidecar())
    };
    let running = |seen: &&mut ContainerObservation| is_init(seen) && seen.state.may_run();
    let init = observation.containers.iter_mut().find(running);
    init.map(|init| init.state = exited(0)).is_some()
}

fn has_ended(pod: &Pod, observation: &PodObservation) -> bool {
    observation.is_stopped() && may_end(pod)
}

/// Whether everything in a pod may have been done some time.
fn may_end(pod: &Pod) -> bool {
    let policy = |one: &Container| one.restart_policy.unwrap_or(pod.spec.restart_policy);
    let is_endless = |one: &Container| policy(one) == RestartPolicy::Always;
    let mut steps = pod
        .spec
        .init_containers
        .iter()
        .filter(|one| !one.is_sidecar());
    // An init container that may fail for good ends its pod as well.
    !pod.spec.containers.iter().any(is_endless)
        || steps.any(|one| policy(one) == RestartPolicy::Never)
        || pod.spec.restart_policy == RestartPolicy::Never
}

proptest! {
    #[test]
    fn from_any_leftovers_the_plan_ends_with_the_pod_running_or_finished(
        pod in some_pod(),
        mut observation in some_observation(),
    ) {
        let steps = converge(&pod, &mut observation);
        // An init container of which nobody knows whether it has done its work may cost another sandbox.
        prop_assert!(steps <= 6 + 2 * pod.spec.init_containers.len(), "{steps} steps");
        if !has_ended(&pod, &observation) {
            let newest = observation.newest_sandbox().expect("a running pod has a sandbox");
            for container in &pod.spec.containers {
                let runs: Vec<_> = observation
                    .of_name(&container.name)
                    .filter(|one| one.state.may_run())
                    .collect();
                prop_assert!(runs.len() <= 1, "{} runs twice", container.name);
                for one in runs {
                    prop_assert_eq!(&one.sandbox_id, &newest.id);
                }
            }
        }
    }

    #[test]
    fn where_nothing_is_to_be_done_the_plan_stays_empty(
        pod in some_pod(),
        mut observation in some_observation(),
    ) {
        converge(&pod, &mut observation);
        for later in [0, 60, 6000] {
            let actions = plan_for(
                &pod, &observation, at(10_000 + later), &CrashBackoff::default(),
            );
            prop_assert!(actions.is_empty(), "{actions:?}");
        }
    }

    #[test]
    fn a_pod_that_has_ended_never_comes_back(
        pod in some_pod().prop_filter("ends", |pod| {
            let policy = |one: &Container| one.restart_policy.unwrap_or(pod.spec.restart_policy);
            pod.spec.containers.iter().all(|one| policy(one) != RestartPolicy::Always)
        }),
        sandbox_dies in any::<bool>(),
    ) {
        let mut observation = seen(vec![], vec![]);
        converge(&pod, &mut observation);
        for container in &mut observation.containers {
            container.state = exited(0);
        }
        if sandbox_dies {
            observation.sandboxes[0].state = SandboxState::NotReady;
        }
        converge(&pod, &mut observation);
        prop_assert!(observation.is_stopped());
    }

    #[test]
    fn a_plan_never_starts_a_name_twice_nor_one_that_runs_on(
        pod in some_pod(),
        observation in some_observation(),
    ) {
        let actions =
            plan_for(&pod, &observation, at(5000), &CrashBackoff::default());
        for (index, start) in actions.start.iter().enumerate() {
            prop_assert!(actions.start[..index].iter().all(|other| other.name != start.name));
            for seen in observation.of_name(&start.name).filter(|one| one.state.may_run()) {
                prop_assert!(actions.kill.iter().any(|kill| kill.id == seen.id));
            }
        }
    }
}
