//! Tables of situations and what has to be done in each.

mod sidecars;

use std::time::Duration;

use super::fixture::{at, container, exited, made, plan_for, pod, probe, running, sandbox, seen};
use super::{
    CrashBackoff, Keep, Situation, compute_pod_actions, end_pod, remove_everything, stop_for_good,
    time_to_stop,
};
use crate::model::ContainerState::{Created, Unknown};
use crate::model::RestartPolicy::{Always, Never, OnFailure};
use crate::model::SandboxState::{NotReady, Ready};
use crate::model::{
    ContainerHash, ContainerObservation, EphemeralContainer, Hook, NetworkMode, Pod, PodActions,
    PodObservation, Probe, ProbeKind, ProbeResults, RestartPolicy, SandboxObservation,
    TargetSandbox, Verdict,
};

/// A plan in one line, in the order it is carried out.
fn sentence(actions: &PodActions) -> String {
    let mut words = Vec::new();
    words.extend(
        actions
            .kill
            .iter()
            .map(|one| format!("kill {} {:?}", one.id, one.reason)),
    );
    words.extend(actions.stop.iter().map(|one| format!("stop {}", one.id)));
    words.extend(
        actions
            .remove_containers
            .iter()
            .map(|one| format!("remove {}", one.id)),
    );
    words.extend(
        actions
            .remove_sandboxes
            .iter()
            .map(|one| format!("remove {}", one.id)),
    );
    if let Some(TargetSandbox::Create(create)) = &actions.sandbox {
        words.push(format!("sandbox {} {:?}", create.attempt, create.reason));
    }
    words.extend(actions.start.iter().map(|one| {
        let as_made = one.made.as_ref().map_or("", |_| " as made");
        format!("start {}#{}{as_made}", one.name, one.restart_count)
    }));
    words.extend(
        actions
            .held_back
            .iter()
            .map(|one| format!("wait {}", one.name)),
    );
    words.join(", ")
}

fn plan(pod: &Pod, observation: &PodObservation) -> String {
    sentence(&plan_for(
        pod,
        observation,
        at(100),
        &CrashBackoff::default(),
    ))
}

fn in_sandbox(sandbox: &str, container: ContainerObservation) -> ContainerObservation {
    ContainerObservation {
        sandbox_id: sandbox.into(),
        ..container
    }
}

struct Row {
    situation: &'static str,
    pod: Pod,
    sandboxes: Vec<SandboxObservation>,
    containers: Vec<ContainerObservation>,
    plan: &'static str,
}

fn check(rows: Vec<Row>) {
    for row in rows {
        let observation = seen(row.sandboxes, row.containers);
        assert_eq!(plan(&row.pod, &observation), row.plan, "{}", row.situation);
    }
}

#[test]
fn of_a_pod_that_has_ended_every_sandbox_is_stopped_and_nothing_is_removed() {
    let sandboxes = vec![sandbox(0, NotReady), sandbox(1, Ready)];
    let observation = seen(sandboxes, vec![made("web", 0, exited(0))]);
    let plan = sentence(&stop_for_good(&observation));
    assert_eq!(plan, "stop s0, stop s1");
}

