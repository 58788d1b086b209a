//! Tables of situations and what a pod's status says of each.

mod resizes;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, PodCondition, PodStatus};
use serde_json::json;

use super::{Facts, StatusInput, generate, whole};
use crate::model::ContainerState::{Created, Unknown};
use crate::model::RestartPolicy::{Always, Never, OnFailure};
use crate::model::SandboxState::{NotReady, Ready};
use crate::model::{
    ContainerName, ContainerObservation, Demise, EphemeralContainer, ExitCodes, FailureReason,
    HeldBack, LinuxUser, MountPropagation, Pod, PodObservation, ProbeKind, ProbeResults,
    RecursiveReadOnly, Requirements, ResourceList, RestartAction, RestartPolicy, RestartRule, Size,
    StartFailure, Told, Verdict, VolumeMount,
};
use crate::plan::fixture::{
    at, container, exited, made, pod, probe, running, sandbox, seen, sidecar,
};
use crate::resource::qos_class;

#[derive(Default)]
struct Case {
    failures: BTreeMap<ContainerName, StartFailure>,
    held_back: Vec<HeldBack>,
    probes: ProbeResults,
    demise: Option<Demise>,
    previous: Option<PodStatus>,
}

impl Case {
    fn status(&self, pod: &Pod, observation: &PodObservation) -> PodStatus {
        let facts = Facts {
            runtime_name: "podling".to_owned(),
            host_ips: vec![[192, 0, 2, 1].into()],
        };
        let input = StatusInput {
            resizing: None,
            pod,
            observation,
            probes: &self.probes,
            failures: &self.failures,
            held_back: &self.held_back,
            demise: self.demise.as_ref(),
            previous: self.previous.as_ref(),
            facts: &facts,
            now: at(100),
        };
        generate(&input).0
    }
}

fn in_ready(containers: Vec<ContainerObservation>) -> PodObservation {
    seen(vec![sandbox(0, Ready)], containers)
}

fn word(state: Option<&ContainerState>) -> String {
    let Some(state) = state else {
        return "-".to_owned();
    };
    if let Some(waiting) = &state.waiting {
        return waiting.reason.clone().unwrap_or_default();
    }
    if let Some(ended) = &state.terminated {
        return format!(
            "{} {}",
            ended.reason.as_deref().unwrap_or_default(),
            ended.exit_code
        );
    }
    if state.running.is_some() {
        "Running".to_owned()
    } else {
        "-".to_owned()
    }
}

