//! Sidecars, rules of single containers, and pods that begin anew.

use super::*;
use crate::model::{ContainerName, ExitCodes, RestartAction, RestartRule};
use crate::plan::fixture::sidecar;

/// A pod whose init containers are `proxy`, a sidecar that has a startup probe, and `step`, which is
/// not, with one regular container, `web`.
fn with_sidecar(policy: RestartPolicy) -> Pod {
    let mut pod = pod(policy, &[], &["web"]);
    let mut proxy = sidecar("proxy");
    proxy.probes.startup = Some(probe());
    proxy.probes.liveness = Some(probe());
    pod.spec.init_containers = vec![proxy, container("step")];
    pod
}

fn plan_with(
    pod: &Pod,
    containers: Vec<ContainerObservation>,
    verdicts: &[(ProbeKind, Verdict)],
) -> String {
    let observation = seen(vec![sandbox(0, Ready)], containers);
    let mut probes = ProbeResults::default();
    for (kind, verdict) in verdicts {
        probes.set("proxy".into(), *kind, "proxy#0".into(), *verdict);
    }
    let actions = compute_pod_actions(Situation {
        pod,
        observation: &observation,
        probes: &probes,
        backoff: &CrashBackoff::default(),
        keep: Keep::default(),
        now: at(100),
    });
    sentence(&actions)
}

/// A situation, what the runtime shows, what the probes say, and the plan.
type StartRow<'a> = (
    &'a str,
    Vec<ContainerObservation>,
    &'a [(ProbeKind, Verdict)],
    &'a str,
);

#[test]
fn the_next_init_container_starts_when_a_sidecar_has_started() {
    use ProbeKind::{Liveness, Startup};
    let proxy = || made("proxy", 0, running());
    let rows: [StartRow<'_>; 10] = [
        ("it is first", vec![], &[], "start proxy#0"),
        ("not known yet", vec![proxy()], &[], ""),
        (
            "not started yet",
            vec![proxy()],
            &[(Startup, Verdict::Unknown)],
            "",
        ),
        (
            "started",
            vec![proxy()],
            &[(Startup, Verdict::Success)],
            "start step#0",
        ),
        (
            "it failed to start",
            vec![proxy()],
            &[(Startup, Verdict::Failure)],
            "kill proxy#0 ProbeFailed { kind: Startup, role: Init, then: Restarts }, start proxy#1",
        ),
        (
            "it does not live, and counts as started all the same",
            vec![proxy()],
            &[(Startup, Verdict::Success), (Liveness, Verdict::Failure)],
            "kill proxy#0 ProbeFailed { kind: Liveness, role: Init, then: Restarts }, \
             start proxy#1, start step#0",
        ),
        (
            "it exited, whatever the code",
            vec![made("proxy", 0, exited(0))],
            &[],
            "start proxy#1",
        ),
        (
            "the next runs: the sidecar is only kept running",
            vec![made("proxy", 0, exited(1)), made("step", 0, running())],
            &[],
            "start proxy#1",
        ),
        (
            "the next runs: a sidecar that was only made is started as it is",
            vec![made("proxy", 0, Created), made("step", 0, running())],
            &[],
            "start proxy#0 as made",
        ),
        (
            "the last is done",
            vec![proxy(), made("step", 0, exited(0))],
            &[(Startup, Verdict::Success)],
            "start web#0",
        ),
    ];
    for (situation, containers, verdicts, expected) in rows {
        let pod = with_sidecar(Always);
        assert_eq!(
            plan_with(&pod, containers, verdicts),
            expected,
            "{situation}"
        );
    }
}

#[test]
fn a_sidecar_is_kept_running_as_long_as_something_else_runs() {
    let step = || made("step", 0, exited(0));
    let rows: [(&str, RestartPolicy, Vec<ContainerObservation>, &str); 5] = [
        (
            "it exited",
            Never,
            vec![
                made("proxy", 0, exited(0)),
                step(),
                made("web", 0, running()),
            ],
            "start proxy#1",
        ),
        (
            "the runtime has forgotten it",
            Never,
            vec![made("web", 0, running())],
            "start proxy#0",
        ),
        (
            "nobody knows whether it runs",
            Never,
            vec![made("proxy", 0, Unknown), made("web", 0, running())],
            "kill proxy#0 StateUnknown { role: Init }, start proxy#1",
        ),
        (
            "everything it served is done",
            Never,
            vec![
                made("proxy", 0, running()),
                step(),
                made("web", 0, exited(0)),
            ],
            "kill proxy#0 SandboxGone, stop s0",
        ),
        (
            "it exited when everything it served was done",
            OnFailure,
            vec![
                made("proxy", 0, exited(1)),
                step(),
                made("web", 0, exited(0)),
            ],
            "stop s0",
        ),
    ];
    for (situation, policy, containers, expected) in rows {
        let pod = with_sidecar(policy);
        assert_eq!(plan_with(&pod, containers, &[]), expected, "{situation}");
    }
}