#[test]
fn a_pod_gets_a_sandbox_when_it_has_no_good_one() {
    let web = || pod(Always, &[], &["web"]);
    let host = |network| SandboxObservation {
        network,
        ..sandbox(0, Ready)
    };
    let no_address = SandboxObservation {
        ips: Vec::new(),
        ..sandbox(0, Ready)
    };
    check(vec![
        Row {
            situation: "a new pod gets its first sandbox and its container",
            pod: web(),
            sandboxes: vec![],
            containers: vec![],
            plan: "sandbox 0 Missing, start web#0",
        },
        Row {
            situation: "a dead sandbox is replaced by the next attempt",
            pod: web(),
            sandboxes: vec![sandbox(0, NotReady)],
            containers: vec![made("web", 0, exited(137))],
            plan: "sandbox 1 NotReady, start web#1",
        },
        Row {
            situation: "two ready sandboxes are both stopped",
            pod: web(),
            sandboxes: vec![sandbox(0, Ready), sandbox(1, Ready)],
            containers: vec![made("web", 0, running())],
            plan: "kill web#0 SandboxGone, stop s0, stop s1, sandbox 2 MoreThanOneReady, start web#1",
        },
        Row {
            situation: "a sandbox on the host's network does not serve a pod with its own",
            pod: web(),
            sandboxes: vec![host(NetworkMode::Host)],
            containers: vec![],
            plan: "stop s0, sandbox 1 NetworkModeChanged, start web#0",
        },
        Row {
            situation: "a sandbox without an address is replaced",
            pod: web(),
            sandboxes: vec![no_address],
            containers: vec![],
            plan: "stop s0, sandbox 1 NoAddress, start web#0",
        },
        Row {
            situation: "a good sandbox that nothing runs in yet is used",
            pod: web(),
            sandboxes: vec![sandbox(0, Ready)],
            containers: vec![],
            plan: "start web#0",
        },
    ]);
}

#[test]
fn a_host_network_pod_needs_no_address() {
    let mut pod = pod(Always, &[], &["web"]);
    pod.spec.namespaces.network = NetworkMode::Host;
    let host = SandboxObservation {
        network: NetworkMode::Host,
        ips: vec![],
        ..sandbox(0, Ready)
    };
    assert_eq!(plan(&pod, &seen(vec![host], vec![])), "start web#0");
}

#[test]
fn a_pod_that_has_finished_gets_no_new_sandbox() {
    let dead = || vec![sandbox(0, NotReady)];
    check(vec![
        Row {
            situation: "Never: containers existed, so it is over even if one failed",
            pod: pod(Never, &[], &["job"]),
            sandboxes: dead(),
            containers: vec![made("job", 0, exited(1))],
            plan: "",
        },
        Row {
            situation: "Never: what survived its sandbox is ended",
            pod: pod(Never, &[], &["job"]),
            sandboxes: dead(),
            containers: vec![made("job", 0, running())],
            plan: "kill job#0 SandboxGone",
        },
        Row {
            situation: "Never: a sandbox that died before anything ran is replaced",
            pod: pod(Never, &[], &["job"]),
            sandboxes: dead(),
            containers: vec![],
            plan: "sandbox 1 NotReady, start job#0",
        },
        Row {
            situation: "OnFailure: all succeeded",
            pod: pod(OnFailure, &[], &["a", "b"]),
            sandboxes: dead(),
            containers: vec![made("a", 0, exited(0)), made("b", 0, exited(0))],
            plan: "",
        },
        Row {
            situation: "OnFailure: only the one that failed runs again",
            pod: pod(OnFailure, &[], &["a", "b"]),
            sandboxes: dead(),
            containers: vec![made("a", 0, exited(0)), made("b", 0, exited(3))],
            plan: "sandbox 1 NotReady, start b#1",
        },
    ]);
}