/// `phase: init states / states`.
fn sentence(status: &PodStatus) -> String {
    let words = |list: &Option<Vec<_>>| {
        let one = |one: &k8s_openapi::api::core::v1::ContainerStatus| word(one.state.as_ref());
        list.iter()
            .flatten()
            .map(one)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let phase = status.phase.as_deref().unwrap();
    let (init, regular) = (&status.init_container_statuses, &status.container_statuses);
    match init {
        Some(_) => format!("{phase}: {} / {}", words(init), words(regular)),
        None => format!("{phase}: {}", words(regular)),
    }
}

#[test]
fn the_phase_says_what_the_containers_do() {
    let rows = [
        (
            pod(Always, &[], &["a"]),
            seen(vec![], vec![]),
            "Pending: ContainerCreating",
        ),
        (
            pod(Always, &["i"], &["a"]),
            seen(vec![], vec![]),
            "Pending: PodInitializing / PodInitializing",
        ),
        (
            pod(Always, &[], &["a"]),
            in_ready(vec![made("a", 0, Created)]),
            "Pending: ContainerCreating",
        ),
        (
            pod(Always, &[], &["a"]),
            in_ready(vec![made("a", 0, running())]),
            "Running: Running",
        ),
        (
            pod(Always, &[], &["a", "b"]),
            in_ready(vec![made("a", 0, running())]),
            "Pending: Running, ContainerCreating",
        ),
        (
            pod(Always, &["i"], &["a"]),
            in_ready(vec![made("i", 0, running())]),
            "Pending: Running / PodInitializing",
        ),
        (
            pod(Always, &["i"], &["a"]),
            in_ready(vec![made("i", 0, exited(0)), made("a", 0, running())]),
            "Running: Completed 0 / Running",
        ),
        (
            pod(Never, &["i"], &["a"]),
            in_ready(vec![made("i", 0, exited(2))]),
            "Failed: Error 2 / PodInitializing",
        ),
        (
            pod(OnFailure, &["i"], &["a"]),
            in_ready(vec![made("i", 0, exited(2))]),
            "Pending: Error 2 / PodInitializing",
        ),
    ];
    for (pod, observation, expected) in rows {
        assert_eq!(
            sentence(&Case::default().status(&pod, &observation)),
            expected
        );
    }
}

#[test]
fn the_phase_of_containers_that_ended_follows_the_restart_policy() {
    let rows = [
        (
            pod(Always, &[], &["a"]),
            in_ready(vec![made("a", 0, exited(0))]),
            "Running: Completed 0",
        ),
        (
            pod(OnFailure, &[], &["a"]),
            in_ready(vec![made("a", 0, exited(0))]),
            "Succeeded: Completed 0",
        ),
        (
            pod(OnFailure, &[], &["a"]),
            in_ready(vec![made("a", 0, exited(1))]),
            "Running: Error 1",
        ),
        (
            pod(Never, &[], &["a"]),
            in_ready(vec![made("a", 0, exited(1))]),
            "Failed: Error 1",
        ),
        (
            pod(Never, &[], &["a", "b"]),
            in_ready(vec![made("a", 0, exited(1)), made("b", 0, running())]),
            "Running: Error 1, Running",
        ),
        (
            pod(Never, &[], &["a"]),
            in_ready(vec![made("a", 0, Unknown)]),
            "Failed: ContainerStatusUnknown 137",
        ),
    ];
    for (pod, observation, expected) in rows {
        assert_eq!(
            sentence(&Case::default().status(&pod, &observation)),
            expected
        );
    }
}

#[test]
fn a_crashed_container_waits_in_crash_loop_back_off() {
    let held = HeldBack {
        name: "a".into(),
        until: at(50),
        delay: Duration::from_secs(10),
    };
    let case = Case {
        held_back: vec![held],
        ..Case::default()
    };
    let crashed = made("a", 3, exited(1));
    let status = case.status(&pod(Always, &[], &["a"]), &in_ready(vec![crashed]));
    assert_eq!(sentence(&status), "Running: CrashLoopBackOff");
    let container = &status.container_statuses.unwrap()[0];
    let waiting = container.state.as_ref().unwrap().waiting.as_ref().unwrap();
    assert_eq!(
        waiting.message.as_deref(),
        Some("back-off 10s restarting failed container=a pod=web-node_default(uid-1)")
    );
    assert_eq!(word(container.last_state.as_ref()), "Error 1");
    assert_eq!(container.restart_count, 3);
}

#[test]
fn long_waits_are_told_in_minutes() {
    let held = HeldBack {
        name: "a".into(),
        until: at(50),
        delay: Duration::from_secs(160),
    };
    let case = Case {
        held_back: vec![held],
        ..Case::default()
    };
    let status = case.status(
        &pod(Always, &[], &["a"]),
        &in_ready(vec![made("a", 0, exited(1))]),
    );
    let container = &status.container_statuses.unwrap()[0];
    let waiting = container.state.as_ref().unwrap().waiting.as_ref().unwrap();
    assert!(
        waiting
            .message
            .as_ref()
            .unwrap()
            .starts_with("back-off 2m40s restarting")
    );
}

#[test]
fn a_container_that_cannot_start_says_at_which_step() {
    let failure = StartFailure {
        reason: FailureReason::ErrImagePull,
        message: "no such image".to_owned(),
        retry_after: None,
    };
    let case = Case {
        failures: BTreeMap::from([("a".into(), failure)]),
        ..Case::default()
    };
    let pod = pod(Always, &[], &["a"]);
    assert_eq!(
        sentence(&case.status(&pod, &in_ready(vec![]))),
        "Pending: ErrImagePull"
    );
    let running = in_ready(vec![made("a", 0, running())]);
    assert_eq!(sentence(&case.status(&pod, &running)), "Running: Running");
}

#[test]
fn a_container_shows_who_it_runs_as_what_it_mounts_and_what_it_may_use() {
    let mut pod = pod(Always, &[], &["web"]);
    let mount = |name: &str, read_only: bool, recursive| VolumeMount {
        volume: name.to_owned(),
        path: format!("/{name}"),
        sub_path: None,
        read_only,
        recursive_read_only: recursive,
        propagation: MountPropagation::None,
    };
    pod.spec.containers[0].mounts = vec![
        mount("rw", false, RecursiveReadOnly::Disabled),
        mount("ro", true, RecursiveReadOnly::Disabled),
        mount("all", true, RecursiveReadOnly::IfPossible),
    ];
    let mut running = made("web", 0, running());
    running.told = Told {
        user: Some(LinuxUser {
            uid: 1000,
            gid: 3000,
            supplemental_groups: vec![4000],
        }),
        recursive_read_only: vec!["/all".to_owned()],
    };
    let shown = |containers| {
        let status = Case::default().status(&pod, &in_ready(containers));
        serde_json::to_value(&status.container_statuses.unwrap()[0]).unwrap()
    };
    let before = shown(vec![]);
    assert!(
        before["user"].is_null() && before["resources"].is_null(),
        "{before}"
    );
    let after = shown(vec![running]);
    let user = serde_json::json!({ "uid": 1000, "gid": 3000, "supplementalGroups": [4000] });
    assert_eq!(after["user"]["linux"], user);
    assert_eq!(after["resources"], serde_json::json!({}));
    let mounts = serde_json::json!([
        { "name": "rw", "mountPath": "/rw" },
        { "name": "ro", "mountPath": "/ro", "readOnly": true, "recursiveReadOnly": "Disabled" },
        { "name": "all", "mountPath": "/all", "readOnly": true, "recursiveReadOnly": "Enabled" },
    ]);
    assert_eq!(after["volumeMounts"], mounts);
}

#[test]
fn the_last_words_of_all_containers_together_have_a_limit() {
    let names = ["a", "b", "c", "d"];
    let wordy = |name: &&str| {
        let mut ended = made(name, 0, exited(1));
        if let crate::model::ContainerState::Exited(exit) = &mut ended.state {
            exit.message = "\u{e9}".repeat(2000);
        }
        ended
    };
    let said = |containers: &[&str]| {
        let pod = pod(Never, &[], containers);
        let observation = in_ready(containers.iter().map(wordy).collect());
        let statuses = Case::default()
            .status(&pod, &observation)
            .container_statuses;
        let state = statuses.unwrap()[0].state.clone();
        state.unwrap().terminated.unwrap().message.unwrap().len()
    };
    assert_eq!(said(&names[..3]), 4000);
    assert_eq!(said(&names), 3072);
    // No letter is cut in two.
    assert_eq!(said(&["a", "b", "c", "d", "e", "f", "g"]), 1754);
}

#[test]
fn a_restarted_container_remembers_how_it_ended() {
    let observation = in_ready(vec![made("a", 0, exited(7)), made("a", 1, running())]);
    let status = Case::default().status(&pod(Always, &[], &["a"]), &observation);
    let container = &status.container_statuses.unwrap()[0];
    assert_eq!(word(container.last_state.as_ref()), "Error 7");
    assert_eq!(container.container_id.as_deref(), Some("podling://a#1"));
}

/// The status after the runtime has lost all containers of a pod that it had.
fn after_losing(pod: &Pod, containers: Vec<ContainerObservation>) -> PodStatus {
    let case = Case {
        previous: Some(Case::default().status(pod, &in_ready(containers))),
        ..Case::default()
    };
    case.status(pod, &in_ready(vec![]))
}

#[test]
fn a_container_that_the_runtime_has_lost_is_told_by_what_was_known_of_it() {
    let web = |policy| pod(policy, &[], &["a"]);
    let first = |status: &PodStatus| status.container_statuses.clone().unwrap().remove(0);
    let lost = after_losing(&web(Always), vec![made("a", 2, running())]);
    assert_eq!(sentence(&lost), "Running: ContainerCreating", "it ran");
    let a = first(&lost);
    assert_eq!(word(a.last_state.as_ref()), "ContainerStatusUnknown 137");
    assert_eq!(a.restart_count, 3);
    let of_never = after_losing(&web(Never), vec![made("a", 0, running())]);
    assert_eq!(of_never.phase.as_deref(), Some("Failed"));
    let ended = after_losing(&web(OnFailure), vec![made("a", 1, exited(0))]);
    assert_eq!(sentence(&ended), "Succeeded: Completed 0");
    assert_eq!(first(&ended).restart_count, 1);
    let never_ran = after_losing(&web(Always), vec![made("a", 0, Created)]);
    assert_eq!(sentence(&never_ran), "Pending: ContainerCreating");
    assert_eq!(first(&never_ran).restart_count, 0);
}

/// A pod all of whose containers begin anew when `b` exits with 3.
fn all_anew(policy: RestartPolicy) -> Pod {
    let mut pod = pod(policy, &[], &["a", "b"]);
    pod.spec.containers[1].restart_rules = vec![RestartRule {
        action: RestartAction::RestartAllContainers,
        exits: ExitCodes::In(vec![3]),
    }];
    pod
}

#[test]
fn containers_that_are_taken_away_to_begin_anew_say_so_until_they_run_again() {
    for policy in [Always, Never] {
        let pod = all_anew(policy);
        let mut case = Case::default();
        let b = || made("b", 0, exited(3));
        let steps = [
            (
                vec![made("a", 0, running()), b()],
                "Running: Running, Error 3",
                [0, 0],
            ),
            (
                vec![b()],
                "Running: RestartingAllContainers, Error 3",
                [1, 0],
            ),
            (
                vec![],
                "Running: ContainerCreating, RestartingAllContainers",
                [1, 1],
            ),
            (
                vec![made("a", 1, running())],
                "Running: Running, ContainerCreating",
                [1, 1],
            ),
            (
                vec![made("a", 1, running()), made("b", 1, running())],
                "Running: Running, Running",
                [1, 1],
            ),
        ];
        for (containers, expected, restarts) in steps {
            let status = case.status(&pod, &in_ready(containers));
            assert_eq!(sentence(&status), expected, "{policy:?}");
            let containers = status.container_statuses.iter().flatten();
            let told: Vec<_> = containers.map(|one| one.restart_count).collect();
            assert_eq!(told, restarts, "{expected}");
            case.previous = Some(status);
        }
        let containers = case.previous.unwrap().container_statuses.unwrap();
        let last = |place: usize| word(containers[place].last_state.as_ref());
        assert_eq!(last(0), "RestartingAllContainers 137");
        assert_eq!(last(1), "RestartingAllContainers 137");
    }
}

#[test]
fn how_the_one_before_ended_is_known_when_the_runtime_has_it_no_more() {
    let pod = pod(Always, &[], &["a"]);
    let mut case = Case::default();
    let first = in_ready(vec![made("a", 0, exited(7))]);
    case.previous = Some(case.status(&pod, &first));
    for _ in 0..2 {
        let status = case.status(&pod, &in_ready(vec![made("a", 1, running())]));
        let container = &status.container_statuses.as_ref().unwrap()[0];
        assert_eq!(word(container.last_state.as_ref()), "Error 7");
        case.previous = Some(status);
    }
}

#[test]
fn an_init_container_that_the_runtime_has_lost_has_done_its_work_when_others_were_made() {
    let pod = pod(Always, &["i"], &["a"]);
    let status = Case::default().status(&pod, &in_ready(vec![made("a", 0, running())]));
    assert_eq!(sentence(&status), "Running: Completed 0 / Running");
    assert!(status.init_container_statuses.unwrap()[0].ready);
    let before = Case::default().status(&pod, &in_ready(vec![]));
    assert_eq!(
        sentence(&before),
        "Pending: PodInitializing / PodInitializing"
    );
}

fn conditions(status: &PodStatus) -> Vec<String> {
    let one = |one: &PodCondition| {
        let reason = one.reason.as_deref().unwrap_or_default();
        format!("{}={} {reason}", one.type_, one.status)
            .trim_end()
            .to_owned()
    };
    status.conditions.iter().flatten().map(one).collect()
}

#[test]
fn the_conditions_follow_the_pod_from_start_to_end() {
    let pod = pod(OnFailure, &["i"], &["a"]);
    let of = |observation| conditions(&Case::default().status(&pod, &observation));
    assert_eq!(
        of(seen(vec![], vec![])),
        [
            "PodReadyToStartContainers=False",
            "Initialized=False ContainersNotInitialized",
            "Ready=False ContainersNotReady",
            "ContainersReady=False ContainersNotReady",
            "PodScheduled=True",
            "AllContainersRestarting=False",
        ]
    );
    assert_eq!(
        of(in_ready(vec![
            made("i", 0, exited(0)),
            made("a", 0, running())
        ])),
        [
            "PodReadyToStartContainers=True",
            "Initialized=True",
            "Ready=True",
            "ContainersReady=True",
            "PodScheduled=True",
            "AllContainersRestarting=False",
        ]
    );
    let ended = vec![made("i", 0, exited(0)), made("a", 0, exited(0))];
    assert_eq!(
        of(seen(vec![sandbox(0, NotReady)], ended)),
        [
            "PodReadyToStartContainers=False",
            "Initialized=True PodCompleted",
            "Ready=False PodCompleted",
            "ContainersReady=False PodCompleted",
            "PodScheduled=True",
            "AllContainersRestarting=False PodCompleted",
        ]
    );
}

#[test]
fn a_condition_that_has_not_changed_keeps_its_time() {
    let pod = pod(Always, &[], &["a"]);
    let mut first = Case::default().status(&pod, &seen(vec![], vec![]));
    for condition in first.conditions.iter_mut().flatten() {
        condition.last_transition_time.as_mut().unwrap().0 = at(1);
    }
    let case = Case {
        previous: Some(first),
        ..Case::default()
    };
    let second = case.status(&pod, &in_ready(vec![made("a", 0, running())]));
    let times: Vec<_> = second
        .conditions
        .unwrap()
        .iter()
        .map(|one| {
            (
                one.type_.clone(),
                one.last_transition_time.as_ref().unwrap().0 == at(1),
            )
        })
        .collect();
    assert_eq!(times[1], ("Initialized".to_owned(), true));
    assert_eq!(times[2], ("Ready".to_owned(), false));
    assert_eq!(times[4], ("PodScheduled".to_owned(), true));
}

#[test]
fn a_pod_that_has_ended_never_comes_back() {
    let pod = pod(Never, &[], &["a"]);
    let ended = Case::default().status(&pod, &in_ready(vec![made("a", 0, exited(1))]));
    let case = Case {
        previous: Some(ended),
        ..Case::default()
    };
    assert_eq!(
        case.status(&pod, &seen(vec![], vec![])).phase.as_deref(),
        Some("Failed")
    );
}

#[test]
fn a_pod_past_its_deadline_has_failed_and_says_why() {
    let case = Case {
        demise: Some(Demise::deadline_exceeded()),
        ..Case::default()
    };
    let status = case.status(
        &pod(Always, &[], &["a"]),
        &in_ready(vec![made("a", 0, running())]),
    );
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(status.reason.as_deref(), Some("DeadlineExceeded"));
}

#[test]
fn of_a_pod_that_was_never_let_in_only_the_reason_is_told() {
    let case = Case {
        demise: Some(Demise {
            reason: "OutOfcpu".into(),
            message: "Pod was rejected: Node didn't have enough resource".to_owned(),
            disruption: None,
        }),
        ..Case::default()
    };
    let status = case.status(&pod(Always, &["i"], &["a"]), &seen(vec![], vec![]));
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(status.reason.as_deref(), Some("OutOfcpu"));
    assert_eq!((status.conditions, status.container_statuses), (None, None));
    assert_eq!(status.init_container_statuses, None);
}

#[test]
fn why_a_pod_was_given_up_stays_in_its_status() {
    let pod = pod(Always, &[], &["a"]);
    let evicted = Case {
        demise: Some(Demise {
            reason: "Evicted".into(),
            message: "The node was low on resource: memory.".to_owned(),
            disruption: Some("The node was low on resource: memory.".to_owned()),
        }),
        ..Case::default()
    };
    let first = evicted.status(&pod, &in_ready(vec![made("a", 0, running())]));
    let later = Case {
        previous: Some(first),
        ..Case::default()
    };
    let status = later.status(&pod, &seen(vec![], vec![]));
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(status.reason.as_deref(), Some("Evicted"));
    let conditions = status.conditions.unwrap();
    let disruption = conditions.last().unwrap();
    assert_eq!(disruption.type_, "DisruptionTarget");
    assert_eq!(disruption.reason.as_deref(), Some("TerminationByKubelet"));
}

#[test]
fn a_container_that_waited_to_be_started_again_has_ended_when_its_pod_is_given_up() {
    let pod = pod(Always, &[], &["a"]);
    let ended = in_ready(vec![made("a", 0, exited(3))]);
    let held_back = || {
        vec![HeldBack {
            name: "a".into(),
            delay: Duration::from_secs(10),
            until: at(20),
        }]
    };
    let evicted = Case {
        demise: Some(Demise {
            reason: "Evicted".into(),
            message: "The node was low on resource: memory.".to_owned(),
            disruption: None,
        }),
        held_back: held_back(),
        ..Case::default()
    };
    let told = evicted.status(&pod, &ended);
    let exit_code = |status: &PodStatus| {
        let container = &status.container_statuses.as_ref().unwrap()[0];
        let ended = container.state.as_ref().unwrap().terminated.as_ref();
        ended.map(|ended| ended.exit_code)
    };
    assert_eq!(exit_code(&told), Some(3));
    // The next kubelet knows of the end by what was told.
    let later = Case {
        held_back: held_back(),
        previous: Some(told),
        ..Case::default()
    };
    assert_eq!(exit_code(&later.status(&pod, &ended)), Some(3));
    let goes_on = Case {
        held_back: held_back(),
        ..Case::default()
    };
    assert_eq!(exit_code(&goes_on.status(&pod, &ended)), None);
}

#[test]
fn addresses_are_the_sandboxs_or_the_hosts() {
    let pod = pod(Always, &[], &["a"]);
    let status = Case::default().status(&pod, &in_ready(vec![]));
    assert_eq!(status.pod_ip.as_deref(), Some("10.88.0.2"));
    assert_eq!(status.host_ip.as_deref(), Some("192.0.2.1"));
    let mut host = pod;
    host.spec.namespaces.network = crate::model::NetworkMode::Host;
    let status = Case::default().status(&host, &in_ready(vec![]));
    assert_eq!(status.pod_ip.as_deref(), Some("192.0.2.1"));
}

fn list(cpu: Option<u64>, memory: Option<u64>) -> ResourceList {
    ResourceList {
        cpu_millis: cpu,
        memory_bytes: memory,
    }
}

#[test]
fn the_quality_of_service_follows_requests_and_limits() {
    let rows = [
        (list(None, None), list(None, None), "BestEffort"),
        (list(Some(100), None), list(None, None), "Burstable"),
        (
            list(Some(100), Some(1)),
            list(Some(100), Some(1)),
            "Guaranteed",
        ),
        (
            list(Some(100), Some(1)),
            list(Some(200), Some(1)),
            "Burstable",
        ),
        (list(Some(100), None), list(Some(100), None), "Burstable"),
    ];
    for (requests, limits, class) in rows {
        let mut pod = pod(Always, &[], &["a"]);
        pod.spec.containers[0].resources = Requirements { requests, limits };
        assert_eq!(
            qos_class(&pod.spec).as_str(),
            class,
            "{requests:?} {limits:?}"
        );
    }
}

#[test]
fn a_pod_tells_of_the_size_that_it_has_until_it_has_the_one_that_it_shall() {
    let mut pod = pod(Always, &[], &["a"]);
    pod.spec.resources.requests = list(Some(500), Some(64 << 20));
    pod.spec.resources.limits = list(Some(1000), Some(128 << 20));
    let shall = Size::of(&pod.spec.resources);
    let mut has = shall;
    has.cpu_millis.limit = Some(750);
    for (has, cpu) in [(has, "750m"), (shall, "1")] {
        let told = whole::resources(&pod.spec, Some(has));
        let told = serde_json::to_value(told).unwrap();
        let limits = json!({ "cpu": cpu, "memory": "128Mi" });
        assert_eq!(told["limits"], limits);
    }
}

#[test]
fn devices_of_a_pod_are_counted_and_pages_have_units() {
    let mut pod = pod(Always, &[], &["a"]);
    pod.spec.containers[0].scalars.requests =
        [("example.com/gpu", 2048), ("hugepages-2Mi", 4 << 20)]
            .map(|(name, amount)| (name.to_owned(), amount))
            .into();
    let allocated = serde_json::to_value(whole::allocated(&pod.spec)).unwrap();
    assert_eq!(
        allocated,
        json!({ "example.com/gpu": "2048", "hugepages-2Mi": "4Mi" })
    );
}

#[test]
fn a_pod_tells_what_it_was_given_as_a_whole() {
    let mut pod = pod(Always, &[], &["a", "b"]);
    pod.spec.containers[0].resources.requests = list(Some(500), Some(1 << 20));
    pod.spec.containers[0].scalars.requests = [("ephemeral-storage".to_owned(), 1 << 30)].into();
    pod.spec.resources.requests = list(None, Some(64 << 20));
    pod.spec.resources.limits = list(None, Some(128 << 20));
    let told = serde_json::to_value(whole::resources(&pod.spec, None)).unwrap();
    let limits = json!({ "memory": "128Mi" });
    let requests = json!({ "cpu": "500m", "memory": "64Mi" });
    let running = json!({ "limits": limits, "requests": requests });
    assert_eq!(told, running);
    let allocated = serde_json::to_value(whole::allocated(&pod.spec)).unwrap();
    let all = json!({ "cpu": "500m", "ephemeral-storage": "1Gi", "memory": "64Mi" });
    assert_eq!(allocated, all);
}

/// The probes there are, what they say, and whether the container is started and ready.
type ProbeRow<'a> = (&'a [ProbeKind], &'a [(ProbeKind, Verdict)], (bool, bool));

#[test]
fn a_container_is_started_and_ready_as_its_probes_say() {
    use ProbeKind::{Readiness, Startup};
    use Verdict::{Failure, Success, Unknown};
    let rows: [ProbeRow<'_>; 8] = [
        (&[], &[], (true, true)),
        (&[Readiness], &[], (true, false)),
        (&[Readiness], &[(Readiness, Failure)], (true, false)),
        (&[Readiness], &[(Readiness, Success)], (true, true)),
        (&[Startup], &[(Startup, Unknown)], (false, false)),
        (&[Startup], &[(Startup, Success)], (true, true)),
        (
            &[Startup, Readiness],
            &[(Readiness, Success)],
            (false, false),
        ),
        (
            &[Startup, Readiness],
            &[(Startup, Success), (Readiness, Success)],
            (true, true),
        ),
    ];
    for (kinds, verdicts, expected) in rows {
        let mut pod = pod(Always, &[], &["a"]);
        let probes = &mut pod.spec.containers[0].probes;
        probes.startup = kinds.contains(&Startup).then(probe);
        probes.readiness = kinds.contains(&Readiness).then(probe);
        let mut case = Case::default();
        for (kind, verdict) in verdicts {
            case.probes.set("a".into(), *kind, "a#0".into(), *verdict);
        }
        let status = case.status(&pod, &in_ready(vec![made("a", 0, running())]));
        let of_a = &status.container_statuses.as_ref().unwrap()[0];
        assert_eq!(
            (of_a.started, of_a.ready),
            (Some(expected.0), expected.1),
            "{verdicts:?}"
        );
        let ready = status
            .conditions
            .as_ref()
            .unwrap()
            .iter()
            .find(|one| one.type_ == "Ready");
        assert_eq!(ready.unwrap().status == "True", expected.1, "{verdicts:?}");
    }
}

fn condition(status: &PodStatus, kind: &str) -> (String, String, String) {
    let mut conditions = status.conditions.as_ref().unwrap().iter();
    let one = conditions.find(|one| one.type_ == kind).unwrap();
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    (one.status.clone(), text(&one.reason), text(&one.message))
}

#[test]
fn a_sidecar_counts_for_ready_and_initialized_and_keeps_its_pod_running() {
    let mut pod = pod(Never, &[], &["web"]);
    let mut proxy = sidecar("proxy");
    proxy.probes.startup = Some(probe());
    proxy.probes.readiness = Some(probe());
    pod.spec.init_containers = vec![proxy];
    let proxy = || made("proxy", 0, running());
    let mut case = Case::default();

    let starting = case.status(&pod, &in_ready(vec![proxy()]));
    assert_eq!(starting.phase.as_deref(), Some("Pending"));
    assert_eq!(
        condition(&starting, "Initialized"),
        (
            "False".to_owned(),
            "ContainersNotInitialized".to_owned(),
            "containers with incomplete status: [proxy]".to_owned()
        )
    );
    case.probes.set(
        "proxy".into(),
        ProbeKind::Startup,
        "proxy#0".into(),
        Verdict::Success,
    );
    let up = case.status(&pod, &in_ready(vec![proxy(), made("web", 0, running())]));
    assert_eq!(condition(&up, "Initialized").0, "True");
    assert_eq!(
        condition(&up, "Ready").2,
        "containers with unready status: [proxy]"
    );
    let done = vec![proxy(), made("web", 0, exited(0))];
    let draining = case.status(&pod, &in_ready(done));
    assert_eq!(draining.phase.as_deref(), Some("Running"));
    let done = vec![made("proxy", 0, exited(143)), made("web", 0, exited(0))];
    let over = case.status(&pod, &in_ready(done));
    assert_eq!(over.phase.as_deref(), Some("Succeeded"));
}

#[test]
fn a_readiness_gate_that_nobody_has_opened_keeps_a_pod_from_being_ready() {
    let mut pod = pod(Always, &[], &["web"]);
    pod.spec.readiness_gates = vec!["example.com/lb".to_owned()];
    let status = Case::default().status(&pod, &in_ready(vec![made("web", 0, running())]));
    assert_eq!(condition(&status, "ContainersReady").0, "True");
    let (ready, reason, message) = condition(&status, "Ready");
    assert_eq!(
        (ready.as_str(), reason.as_str()),
        ("False", "ReadinessGatesNotReady")
    );
    assert_eq!(
        message,
        "corresponding condition of pod readiness gate \"example.com/lb\" does not exist."
    );
}

#[test]
fn a_readiness_gate_is_what_somebody_else_says_of_it() {
    let mut pod = pod(Always, &[], &["web"]);
    pod.spec.readiness_gates = vec!["example.com/lb".to_owned()];
    let rows = [
        (
            "False",
            "False",
            "the status of pod readiness gate \"example.com/lb\" is not \"True\", but False",
        ),
        ("True", "True", ""),
    ];
    for (gate, ready, message) in rows {
        let told = PodCondition {
            type_: "example.com/lb".to_owned(),
            status: gate.to_owned(),
            ..PodCondition::default()
        };
        let case = Case {
            previous: Some(PodStatus {
                conditions: Some(vec![told]),
                ..PodStatus::default()
            }),
            ..Case::default()
        };
        let status = case.status(&pod, &in_ready(vec![made("web", 0, running())]));
        let seen = condition(&status, "Ready");
        assert_eq!(
            (seen.0.as_str(), seen.2.as_str()),
            (ready, message),
            "{gate}"
        );
    }
}

#[test]
fn an_ephemeral_container_is_never_ready_and_waits_for_nothing_once_it_has_ended() {
    let mut pod = pod(Always, &[], &["web"]);
    pod.spec.ephemeral_containers = vec![EphemeralContainer {
        container: container("debug"),
        target: None,
    }];
    let mut case = Case::default();
    let rows = [
        (vec![made("debug", 0, running())], "Running"),
        (vec![made("debug", 0, exited(7))], "Error 7"),
    ];
    for (seen, expected) in rows {
        let status = case.status(&pod, &in_ready(seen));
        let [debug] = status
            .ephemeral_container_statuses
            .as_deref()
            .expect("it is told of")
        else {
            panic!("one ephemeral container, and {status:?}");
        };
        assert_eq!(word(debug.state.as_ref()), expected);
        assert_eq!((debug.ready, debug.started), (false, None), "{expected}");
        case.previous = Some(status);
    }
}
