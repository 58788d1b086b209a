//! Running containers that get other sizes: what the runtime is asked for, and in which order.

use super::*;
use crate::cri::fake::Used;
use crate::cri::{
    ContainerMetadata, ContainerStats, MemoryUsage, PodStats, SandboxMetadata, Usage,
};
use crate::model::{OnResize, Size};
use crate::plan::is_resizing;

const GIB: u64 = 1 << 30;

/// A pod whose container is limited to so many thousandths of CPUs and so much memory.
fn limited(cpu: u64, memory: u64) -> Pod {
    let mut pod = web();
    let resources = &mut pod.spec.containers[0].resources;
    resources.limits.cpu_millis = Some(cpu);
    resources.limits.memory_bytes = Some(memory);
    resources.requests = resources.limits;
    pod
}

async fn running(cpu: u64, memory: u64) -> Stage {
    let mut stage = Stage::new();
    stage.runtime.publish("registry.test/web:1");
    stage.settle(&limited(cpu, memory)).await;
    stage
}

/// `quota memory` of each time that a container was given something.
fn given(stage: &Stage) -> Vec<(i64, i64)> {
    let updates = stage.runtime.updates().into_iter();
    updates
        .map(|(_, resources)| (resources.cpu_quota, resources.memory_limit))
        .collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_running_container_gets_its_memory_first_and_then_its_cpu_and_is_not_started_anew() {
    let mut stage = running(500, GIB).await;
    let larger = limited(1000, 2 * GIB);
    stage.settle(&larger).await;
    let large = signed(2 * GIB);
    assert_eq!(given(&stage), [(50_000, large), (100_000, large)]);
    assert_eq!(stage.runtime.calls("StartContainer"), 1);
    let observed = stage.observe(&larger).await;
    let size = Size::of(&larger.spec.containers[0].resources);
    assert_eq!(observed.containers[0].size, Some(size));
    stage.settle(&limited(500, 2 * GIB)).await;
    assert_eq!(given(&stage)[2..], [(50_000, large)]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_resized_is_started_anew_at_its_size() {
    let mut stage = running(500, GIB).await;
    let mut larger = limited(500, 2 * GIB);
    larger.spec.containers[0].resize.memory = OnResize::RestartContainer;
    stage.settle(&larger).await;
    assert_eq!(given(&stage), []);
    assert_eq!(stage.runtime.calls("StartContainer"), 2);
    assert!(!is_resizing(&larger, &stage.observe(&larger).await));
    let message = "Container web resize requires restart".to_owned();
    assert!(
        stage.messages().contains(&message),
        "{:?}",
        stage.messages()
    );
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_in_use_is_not_taken_away() {
    let mut stage = running(500, 2 * GIB).await;
    let smaller = limited(500, GIB);
    let sandbox = stage.observe(&smaller).await.sandboxes[0].id.clone();
    let now = stage.clock.now();
    let usage = |bytes| Usage {
        memory: Some(MemoryUsage {
            at: now,
            available: None,
            usage: Some(bytes),
            working_set: None,
            rss: None,
            page_faults: None,
            major_page_faults: None,
            pressure: None,
        }),
        ..Usage::default()
    };
    let uses = |bytes| Used {
        pods: vec![PodStats {
            id: sandbox.clone(),
            metadata: SandboxMetadata::default(),
            usage: usage(bytes),
            network: None,
            processes: None,
            containers: vec![ContainerStats {
                id: "c".into(),
                metadata: ContainerMetadata {
                    name: "web".to_owned(),
                    attempt: 0,
                },
                usage: usage(bytes),
                writable_layer: None,
            }],
        }],
        ..Used::default()
    };
    stage.runtime.uses(uses(GIB + 1));
    let report = stage.turn(&smaller).await.unwrap();
    assert_eq!(
        report.resize.as_deref(),
        Some(
            "cannot decrease memory limits: [attempting to set pod memory limit (1073741824) below \
             current usage (1073741825), attempting to set container \"web\" memory limit \
             (1073741824) below current usage (1073741825)]"
        )
    );
    assert_eq!(given(&stage), []);
    stage.runtime.uses(uses(1));
    stage.settle(&smaller).await;
    assert_eq!(given(&stage).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_runtime_refuses_is_told_and_asked_for_again() {
    let mut stage = running(500, GIB).await;
    let larger = limited(1000, GIB);
    stage.runtime.fail_next("UpdateContainerResources", "busy");
    let report = stage.turn(&larger).await.unwrap();
    assert_eq!(
        report.resize.as_deref(),
        Some("cannot resize container web: busy")
    );
    stage.settle(&larger).await;
    assert_eq!(given(&stage).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_may_reject_what_a_pods_cgroup_comes_to_and_need_not_know_the_call() {
    let mut stage = running(500, GIB).await;
    let larger = limited(1000, GIB);
    let call = "UpdatePodSandboxResources";
    stage.runtime.fail_next(call, "a plugin says no");
    let report = stage.turn(&larger).await.unwrap();
    assert!(report.resize.unwrap().ends_with("a plugin says no"));
    stage.runtime.fail_next(call, "not implemented yet");
    stage.settle(&larger).await;
    assert_eq!(given(&stage).len(), 1);
}