#[test]
fn init_containers_run_one_after_the_other() {
    let two = |policy| pod(policy, &["one", "two"], &["web"]);
    let ready = || vec![sandbox(0, Ready)];
    check(vec![
        Row {
            situation: "the first comes with the sandbox",
            pod: two(Always),
            sandboxes: vec![],
            containers: vec![],
            plan: "sandbox 0 Missing, start one#0",
        },
        Row {
            situation: "while the first runs nothing else starts",
            pod: two(Always),
            sandboxes: ready(),
            containers: vec![made("one", 0, running())],
            plan: "",
        },
        Row {
            situation: "after exit 0 the next one starts",
            pod: two(Always),
            sandboxes: ready(),
            containers: vec![made("one", 0, exited(0))],
            plan: "start two#0",
        },
        Row {
            situation: "after the last exit 0 the regular ones start",
            pod: two(Always),
            sandboxes: ready(),
            containers: vec![made("one", 0, exited(0)), made("two", 0, exited(0))],
            plan: "start web#0",
        },
        Row {
            situation: "one that failed is started again, also under OnFailure",
            pod: two(OnFailure),
            sandboxes: ready(),
            containers: vec![made("one", 0, exited(1))],
            plan: "start one#1",
        },
        Row {
            situation: "under Never its failure ends the pod",
            pod: two(Never),
            sandboxes: ready(),
            containers: vec![made("one", 0, exited(1))],
            plan: "stop s0",
        },
        Row {
            situation: "one whose state nobody knows is ended first",
            pod: two(OnFailure),
            sandboxes: ready(),
            containers: vec![made("one", 0, Unknown)],
            plan: "kill one#0 StateUnknown { role: Init }, start one#1",
        },
        Row {
            situation: "once a regular container was made they never run again",
            pod: two(Always),
            sandboxes: ready(),
            containers: vec![made("web", 0, exited(1))],
            plan: "start web#1",
        },
        Row {
            situation: "in a new sandbox they all run again",
            pod: two(Always),
            sandboxes: vec![sandbox(0, NotReady), sandbox(1, Ready)],
            containers: vec![
                in_sandbox("s1", made("one", 1, exited(0))),
                made("two", 0, exited(0)),
                made("web", 0, exited(0)),
            ],
            plan: "start two#1",
        },
    ]);
}

#[test]
fn what_was_made_and_never_started_counts_as_no_restart() {
    let two = |policy| pod(policy, &["one", "two"], &["web"]);
    let ready = || vec![sandbox(0, Ready)];
    check(vec![
        Row {
            situation: "one that was made but not started is started as it is",
            pod: two(Always),
            sandboxes: ready(),
            containers: vec![made("one", 0, Created)],
            plan: "start one#0 as made",
        },
        Row {
            situation: "one that was made in another sandbox is made again",
            pod: two(Always),
            sandboxes: vec![sandbox(0, NotReady), sandbox(1, Ready)],
            containers: vec![made("one", 0, Created)],
            plan: "start one#1",
        },
        Row {
            situation: "one that was made from another definition is made again",
            pod: two(Always),
            sandboxes: ready(),
            containers: vec![ContainerObservation {
                hash: Some(ContainerHash(0xbeef)),
                ..made("one", 0, Created)
            }],
            plan: "start one#1",
        },
    ]);
}

#[test]
fn an_init_container_whose_state_nobody_knows_fails_the_pod_under_never() {
    let observation = seen(vec![sandbox(0, Ready)], vec![made("one", 0, Unknown)]);
    let pod = pod(Never, &["one"], &["web"]);
    assert_eq!(plan(&pod, &observation), "kill one#0 SandboxGone, stop s0");
}

#[test]
fn a_regular_container_is_started_again_as_its_policy_says() {
    let ready = || vec![sandbox(0, Ready)];
    let rows = [
        (Always, exited(0), "start web#1"),
        (Always, exited(1), "start web#1"),
        (OnFailure, exited(0), "stop s0"),
        (OnFailure, exited(1), "start web#1"),
        (OnFailure, exited(137), "start web#1"),
        (Never, exited(0), "stop s0"),
        (Never, exited(1), "stop s0"),
        (Never, Created, "start web#0 as made"),
        (
            Never,
            Unknown,
            "kill web#0 StateUnknown { role: Regular }, start web#1",
        ),
        (Never, running(), ""),
    ];
    for (policy, state, expected) in rows {
        let observation = seen(ready(), vec![made("web", 0, state.clone())]);
        let pod = pod(policy, &[], &["web"]);
        assert_eq!(plan(&pod, &observation), expected, "{policy:?} {state:?}");
    }
}

#[test]
fn a_changed_container_is_replaced_whatever_the_policy() {
    for policy in [Always, OnFailure, Never] {
        let old = ContainerObservation {
            hash: Some(ContainerHash(1)),
            ..made("web", 0, running())
        };
        let observation = seen(
            vec![sandbox(0, Ready)],
            vec![old, made("log", 0, running())],
        );
        let pod = pod(policy, &[], &["web", "log"]);
        assert_eq!(
            plan(&pod, &observation),
            "kill web#0 SpecChanged { role: Regular }, start web#1",
            "{policy:?}"
        );
    }
}

