//! Containers that get other sizes while they run, from what the source says to what is told.

use super::*;
use crate::admit::{Amounts, NodeFacts};

fn asking(name: &str, cpu: &str, generation: i64) -> Arc<Pod> {
    let resources = fixture::requests(cpu, "1Gi");
    Arc::new(fixture::asking(name, &resources, generation))
}

async fn on_a_node_with_two_cpus(pods: Vec<Arc<Pod>>) -> Harness {
    let harness = Harness::start().await;
    harness.node.facts.send_replace(Arc::new(NodeFacts {
        allocatable: Amounts {
            cpu_millis: 2000,
            memory: 16 << 30,
            ..Amounts::default()
        },
        ..NodeFacts::boundless()
    }));
    for pod in &pods {
        harness.add(pod).await;
        harness
            .until("it runs", |node| {
                let status = node.status(pod.uid.as_str());
                status.is_some_and(|status| status.phase.as_deref() == Some("Running"))
            })
            .await;
    }
    harness
}

/// `type reason generation` of the conditions that tell of a resize.
fn conditions(node: &FakeNode, uid: &str) -> Vec<String> {
    let status = node.status(uid).unwrap();
    let all = status.conditions.unwrap().into_iter();
    all.filter(|one| one.type_.starts_with("PodResize"))
        .map(|one| {
            let reason = one.reason.unwrap_or_default();
            format!("{} {reason} {:?}", one.type_, one.observed_generation)
        })
        .collect()
}

fn cpu(node: &FakeNode, uid: &str) -> Option<String> {
    let status = node.status(uid)?.container_statuses?.pop()?;
    Some(status.resources?.requests?.remove("cpu")?.0)
}

async fn update(harness: &Harness, pod: &Arc<Pod>) {
    harness
        .send(Input::Desired(vec![PodChange::Update(pod.clone())]))
        .await;
}

fn reasons(node: &FakeNode) -> Vec<String> {
    let events = node.events().into_iter();
    let words = events.map(|event| event.split(' ').next().unwrap_or_default().to_owned());
    words.filter(|word| word.starts_with("Resize")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_container_gets_another_size_without_being_started_anew() {
    let harness = on_a_node_with_two_cpus(vec![asking("a", "1", 1)]).await;
    update(&harness, &asking("a", "2", 2)).await;
    let uid = "uid-a";
    harness
        .until("it has it", |node| {
            cpu(node, uid).as_deref() == Some("2") && conditions(node, uid).is_empty()
        })
        .await;
    assert_eq!(
        harness.node.log(),
        ["0s sandbox 0", "0s start web#0", "resize web#0"]
    );
    assert_eq!(reasons(&harness.node), ["ResizeStarted", "ResizeCompleted"]);
    let completed = harness.node.events().pop().unwrap();
    assert!(completed.ends_with("\"generation\":2}"), "{completed}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_has_to_wait_says_so_and_gets_its_size_when_another_has_gone() {
    let other = asking("b", "1", 1);
    let harness = on_a_node_with_two_cpus(vec![asking("a", "1", 1), other.clone()]).await;
    update(&harness, &asking("a", "2", 2)).await;
    let uid = "uid-a";
    harness
        .until("it waits", |node| {
            conditions(node, uid) == ["PodResizePending Deferred Some(2)"]
        })
        .await;
    assert_eq!(cpu(&harness.node, uid).as_deref(), Some("1"));
    harness.remove(&other).await;
    harness
        .until("it has it", |node| {
            cpu(node, uid).as_deref() == Some("2") && conditions(node, uid).is_empty()
        })
        .await;
    assert_eq!(
        reasons(&harness.node),
        ["ResizeDeferred", "ResizeStarted", "ResizeCompleted"]
    );
    let text = harness.node.metrics.text();
    for line in [
        "kubelet_pod_deferred_accepted_resizes_total{retry_trigger=\"pod_terminated\"} 1",
        "kubelet_container_requested_resizes_total{resource=\"cpu\",requirement=\"requests\",\
         operation=\"increase\"} 1",
        "kubelet_pod_pending_resizes{reason=\"deferred\"} 0",
        "kubelet_pod_in_progress_resizes 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_container_from_its_size_is_told_and_tried_again() {
    let harness = on_a_node_with_two_cpus(vec![asking("a", "1", 1)]).await;
    harness.node.fail_resizes(Some("the kernel is busy"));
    update(&harness, &asking("a", "2", 2)).await;
    let uid = "uid-a";
    harness
        .until("it fails", |node| {
            conditions(node, uid) == ["PodResizeInProgress Error Some(2)"]
        })
        .await;
    assert_eq!(cpu(&harness.node, uid).as_deref(), Some("1"), "what it has");
    harness.node.fail_resizes(None);
    harness
        .until("it has it", |node| conditions(node, uid).is_empty())
        .await;
    assert_eq!(
        reasons(&harness.node),
        ["ResizeStarted", "ResizeError", "ResizeCompleted"]
    );
}