#[test]
fn an_earlier_init_container_that_the_runtime_has_forgotten_is_done() {
    let pod = pod(Always, &["one", "two"], &["web"]);
    let only_two = seen(vec![sandbox(0, Ready)], vec![made("two", 0, exited(0))]);
    assert_eq!(plan(&pod, &only_two), "start web#0");
}

#[test]
fn sidecars_end_after_those_they_serve_and_the_last_of_them_first() {
    let mut pod = pod(Always, &[], &["web", "log"]);
    pod.spec.init_containers = vec![sidecar("net"), container("step"), sidecar("proxy")];
    let names = ["net", "proxy", "web", "log"];
    let containers = names.map(|name| made(name, 0, running())).to_vec();
    let observation = seen(vec![sandbox(0, Ready)], containers);
    let after = |name: &str| {
        let actions = end_pod(Some(&pod), &observation, None);
        let name = ContainerName::from(name);
        let kill = actions.kill.iter().find(|kill| kill.name == name).unwrap();
        let before = kill.after.iter().map(ToString::to_string);
        before.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(after("web"), "");
    assert_eq!(after("proxy"), "web#0 log#0");
    assert_eq!(after("net"), "web#0 log#0 proxy#0");
}

#[test]
fn a_containers_own_policy_and_rules_come_before_its_pods() {
    let rule = |exits| RestartRule {
        action: RestartAction::Restart,
        exits,
    };
    let rows = [
        (Never, Some(Always), vec![], 0, "start web#1"),
        (Never, Some(OnFailure), vec![], 0, ""),
        (Never, Some(OnFailure), vec![], 1, "start web#1"),
        (Always, Some(Never), vec![], 1, ""),
        (
            Never,
            Some(Never),
            vec![rule(ExitCodes::In(vec![42]))],
            42,
            "start web#1",
        ),
        (
            Never,
            Some(Never),
            vec![rule(ExitCodes::In(vec![42]))],
            1,
            "",
        ),
        (
            Never,
            Some(Never),
            vec![rule(ExitCodes::NotIn(vec![0]))],
            1,
            "start web#1",
        ),
        (
            Never,
            Some(Never),
            vec![rule(ExitCodes::NotIn(vec![0]))],
            0,
            "",
        ),
    ];
    for (policy, own, rules, code, expected) in rows {
        let mut pod = pod(policy, &[], &["web", "log"]);
        pod.spec.containers[0].restart_policy = own;
        pod.spec.containers[0].restart_rules = rules.clone();
        let containers = vec![made("web", 0, exited(code)), made("log", 0, running())];
        let observation = seen(vec![sandbox(0, Ready)], containers);
        assert_eq!(
            plan(&pod, &observation),
            expected,
            "{policy:?} {own:?} {rules:?} {code}"
        );
    }
}

#[test]
fn an_exit_that_makes_all_begin_anew_takes_the_others_first_and_itself_last() {
    let mut pod = pod(Never, &["step"], &["web", "log"]);
    pod.spec.containers[0].restart_policy = Some(Never);
    pod.spec.containers[0].restart_rules = vec![RestartRule {
        action: RestartAction::RestartAllContainers,
        exits: ExitCodes::In(vec![88]),
    }];
    let ready = || vec![sandbox(0, Ready)];
    let web = |code| made("web", 0, exited(code));
    let rest = || vec![made("step", 0, exited(0)), made("log", 0, running())];
    let with = |one, mut rest: Vec<ContainerObservation>| {
        rest.push(one);
        seen(ready(), rest)
    };
    assert_eq!(plan(&pod, &with(web(1), rest())), "");
    assert_eq!(
        plan(&pod, &with(web(88), rest())),
        "kill log#0 AllRestart, remove step#0, remove log#0"
    );
    assert_eq!(plan(&pod, &with(web(88), vec![])), "remove web#0");
    assert_eq!(plan(&pod, &seen(ready(), vec![])), "start step#0");
}