#[test]
fn a_container_without_a_hash_is_left_alone() {
    let foreign = ContainerObservation {
        hash: None,
        ..made("web", 0, running())
    };
    let observation = seen(vec![sandbox(0, Ready)], vec![foreign]);
    assert_eq!(plan(&pod(Always, &[], &["web"]), &observation), "");
}

#[test]
fn a_finished_container_waits_for_its_siblings() {
    let observation = seen(
        vec![sandbox(0, Ready)],
        vec![made("a", 0, exited(0)), made("b", 0, running())],
    );
    assert_eq!(plan(&pod(Never, &[], &["a", "b"]), &observation), "");
}

#[test]
fn containers_that_nobody_asked_for_are_ended() {
    let observation = seen(
        vec![sandbox(0, Ready)],
        vec![
            made("web", 0, running()),
            made("web", 1, running()),
            made("old", 0, running()),
        ],
    );
    assert_eq!(
        plan(&pod(Always, &[], &["web"]), &observation),
        "kill web#0 Duplicate, kill old#0 NotInPod"
    );
}

#[test]
fn an_ephemeral_container_is_started_once_even_during_init() {
    let mut pod = pod(Always, &["init"], &["web"]);
    let debug = EphemeralContainer {
        container: container("debug"),
        target: None,
    };
    pod.spec.ephemeral_containers.push(debug);
    let ready = || vec![sandbox(0, Ready)];
    let init = || made("init", 0, running());
    assert_eq!(plan(&pod, &seen(ready(), vec![init()])), "start debug#0");
    let (observation, mut backoff) = (seen(ready(), vec![init()]), CrashBackoff::default());
    let actions = plan_for(&pod, &observation, at(30), &backoff);
    backoff.note_starts(&pod, &observation, &actions, at(30));
    assert_eq!(backoff, CrashBackoff::default(), "its start is no restart");
    let debugged = made("debug", 0, exited(1));
    assert_eq!(plan(&pod, &seen(ready(), vec![init(), debugged])), "");
}

#[test]
fn a_crashed_container_is_held_back_and_its_siblings_are_not() {
    let pod = pod(Always, &[], &["web", "log"]);
    let observation = seen(
        vec![sandbox(0, Ready)],
        vec![made("web", 1, exited(1)), made("log", 0, exited(1))],
    );
    let mut backoff = CrashBackoff::default();
    let first = seen(vec![sandbox(0, Ready)], vec![made("web", 0, exited(1))]);
    let actions = plan_for(&pod, &first, at(30), &backoff);
    backoff.note_starts(&pod, &first, &actions, at(30));

    let actions = plan_for(&pod, &observation, at(31), &backoff);
    assert_eq!(sentence(&actions), "start log#1, wait web");
    assert_eq!(actions.wake_at(), Some(at(40)));
    let actions = plan_for(&pod, &observation, at(40), &backoff);
    assert_eq!(sentence(&actions), "start web#2, start log#1");
}

#[test]
fn a_pod_whose_container_is_held_back_is_not_finished() {
    let pod = pod(OnFailure, &[], &["web"]);
    let crashed = seen(vec![sandbox(0, Ready)], vec![made("web", 0, exited(1))]);
    let mut backoff = CrashBackoff::default();
    let actions = plan_for(&pod, &crashed, at(30), &backoff);
    backoff.note_starts(&pod, &crashed, &actions, at(30));
    let actions = plan_for(&pod, &crashed, at(31), &backoff);
    assert!(actions.is_empty() && actions.stop.is_empty());
    assert_eq!(sentence(&actions), "wait web");
}

