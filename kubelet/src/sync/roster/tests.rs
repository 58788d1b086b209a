//! Who starts, who waits, who is refused: inputs and the steps that follow from them.

mod resizes;

use super::*;
use crate::admit::NodeFacts;
use crate::model::{PodOrigin, RestartPolicy};
use crate::plan::fixture;

fn pod(uid: &str, name: &str) -> Arc<Pod> {
    let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
    Arc::new(Pod {
        uid: uid.into(),
        name: PodName::new("default", name),
        ..pod
    })
}

fn in_runtime(uid: &str, name: &str) -> RuntimePod {
    RuntimePod {
        uid: uid.into(),
        name: PodName::new("default", name),
        life: Life::Alive,
    }
}

fn roster() -> Roster {
    Roster::new(Arc::new(NodeFacts::boundless()))
}

fn removal(pod: &Pod) -> PodChange {
    PodChange::Remove {
        uid: pod.uid.clone(),
        name: pod.name.clone(),
    }
}

fn ready() -> Roster {
    let mut roster = roster();
    assert_eq!(roster.sources_ready(), []);
    assert_eq!(roster.relisted(vec![]), []);
    roster
}

#[test]
fn nothing_ends_and_no_name_is_taken_before_everybody_has_spoken() {
    let web = pod("u1", "web");
    let mut roster = roster();
    assert_eq!(roster.relisted(vec![in_runtime("old", "web")]), []);
    assert_eq!(roster.desire([PodChange::Add(web.clone())]), []);
    assert_eq!(
        roster.sources_ready(),
        [Step::EndOrphan(in_runtime("old", "web"))]
    );
    assert_eq!(roster.finished(&"old".into()), [Step::Start(web)]);
}

#[test]
fn a_pod_does_not_wait_for_a_source_that_is_silent() {
    let (web, mine) = (pod("u1", "web"), pod("u2", "mine"));
    let mut roster = roster();
    assert_eq!(roster.desire([PodChange::Add(web.clone())]), []);
    let listed = vec![in_runtime("u2", "mine"), in_runtime("u9", "ghost")];
    assert_eq!(roster.relisted(listed), [Step::Start(web)]);
    assert_eq!(
        roster.desire([PodChange::Add(mine.clone())]),
        [Step::Start(mine)]
    );
    assert_eq!(
        roster.sources_ready(),
        [Step::EndOrphan(in_runtime("u9", "ghost"))]
    );
}

#[test]
fn a_pod_that_runs_already_is_taken_over() {
    let web = pod("u1", "web");
    let mut roster = roster();
    roster.desire([PodChange::Add(web.clone())]);
    roster.sources_ready();
    assert_eq!(
        roster.relisted(vec![in_runtime("u1", "web")]),
        [Step::Start(web)]
    );
}

#[test]
fn a_pod_of_which_only_a_directory_without_a_name_is_left_is_looked_at_and_let_in() {
    let web = pod("u1", "web");
    let mut roster = roster();
    roster.desire([PodChange::Add(web.clone())]);
    roster.sources_ready();
    let left = RuntimePod {
        uid: "u1".into(),
        name: PodName::new("", ""),
        life: Life::Dead,
    };
    assert_eq!(roster.relisted(vec![left]), [Step::Inspect(web)]);
    assert_eq!(
        roster.heard(&"u1".into(), Report::WantsIn),
        [Step::LetIn("u1".into())]
    );
}

#[test]
fn a_new_pod_waits_for_the_old_one_of_its_name() {
    let (old, new, other) = (pod("u1", "web"), pod("u2", "web"), pod("u3", "other"));
    let mut roster = ready();
    roster.desire([PodChange::Add(old.clone())]);
    assert_eq!(
        roster.desire([removal(&old)]),
        [Step::End("u1".into(), None)]
    );
    assert_eq!(roster.desire([PodChange::Add(new.clone())]), []);
    assert_eq!(
        roster.desire([PodChange::Add(other.clone())]),
        [Step::Start(other)]
    );
    assert_eq!(roster.finished(&"u1".into()), [Step::Start(new)]);
}

#[test]
fn a_pod_that_comes_back_unchanged_waits_for_its_own_end() {
    let web = pod("u1", "web");
    let mut roster = ready();
    roster.desire([PodChange::Add(web.clone())]);
    roster.desire([removal(&web)]);
    assert_eq!(roster.desire([PodChange::Add(web.clone())]), []);
    assert_eq!(roster.relisted(vec![in_runtime("u1", "web")]), []);
    assert_eq!(roster.finished(&"u1".into()), [Step::Start(web)]);
}

#[test]
fn a_pod_that_is_removed_while_it_waits_never_starts() {
    let (old, new) = (pod("u1", "web"), pod("u2", "web"));
    let mut roster = ready();
    roster.desire([PodChange::Add(old.clone())]);
    roster.desire([removal(&old)]);
    roster.desire([PodChange::Add(new.clone())]);
    assert_eq!(roster.desire([removal(&new)]), []);
    assert_eq!(roster.finished(&"u1".into()), []);
}

