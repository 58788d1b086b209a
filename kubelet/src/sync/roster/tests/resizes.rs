//! Wishes for other sizes: who is let in at which size, who gets more, and when.

use super::*;
use crate::admit::Amounts;
use crate::allocation::Ledger;
use crate::model::Prospect;

const GIB: u64 = 1 << 30;

/// A pod of an API server that asks for so much CPU.
fn asking(name: &str, cpu: &str, generation: i64) -> Arc<Pod> {
    let resources = fixture::requests(cpu, "1Gi");
    Arc::new(fixture::asking(name, &resources, generation))
}

/// A node with two CPUs, on which these pods are in.
fn with(pods: &[&Arc<Pod>]) -> Roster {
    let mut roster = Roster::new(node("2"));
    roster.sources_ready();
    roster.relisted(vec![]);
    roster.desire(pods.iter().map(|pod| PodChange::Add(Arc::clone(pod))));
    roster
}

fn node(cpus: &str) -> Arc<NodeFacts> {
    Arc::new(NodeFacts {
        allocatable: Amounts {
            cpu_millis: cpus.parse::<u64>().unwrap() * 1000,
            memory: 16 * GIB,
            ..Amounts::default()
        },
        ..NodeFacts::boundless()
    })
}

fn update(roster: &mut Roster, pod: &Arc<Pod>) -> Vec<String> {
    told(&roster.desire([PodChange::Update(Arc::clone(pod))]))
}

/// What is told to workers, with the CPU that the container has been given.
fn told(steps: &[Step]) -> Vec<String> {
    let cpu = |pod: &Pod| {
        pod.spec.containers[0]
            .resources
            .requests
            .cpu_millis
            .unwrap()
    };
    let word = |step: &Step| match step {
        Step::Start(pod) => format!("start {} {}", pod.uid, cpu(pod)),
        Step::Update(pod) => format!("update {} {}", pod.uid, cpu(pod)),
        Step::Grant { pod, after } => {
            let after = after.map_or("", Trigger::as_str);
            format!("grant {} {} {after}", pod.uid, cpu(pod))
        }
        Step::Postpone { pod, .. } => {
            let why = pod.resize.pending.as_ref().unwrap();
            format!("{} {} {}", why.prospect.as_str(), pod.uid, cpu(pod))
        }
        Step::End(uid, _) => format!("end {uid}"),
        other => format!("{other:?}"),
    };
    steps.iter().map(word).collect()
}

#[test]
fn a_wish_for_which_there_is_room_is_granted_at_once() {
    let mut roster = with(&[&asking("a", "1", 1)]);
    let wish = asking("a", "2", 2);
    let steps = update(&mut roster, &wish);
    assert_eq!(steps, ["update uid-a 1000", "grant uid-a 2000 "]);
    let granted = &roster.active[&wish.uid].pod.as_ref().unwrap().resize;
    assert_eq!(granted.granted, Some(2));
    assert!(granted.allocated.is_empty());
    // What changes beside that does not undo it.
    assert_eq!(update(&mut roster, &wish), ["update uid-a 2000"]);
    let kept = &roster.active[&wish.uid].pod.as_ref().unwrap().resize;
    assert_eq!(kept.granted, Some(2));
}

#[test]
fn a_wish_without_room_waits_until_another_pod_has_ended() {
    let other = asking("b", "1", 1);
    let mut roster = with(&[&asking("a", "1", 1), &other]);
    let steps = update(&mut roster, &asking("a", "2", 2));
    assert_eq!(steps, ["update uid-a 1000", "Deferred uid-a 1000"]);
    assert_eq!(roster.pending_resizes(), (1, 0));
    assert_eq!(roster.beat(), [], "what is known is not told again");
    assert_eq!(told(&roster.desire([removal(&other)])), ["end uid-b"]);
    assert_eq!(
        told(&roster.heard(&other.uid, Report::Ended)),
        ["grant uid-a 2000 pod_terminated"]
    );
    assert_eq!(roster.pending_resizes(), (0, 0));
}