#[test]
fn of_the_dead_one_of_each_container_is_kept() {
    let observation = seen(
        vec![
            sandbox(0, NotReady),
            sandbox(1, NotReady),
            sandbox(2, Ready),
        ],
        vec![
            made("web", 0, exited(1)),
            in_sandbox("s1", made("web", 1, exited(1))),
            in_sandbox("s2", made("web", 2, running())),
        ],
    );
    assert_eq!(
        plan(&pod(Always, &[], &["web"]), &observation),
        "remove web#0, remove s0"
    );
}

#[test]
fn more_dead_containers_are_kept_when_they_shall_be() {
    let observation = seen(
        vec![sandbox(0, Ready)],
        vec![
            made("web", 0, exited(1)),
            made("web", 1, exited(1)),
            made("web", 2, exited(1)),
            made("web", 3, running()),
        ],
    );
    let pod = pod(Always, &[], &["web"]);
    let finished = observation.containers[0].state.exit().unwrap().finished_at;
    let plan = |of_each, at_least| {
        let actions = compute_pod_actions(Situation {
            pod: &pod,
            observation: &observation,
            probes: &ProbeResults::default(),
            backoff: &CrashBackoff::default(),
            keep: Keep {
                of_each,
                at_least: Duration::from_secs(at_least),
            },
            now: finished + Duration::from_secs(10),
        });
        sentence(&actions)
    };
    assert_eq!(plan(1, 0), "remove web#0, remove web#1");
    assert_eq!(plan(2, 0), "remove web#0");
    assert_eq!(plan(3, 0), "");
    // While the next one runs, what was before may be forgotten.
    let all = "remove web#0, remove web#1, remove web#2";
    assert_eq!(plan(0, 0), all);
    assert_eq!(plan(0, 10), all);
    assert_eq!(plan(0, 11), "");
}

#[test]
fn a_pod_ends_with_its_grace() {
    let container = ContainerObservation {
        grace_period: Some(Duration::from_secs(7)),
        ..made("web", 0, running())
    };
    let observation = seen(
        vec![sandbox(0, Ready)],
        vec![container, made("old", 0, exited(0))],
    );
    let graces = |grace| {
        let actions = end_pod(None, &observation, grace);
        assert_eq!(sentence(&actions), "kill web#0 PodEnds, stop s0");
        actions.kill[0].grace.as_secs()
    };
    assert_eq!(graces(Some(Duration::from_secs(30))), 30);
    assert_eq!(graces(Some(Duration::ZERO)), 0);
    assert_eq!(graces(None), 7);
}

#[test]
fn what_a_hook_takes_is_taken_from_the_grace_and_two_seconds_are_left() {
    let rows = [
        (30, 0, 30),
        (30, 4_999, 26),
        (30, 30_000, 2),
        (30, 99_000, 2),
        (1, 0, 2),
        (0, 0, 2),
    ];
    for (grace, spent, left) in rows {
        let spent = Duration::from_millis(spent);
        let time = time_to_stop(Duration::from_secs(grace), spent);
        assert_eq!(time.as_secs(), left, "{grace} {spent:?}");
    }
}

#[test]
fn a_container_that_runs_has_the_hook_of_its_spec_or_else_the_one_it_was_made_with() {
    let hook = |word: &str| Some(Hook::Exec(vec![word.to_owned()]));
    let mut pod = pod(Always, &[], &["web"]);
    pod.spec.containers[0].lifecycle.pre_stop = hook("spec");
    let with = |state| {
        let container = ContainerObservation {
            pre_stop: hook("made"),
            ..made("web", 0, state)
        };
        seen(vec![sandbox(0, Ready)], vec![container])
    };
    let of = |pod, observation: &PodObservation| {
        end_pod(pod, observation, None).kill[0].pre_stop.clone()
    };
    assert_eq!(of(Some(&pod), &with(running())), hook("spec"));
    assert_eq!(of(None, &with(running())), hook("made"));
    assert_eq!(of(Some(&pod), &with(Unknown)), None);
}

#[test]
fn of_a_pod_that_has_ended_everything_is_removed() {
    let observation = seen(vec![sandbox(0, NotReady)], vec![made("web", 0, exited(0))]);
    assert_eq!(
        sentence(&remove_everything(&observation)),
        "remove web#0, remove s0"
    );
}