#[test]
fn an_orphan_is_ended_once_and_a_wanted_pod_never() {
    let web = pod("u1", "web");
    let mut roster = ready();
    roster.desire([PodChange::Add(web)]);
    let listed = || vec![in_runtime("u1", "web"), in_runtime("u9", "ghost")];
    assert_eq!(
        roster.relisted(listed()),
        [Step::EndOrphan(in_runtime("u9", "ghost"))]
    );
    assert_eq!(roster.relisted(listed()), []);
}

#[test]
fn after_closing_every_pod_ends_and_none_starts() {
    let (web, late) = (pod("u1", "web"), pod("u2", "late"));
    let mut roster = ready();
    roster.desire([PodChange::Add(web)]);
    assert_eq!(roster.close(), [Step::End("u1".into(), None)]);
    assert_eq!(roster.desire([PodChange::Add(late)]), []);
    assert!(!roster.is_done());
    assert_eq!(roster.finished(&"u1".into()), []);
    assert!(roster.is_done());
}

#[test]
fn news_of_a_pod_nobody_works_on_is_dropped() {
    assert_eq!(ready().runtime_changed("u1".into()), None);
}

/// A pod that asks for so many thousandths of CPUs.
fn asking(uid: &str, cpu: u64) -> Arc<Pod> {
    let mut pod = (*pod(uid, uid)).clone();
    pod.spec.containers[0].resources.requests.cpu_millis = Some(cpu);
    Arc::new(pod)
}

fn critical(uid: &str, cpu: u64) -> Arc<Pod> {
    let mut pod = (*asking(uid, cpu)).clone();
    pod.spec.placement.priority = 2_000_000_000;
    Arc::new(pod)
}

fn dead(uid: &str) -> RuntimePod {
    RuntimePod {
        life: Life::Dead,
        ..in_runtime(uid, uid)
    }
}

/// A node with two CPUs, on which the sources have these pods and the runtime those.
fn small(desired: &[&Arc<Pod>], known: Vec<RuntimePod>) -> (Roster, Vec<Step>) {
    let mut node = NodeFacts::boundless();
    node.allocatable.cpu_millis = 2000;
    let mut roster = Roster::new(Arc::new(node));
    roster.desire(desired.iter().map(|pod| PodChange::Add(Arc::clone(pod))));
    roster.sources_ready();
    let steps = roster.relisted(known);
    (roster, steps)
}

fn shown(steps: &[Step]) -> Vec<String> {
    let show = |step: &Step| match step {
        Step::Start(pod) => format!("start {}", pod.uid),
        Step::Inspect(pod) => format!("inspect {}", pod.uid),
        Step::LetIn(uid) => format!("let in {uid}"),
        Step::Refuse(pod, refusal) => format!("refuse {} {}", pod.uid, refusal.reason),
        Step::Preempt { pod, .. } => format!("preempt {}", pod.uid),
        Step::End(uid, _) => format!("end {uid}"),
        Step::EndUnseen(pod) => format!("end unseen {}", pod.uid),
        other => format!("{other:?}"),
    };
    steps.iter().map(show).collect()
}

#[test]
fn a_pod_without_room_is_refused_and_takes_none() {
    let (first, second, third) = (asking("a", 1500), asking("b", 600), asking("c", 500));
    let (mut roster, steps) = small(&[&first, &second, &third], vec![]);
    assert_eq!(shown(&steps), ["start a", "refuse b OutOfcpu", "start c"]);
    assert_eq!(shown(&roster.desire([removal(&second)])), ["end b"]);
}

#[test]
fn a_refused_pod_is_not_asked_again_but_another_one_may_take_its_place() {
    let (first, second) = (asking("a", 1500), asking("b", 600));
    let (mut roster, _) = small(&[&first, &second], vec![]);
    roster.desire([removal(&first)]);
    assert_eq!(shown(&roster.finished(&first.uid)), [""; 0]);
    let third = asking("c", 2000);
    let steps = roster.desire([PodChange::Add(third)]);
    assert_eq!(shown(&steps), ["start c"]);
}

#[test]
fn a_pod_that_has_ended_takes_no_room() {
    let (job, next) = (asking("a", 1500), asking("b", 1500));
    let (mut roster, _) = small(&[&job], vec![]);
    assert_eq!(roster.heard(&job.uid, Report::Ended), []);
    let steps = roster.desire([PodChange::Add(next)]);
    assert_eq!(shown(&steps), ["start b"]);
}

#[test]
fn after_a_restart_what_runs_comes_before_what_has_ended_and_that_before_what_is_new() {
    let (new, job, runs) = (asking("a", 400), asking("b", 1500), asking("c", 1500));
    let known = vec![dead("b"), in_runtime("c", "c")];
    let (mut roster, steps) = small(&[&new, &job, &runs], known);
    assert_eq!(shown(&steps), ["start c", "inspect b"], "the new one waits");
    // The job had done its work.
    let steps = roster.heard(&job.uid, Report::Ended);
    assert_eq!(shown(&steps), ["start a"]);
}

