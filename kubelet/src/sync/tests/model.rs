//! A reference model: random pods whose containers end in random ways, against a few lines that say
//! what becomes of them.
//!
//! The loop runs as it is, with its workers and probes, over the node in memory. Time is paused and
//! passes at once, so hours of back-off cost nothing.

use std::future::Future;

use proptest::prelude::*;

use super::*;
use crate::model::Container;

/// Long enough for every back-off and every resync.
const LONG: Duration = Duration::from_secs(4 * 3600);

/// What a container does each time it is started: after so many seconds it exits with this code.
/// After the last of them it runs on; an init container that is no sidecar succeeds.
type Script = Vec<(u64, i32)>;

/// A pod, and what its containers do.
#[derive(Clone, Debug)]
struct Play {
    pod: Pod,
    scripts: Vec<(String, Script)>,
}

impl Play {
    fn script(&self, name: &str) -> &Script {
        let mut scripts = self.scripts.iter();
        let found = scripts.find(|(one, _)| one == name);
        &found.expect("every container has a script").1
    }

    fn is_step(&self, name: &str) -> bool {
        let mut steps = self.pod.spec.init_containers.iter();
        steps.any(|one| one.name.as_str() == name && !one.is_sidecar())
    }
}

/// How one container ends, if it does.
fn end_of(play: &Play, container: &Container) -> Option<i32> {
    let policy = container
        .restart_policy
        .unwrap_or(play.pod.spec.restart_policy);
    let script = play.script(container.name.as_str());
    let last = script.iter().find(|(_, code)| match policy {
        Always => false,
        OnFailure => *code == 0,
        Never => true,
    });
    last.map(|(_, code)| *code)
}

/// The phase that a pod comes to.
fn expected(play: &Play) -> &'static str {
    let spec = &play.pod.spec;
    for step in spec.init_containers.iter().filter(|one| !one.is_sidecar()) {
        let policy = step.restart_policy.unwrap_or(spec.restart_policy);
        let first = play.script(step.name.as_str()).first();
        if policy == Never && first.is_some_and(|(_, code)| *code != 0) {
            return "Failed";
        }
    }
    let ends: Option<Vec<i32>> = spec
        .containers
        .iter()
        .map(|one| end_of(play, one))
        .collect();
    match ends {
        None => "Running",
        Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
        Some(_) => "Failed",
    }
}

fn policy() -> impl Strategy<Value = RestartPolicy> {
    prop_oneof![Just(Always), Just(OnFailure), Just(Never)]
}

fn some_script() -> impl Strategy<Value = Script> {
    let exit = (0..900_u64, prop_oneof![Just(0), Just(1), Just(137)]);
    prop::collection::vec(exit, 0..4)
}

fn some_play() -> impl Strategy<Value = Play> {
    // A step has no policy Always: it would be a sidecar, which is another choice below.
    let step = prop_oneof![
        Just(None),
        Just(Some(OnFailure)),
        Just(Some(Never)),
        Just(Some(Always))
    ];
    let regular = prop::option::of(policy());
    (
        policy(),
        prop::collection::vec((step, some_script()), 0..3),
        prop::collection::vec((regular, some_script()), 1..4),
    )
        .prop_map(|(policy, init, regular)| {
            let (init_names, names) = (["i0", "i1"], ["c0", "c1", "c2"]);
            let mut pod = fixture::pod(policy, &init_names[..init.len()], &names[..regular.len()]);
            let spec = &mut pod.spec;
            let containers = spec.init_containers.iter_mut().chain(&mut spec.containers);
            let mut scripts = Vec::new();
            for (container, (own, script)) in containers.zip(init.into_iter().chain(regular)) {
                container.restart_policy = own;
                scripts.push((container.name.to_string(), script));
            }
            Play { pod, scripts }
        })
}

/// Runs a story in paused time.
fn run_paused<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without a thread");
    runtime.block_on(story)
}

async fn start(play: &Play) -> (Harness, Arc<Pod>) {
    let harness = Harness::start().await;
    for (name, script) in &play.scripts {
        let exits = script
            .iter()
            .map(|(after, code)| Behaviour::Exits(*after, *code));
        let mut behaviours: Vec<_> = exits.collect();
        if play.is_step(name) {
            behaviours.extend(vec![Behaviour::Exits(1, 0); 9]);
        }
        harness.node.script(name, &behaviours);
    }
    let pod = Arc::new(play.pod.clone());
    harness.add(&pod).await;
    (harness, pod)
}

async fn assert_leaves_nothing(harness: &Harness, pod: &Pod) {
    harness.remove(pod).await;
    harness.until_logged("clean up web-node").await;
    assert!(harness.node.is_empty());
    let done = (harness.node.log().len(), harness.node.probed().len());
    tokio::time::sleep(LONG).await;
    let later = (harness.node.log().len(), harness.node.probed().len());
    assert_eq!(done, later, "nothing is done for a pod that is gone");
}

/// A phase that is over never goes back.
fn assert_no_resurrection(phases: &[String]) {
    let is_over = |phase: &String| ["Succeeded", "Failed"].contains(&phase.as_str());
    if let Some(first) = phases.iter().position(is_over) {
        let end = &phases[first];
        assert!(
            phases[first..].iter().all(|phase| phase == end),
            "{phases:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_pod_comes_to_the_phase_of_the_model_and_then_nothing_more_is_done(
        play in some_play(),
    ) {
        run_paused(async {
            let (harness, pod) = start(&play).await;
            tokio::time::sleep(LONG).await;
            let phase = phase_of(&harness.node).unwrap_or_default();
            assert_eq!(phase, expected(&play), "{play:#?}\n{:#?}", harness.node.log());
            let log = harness.node.log();
            tokio::time::sleep(LONG).await;
            assert_eq!(harness.node.log(), log, "what is as it shall be is left alone");
            assert_no_resurrection(&harness.node.phases());
            assert_leaves_nothing(&harness, &pod).await;
        });
    }

    #[test]
    fn whatever_the_probes_say_and_whenever_a_pod_is_removed_nothing_is_left(
        play in some_play(),
        kinds in prop::sample::subsequence(ProbeKind::ALL.to_vec(), 1..=3),
        answers in prop::collection::vec(any::<bool>(), 0..60),
        lives_for in 0..2000_u64,
    ) {
        let mut play = play;
        let spec = &mut play.pod.spec;
        let sidecars = spec.init_containers.iter_mut().filter(|one| one.is_sidecar());
        for container in sidecars.chain(&mut spec.containers) {
            container.probes = probed(Always, &kinds).spec.containers[0].probes.clone();
        }
        run_paused(async {
            let (harness, pod) = start(&play).await;
            let outcome = |good: &bool| if *good { ProbeOutcome::Success } else { bad() };
            for (name, _) in &play.scripts {
                let outcomes: Vec<_> = answers.iter().map(outcome).collect();
                harness.node.answer(name, &outcomes);
            }
            tokio::time::sleep(Duration::from_secs(lives_for)).await;
            assert_no_resurrection(&harness.node.phases());
            assert_leaves_nothing(&harness, &pod).await;
        });
    }
}