#[test]
fn a_forgotten_container_counts_on_from_its_logs() {
    let pod = pod(Always, &[], &["web", "new"]);
    let mut observation = seen(vec![sandbox(0, Ready)], vec![]);
    observation.logged.insert("web".into(), 5);
    assert_eq!(plan(&pod, &observation), "start web#5, start new#0");
    observation.containers = vec![made("web", 7, exited(1))];
    assert_eq!(plan(&pod, &observation), "start web#8, start new#0");
}

/// The plan for a pod whose container `web` runs for the third time and has this verdict.
fn plan_after(policy: RestartPolicy, kind: ProbeKind, verdict: Verdict) -> PodActions {
    let mut pod = pod(policy, &[], &["web", "log"]);
    let probes = &mut pod.spec.containers[0].probes;
    let with_grace = || Probe {
        termination_grace: Some(Duration::from_secs(7)),
        ..probe()
    };
    probes.liveness = Some(with_grace());
    probes.readiness = Some(probe());
    probes.startup = Some(probe());
    let containers = vec![made("web", 2, running()), made("log", 0, running())];
    let observation = seen(vec![sandbox(0, Ready)], containers);
    let mut probes = ProbeResults::default();
    probes.set("web".into(), kind, "web#2".into(), verdict);
    compute_pod_actions(Situation {
        pod: &pod,
        observation: &observation,
        probes: &probes,
        backoff: &CrashBackoff::default(),
        keep: Keep::default(),
        now: at(100),
    })
}

#[test]
fn a_container_that_fails_a_probe_is_ended_and_comes_back_unless_never() {
    use ProbeKind::{Liveness, Readiness, Startup};
    let rows = [
        (Always, Liveness, Verdict::Success, ""),
        (Always, Readiness, Verdict::Failure, ""),
        (Always, Startup, Verdict::Unknown, ""),
        (
            Always,
            Liveness,
            Verdict::Failure,
            "kill Liveness Restarts, start web#3",
        ),
        (
            OnFailure,
            Liveness,
            Verdict::Failure,
            "kill Liveness Restarts, start web#3",
        ),
        (
            Always,
            Startup,
            Verdict::Failure,
            "kill Startup Restarts, start web#3",
        ),
        (
            Never,
            Liveness,
            Verdict::Failure,
            "kill Liveness StaysEnded",
        ),
        (Never, Startup, Verdict::Failure, "kill Startup StaysEnded"),
    ];
    for (policy, kind, verdict, expected) in rows {
        let actions = plan_after(policy, kind, verdict);
        let words = sentence(&actions).replace("web#2 ProbeFailed { kind: ", "");
        let words = words
            .replace(", role: Regular, then:", "")
            .replace(" }", "");
        assert_eq!(words, expected, "{policy:?} {kind:?} {verdict:?}");
    }
}

#[test]
fn a_probe_may_name_a_grace_period_of_its_own() {
    let grace = |kind| {
        plan_after(Always, kind, Verdict::Failure).kill[0]
            .grace
            .as_secs()
    };
    assert_eq!(grace(ProbeKind::Liveness), 7);
    assert_eq!(grace(ProbeKind::Startup), 30);
}

#[test]
fn a_verdict_on_the_container_before_ends_nothing() {
    let mut pod = pod(Always, &[], &["web"]);
    pod.spec.containers[0].probes.liveness = Some(probe());
    let observation = seen(vec![sandbox(0, Ready)], vec![made("web", 1, running())]);
    let mut probes = ProbeResults::default();
    probes.set(
        "web".into(),
        ProbeKind::Liveness,
        "web#0".into(),
        Verdict::Failure,
    );
    let actions = compute_pod_actions(Situation {
        pod: &pod,
        observation: &observation,
        probes: &probes,
        backoff: &CrashBackoff::default(),
        keep: Keep::default(),
        now: at(100),
    });
    assert!(actions.is_empty(), "{actions:?}");
}