#[test]
fn a_pod_that_died_unfinished_is_let_in_before_new_ones_if_there_is_room() {
    let (new, died) = (asking("a", 1500), asking("b", 1500));
    let (mut roster, steps) = small(&[&new, &died], vec![dead("b")]);
    assert_eq!(shown(&steps), ["inspect b"]);
    let steps = roster.heard(&died.uid, Report::WantsIn);
    assert_eq!(shown(&steps), ["let in b", "refuse a OutOfcpu"]);
}

#[test]
fn a_pod_that_is_looked_at_and_not_wanted_any_more_holds_nobody_up() {
    let (new, died) = (asking("a", 1500), asking("b", 1500));
    let (mut roster, _) = small(&[&new, &died], vec![dead("b")]);
    let steps = roster.desire([removal(&died)]);
    assert_eq!(shown(&steps), ["end b", "start a"]);
}

#[test]
fn a_critical_pod_starts_when_its_victims_have_ended_and_nobody_is_let_in_before() {
    let (ordinary, other) = (asking("a", 1500), asking("b", 100));
    let (mut roster, _) = small(&[&ordinary], vec![]);
    let steps = roster.desire([PodChange::Add(critical("c", 1900))]);
    assert_eq!(shown(&steps), ["inspect c", "preempt a"]);
    assert_eq!(roster.heard(&"c".into(), Report::WantsIn), []);
    assert_eq!(roster.desire([PodChange::Add(other)]), []);
    let steps = roster.heard(&ordinary.uid, Report::Ended);
    assert_eq!(shown(&steps), ["let in c", "start b"]);
}

#[test]
fn a_critical_pod_that_is_removed_while_it_waits_for_room_lets_others_in() {
    let (ordinary, other) = (asking("a", 1500), asking("b", 100));
    let (mut roster, _) = small(&[&ordinary], vec![]);
    let wanted = critical("c", 1900);
    roster.desire([PodChange::Add(wanted.clone())]);
    roster.desire([PodChange::Add(other)]);
    assert_eq!(
        shown(&roster.desire([removal(&wanted)])),
        ["end c", "start b"]
    );
}

#[test]
fn a_kubelet_that_shall_end_all_pods_looks_first_what_there_is() {
    let mut roster = roster();
    assert_eq!(roster.close(), []);
    assert!(!roster.is_done(), "nobody has looked");
    assert_eq!(
        roster.relisted(vec![in_runtime("u1", "web")]),
        [Step::EndOrphan(in_runtime("u1", "web"))]
    );
    assert!(!roster.is_done());
    assert_eq!(roster.finished(&"u1".into()), []);
    assert!(roster.is_done());
}

#[test]
fn what_was_seen_before_the_sources_spoke_ends_with_the_others() {
    let mut roster = roster();
    assert_eq!(roster.relisted(vec![in_runtime("u1", "web")]), []);
    assert_eq!(roster.close(), [Step::EndOrphan(in_runtime("u1", "web"))]);
    assert!(!roster.is_done());
}

#[test]
fn a_kubelet_that_finds_nothing_is_done_at_once() {
    let mut roster = roster();
    roster.close();
    assert_eq!(roster.relisted(vec![]), []);
    assert!(roster.is_done());
}

fn leaving(pod: &Arc<Pod>, seconds: u64) -> PodChange {
    PodChange::Update(Arc::new(Pod {
        leaves_within: Some(Duration::from_secs(seconds)),
        ..(**pod).clone()
    }))
}

#[test]
fn a_pod_that_was_deleted_ends_within_its_grace_and_is_not_taken_up_again() {
    let mut roster = ready();
    let web = pod("u1", "web");
    roster.desire([PodChange::Add(web.clone())]);
    let seconds = |grace| Some(Duration::from_secs(grace));
    for grace in [30, 5] {
        let steps = roster.desire([leaving(&web, grace)]);
        assert_eq!(steps, [Step::End("u1".into(), seconds(grace))]);
    }
    roster.finished(&"u1".into());
    assert_eq!(roster.desire([leaving(&web, 5)]), [], "it has ended");
    roster.desire([removal(&web)]);
    assert!(roster.left.is_empty());
}

#[test]
fn a_pod_that_was_deleted_before_it_was_seen_is_ended_all_the_same() {
    let mut roster = roster();
    let web = pod("u1", "web");
    let steps = roster.desire([leaving(&web, 5)]);
    assert_eq!(shown(&steps), ["end unseen u1"]);
    assert_eq!(roster.relisted(vec![in_runtime("u1", "web")]), []);
    assert_eq!(roster.sources_ready(), [], "it is no orphan");
    roster.desire([removal(&web)]);
    roster.finished(&"u1".into());
    assert!(roster.left.is_empty(), "its source has forgotten it");
}

#[test]
fn a_pod_that_the_cluster_knows_as_ended_is_only_looked_at() {
    let mut ended = (*asking("a", 5000)).clone();
    ended.origin = PodOrigin::Api;
    let status = k8s_openapi::api::core::v1::PodStatus {
        phase: Some("Succeeded".to_owned()),
        ..Default::default()
    };
    Arc::make_mut(&mut ended.manifest).status = Some(status);
    let (_, steps) = small(&[&Arc::new(ended)], vec![]);
    assert_eq!(shown(&steps), ["inspect a"]);
}