#[test]
fn who_comes_new_finds_the_room_that_pods_have_been_given_and_not_what_they_wish() {
    let mut roster = with(&[&asking("a", "1", 1), &asking("b", "500m", 1)]);
    update(&mut roster, &asking("a", "2", 2));
    let steps = roster.desire([PodChange::Add(asking("c", "500m", 1))]);
    assert_eq!(
        told(&steps),
        ["start uid-c 500", "update uid-a 1000"],
        "only the words of the wish change"
    );
}

#[test]
fn what_a_pod_gives_up_is_free_when_it_has_less() {
    let (small, large) = (asking("a", "1", 1), asking("b", "1", 1));
    let mut roster = with(&[&small, &large]);
    update(&mut roster, &asking("a", "1500m", 2));
    let steps = update(&mut roster, &asking("b", "500m", 2));
    assert_eq!(steps, ["update uid-b 1000", "grant uid-b 500 "]);
    let early = roster.heard(&large.uid, Report::Resized(1));
    assert_eq!(early, [], "that was another wish");
    assert_eq!(
        told(&roster.heard(&large.uid, Report::Resized(2))),
        ["grant uid-a 1500 pod_resized"]
    );
}

#[test]
fn a_wish_that_is_taken_back_is_forgotten() {
    let mut roster = with(&[&asking("a", "1", 1), &asking("b", "1", 1)]);
    update(&mut roster, &asking("a", "2", 2));
    let steps = update(&mut roster, &asking("a", "1", 3));
    assert_eq!(steps, ["update uid-a 1000"]);
    let pod = roster.active[&"uid-a".into()].pod.clone().unwrap();
    assert_eq!(pod.resize, crate::model::Resize::default());
}

#[test]
fn what_can_never_be_is_told_once_and_is_granted_when_the_node_grows() {
    let mut roster = with(&[&asking("a", "1", 1)]);
    let steps = update(&mut roster, &asking("a", "3", 2));
    assert_eq!(steps, ["update uid-a 1000", "Infeasible uid-a 1000"]);
    assert_eq!(roster.pending_resizes(), (0, 1));
    let pending = &roster.resizes.wishes[&"uid-a".into()].pending;
    assert_eq!(pending.as_ref().unwrap().prospect, Prospect::Infeasible);
    assert_eq!(roster.beat(), []);
    roster.see_node(node("4"));
    assert_eq!(told(&roster.beat()), ["grant uid-a 3000 "]);
}

#[test]
fn the_next_kubelet_runs_a_pod_at_what_it_was_given_until_all_have_spoken() {
    let mut before = with(&[&asking("a", "1", 1), &asking("b", "1", 1)]);
    let ledger = before.ledger_to_keep().unwrap().clone();
    assert_eq!(before.ledger_to_keep(), None);
    let mut roster = Roster::new(node("2")).with_ledger(ledger);
    let (a, b) = (asking("a", "2", 2), asking("b", "1", 1));
    roster.desire([PodChange::Add(a)]);
    let steps = roster.relisted(vec![in_runtime("uid-a", "a"), in_runtime("uid-b", "b")]);
    assert_eq!(told(&steps), ["start uid-a 1000"]);
    roster.desire([PodChange::Add(b)]);
    assert_eq!(told(&roster.sources_ready()), ["Deferred uid-a 1000"]);
}

#[test]
fn what_was_given_is_forgotten_with_its_pod() {
    let pod = asking("a", "1", 1);
    let mut roster = with(&[&pod]);
    roster.desire([removal(&pod)]);
    roster.finished(&pod.uid);
    assert_eq!(roster.ledger_to_keep(), Some(&Ledger::default()));
    let mut left = Ledger::default();
    left.give(&pod);
    let mut roster = Roster::new(node("2")).with_ledger(left);
    roster.relisted(vec![]);
    roster.sources_ready();
    assert_eq!(roster.resizes.ledger, Ledger::default());
}

#[test]
fn what_is_asked_for_is_counted_once() {
    let mut roster = with(&[&asking("a", "1", 1), &asking("b", "1", 1)]);
    assert_eq!(roster.take_asked(), []);
    let wish = asking("a", "2", 2);
    for expected in [1, 0] {
        update(&mut roster, &wish);
        assert_eq!(roster.take_asked().len(), expected);
    }
}
