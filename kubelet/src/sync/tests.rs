//! The life of pods from the loop's inbox to the runtime, in paused time.

mod model;
mod resizes;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::fake::{Behaviour, FakeNode};
use super::{Input, Prober, RuntimePod};
use crate::model::RestartPolicy::{Always, Never, OnFailure};
use crate::model::{
    Demise, EphemeralContainer, FailureReason, Pod, PodChange, Probe, ProbeAction, ProbeKind,
    ProbeOutcome, ProbeResults, RestartPolicy, Verdict,
};
use crate::plan::fixture;

/// A running loop over a node in memory.
struct Harness {
    node: Arc<FakeNode>,
    inbox: mpsc::Sender<Input>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Harness {
    /// A node with nothing on it, and all sources read.
    async fn start() -> Self {
        Self::start_with(&[], vec![]).await
    }

    /// A node of which the runtime has `left_behind`, and on which `desired` is read at once.
    async fn start_with(left_behind: &[(&str, &str)], desired: Vec<Arc<Pod>>) -> Self {
        let (inbox, receiver) = mpsc::channel(64);
        let node = FakeNode::new(inbox.clone());
        let pods: Vec<RuntimePod> = left_behind
            .iter()
            .map(|(uid, name)| node.leave_behind(uid, name))
            .collect();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(super::run(node.world(), receiver, shutdown.clone()));
        let harness = Self {
            node,
            inbox,
            shutdown,
            task,
        };
        harness.send(Input::Relisted(pods)).await;
        harness
            .send(Input::Desired(
                desired.into_iter().map(PodChange::Add).collect(),
            ))
            .await;
        harness.send(Input::SourcesReady).await;
        harness
    }

    async fn send(&self, input: Input) {
        self.inbox.send(input).await.expect("the loop runs");
    }

    async fn add(&self, pod: &Arc<Pod>) {
        self.send(Input::Desired(vec![PodChange::Add(pod.clone())]))
            .await;
    }

    async fn remove(&self, pod: &Pod) {
        let (uid, name) = (pod.uid.clone(), pod.name.clone());
        self.send(Input::Desired(vec![PodChange::Remove { uid, name }]))
            .await;
    }

    /// Waits, in paused time, until the node is as wanted.
    async fn until(&self, what: &str, is_so: impl Fn(&FakeNode) -> bool) {
        let mut changes = self.node.changes.subscribe();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3600);
        while !is_so(&self.node) {
            let changed = tokio::time::timeout_at(deadline, changes.changed()).await;
            assert!(changed.is_ok(), "never: {what}; log {:?}", self.node.log());
        }
    }

    async fn until_phase(&self, phase: &str) {
        self.until(phase, |node| phase_of(node).as_deref() == Some(phase))
            .await;
    }

    async fn until_logged(&self, line: &str) {
        self.until(line, |node| {
            node.log().iter().any(|logged| logged.ends_with(line))
        })
        .await;
    }
}

fn phase_of(node: &FakeNode) -> Option<String> {
    node.status("uid-1")?.phase
}

fn pod(policy: RestartPolicy, init: &[&str], regular: &[&str]) -> Arc<Pod> {
    Arc::new(fixture::pod(policy, init, regular))
}

#[tokio::test(start_paused = true)]
async fn a_pod_runs_and_when_it_is_removed_nothing_is_left() {
    let harness = Harness::start().await;
    let web = pod(Always, &[], &["web"]);
    harness.add(&web).await;
    harness.until_phase("Running").await;
    harness.remove(&web).await;
    harness.until_logged("clean up web-node").await;
    harness
        .until("forgotten", |node| node.status("uid-1").is_none())
        .await;
    assert!(harness.node.is_empty());
    assert_eq!(
        harness.node.log(),
        [
            "0s sandbox 0",
            "0s start web#0",
            "0s kill web#0",
            "0s stop s0",
            "0s clean up web-node"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn init_containers_finish_before_the_others_start() {
    let harness = Harness::start().await;
    harness.node.script(
        "init",
        &[
            Behaviour::Exits(0, 1),
            Behaviour::Exits(0, 1),
            Behaviour::Exits(0, 0),
        ],
    );
    harness.add(&pod(Always, &["init"], &["web"])).await;
    harness.until_phase("Running").await;
    assert_eq!(
        harness.node.log(),
        [
            "0s sandbox 0",
            "0s start init#0",
            "0s start init#1",
            "10s start init#2",
            "10s start web#0"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_crashing_container_is_restarted_later_each_time_and_its_waits_are_told() {
    let harness = Harness::start().await;
    harness
        .node
        .script("web", &[const { Behaviour::Exits(0, 1) }; 4]);
    harness.add(&pod(Always, &[], &["web"])).await;
    harness.until_logged("start web#4").await;
    assert_eq!(
        harness.node.log()[1..],
        [
            "0s start web#0",
            "0s start web#1",
            "10s start web#2",
            "30s start web#3",
            "70s start web#4"
        ]
    );
    let told = harness.node.events();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(
        told[0],
        "BackOff Back-off restarting failed container web in pod web-node_default(uid-1)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_has_done_its_work_stops_and_stays() {
    let harness = Harness::start().await;
    harness
        .node
        .script("job", &[Behaviour::Exits(0, 3), Behaviour::Exits(0, 0)]);
    let job = pod(OnFailure, &[], &["job"]);
    harness.add(&job).await;
    harness.until_phase("Succeeded").await;
    harness.until_logged("release web-node").await;
    let log = harness.node.log();
    assert!(log[log.len() - 2].ends_with("stop s0"), "{log:?}");
    tokio::time::advance(Duration::from_secs(600)).await;
    harness.send(Input::RuntimeChanged(job.uid.clone())).await;
    harness.remove(&job).await;
    harness.until_logged("clean up web-node").await;
    assert_eq!(
        harness.node.log().len(),
        log.len() + 1,
        "nothing was started again, nor released twice"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_is_tried_again_and_the_status_says_so() {
    let harness = Harness::start().await;
    harness
        .node
        .script("web", &[Behaviour::Fails(FailureReason::ErrImagePull)]);
    harness.add(&pod(Always, &[], &["web"])).await;
    let waiting = |node: &FakeNode| -> Option<String> {
        let status = node.status("uid-1")?.container_statuses?.remove(0);
        status.state?.waiting?.reason
    };
    harness
        .until("told", |node| {
            waiting(node).as_deref() == Some("ErrImagePull")
        })
        .await;
    harness.until_phase("Running").await;
    assert_eq!(harness.node.log(), ["0s sandbox 0", "10s start web#0"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_the_node_cannot_attach_for_is_rejected() {
    let harness = Harness::start().await;
    harness.node.script("web", &[Behaviour::IsRejected]);
    harness.add(&pod(Always, &[], &["web"])).await;
    harness.until_phase("Failed").await;
    let status = harness.node.status("uid-1").unwrap();
    assert_eq!(
        status.reason.as_deref(),
        Some("VolumeAttachmentLimitExceeded")
    );
    assert_eq!(
        status.message.as_deref(),
        Some("Pod was rejected: scripted")
    );
    harness.until_logged("release web-node").await;
    let log = harness.node.log();
    assert_eq!(log, ["0s sandbox 0", "0s stop s0", "0s release web-node"]);
}

#[tokio::test(start_paused = true)]
async fn news_of_a_failing_pod_does_not_make_it_try_without_pause() {
    let harness = Harness::start().await;
    harness.node.script(
        "web",
        &[const { Behaviour::Fails(FailureReason::RunContainerError) }; 5],
    );
    let web = pod(Always, &[], &["web"]);
    harness.add(&web).await;
    harness.until_phase("Pending").await;
    while phase_of(&harness.node).as_deref() != Some("Running") {
        harness.send(Input::RuntimeChanged(web.uid.clone())).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(harness.node.log(), ["0s sandbox 0", "5s start web#0"]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_interrupts_a_sync_that_hangs() {
    let harness = Harness::start().await;
    harness.node.hang();
    let web = pod(Always, &[], &["web"]);
    harness.add(&web).await;
    harness.until_logged("hang").await;
    harness.remove(&web).await;
    harness.until_logged("clean up web-node").await;
    assert_eq!(harness.node.seconds(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_edited_pod_starts_when_the_old_one_has_gone() {
    let harness = Harness::start().await;
    harness.node.script("web", &[Behaviour::Stubborn]);
    let old = pod(Always, &[], &["web"]);
    let new = Arc::new(Pod {
        uid: "uid-2".into(),
        ..(*old).clone()
    });
    harness.add(&old).await;
    harness.until_phase("Running").await;
    harness.remove(&old).await;
    harness.add(&new).await;
    harness
        .until("new runs", |node| node.status("uid-2").is_some())
        .await;
    harness.until_logged("start web#0").await;
    harness
        .until("two starts", |node| node.log().len() == 7)
        .await;
    assert_eq!(
        harness.node.log()[2..],
        [
            "30s kill web#0",
            "30s stop s0",
            "30s clean up web-node",
            "30s sandbox 0",
            "30s start web#0"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_what_is_wanted_goes_on_and_what_nobody_wants_is_ended() {
    let web = pod(Always, &[], &["web"]);
    let left_behind = [("ghost", "ghost"), ("uid-1", "web-node")];
    let harness = Harness::start_with(&left_behind, vec![web]).await;
    harness.until_phase("Running").await;
    harness.until_logged("clean up ghost").await;
    assert_eq!(
        harness.node.log(),
        ["0s kill web#0", "0s stop s0", "0s clean up ghost"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_past_its_deadline_is_ended_and_stays_failed() {
    let harness = Harness::start().await;
    let mut web = fixture::pod(Always, &[], &["web"]);
    web.spec.active_deadline = Some(Duration::from_secs(40));
    harness.add(&Arc::new(web)).await;
    harness.until_phase("Failed").await;
    harness.until_logged("release web-node").await;
    assert_eq!(
        harness.node.log(),
        [
            "0s sandbox 0",
            "0s start web#0",
            "40s kill web#0",
            "40s stop s0",
            "40s release web-node"
        ]
    );
    let reason = harness
        .node
        .status("uid-1")
        .and_then(|status| status.reason);
    assert_eq!(reason.as_deref(), Some("DeadlineExceeded"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_given_up_ends_and_says_why_until_nobody_wants_it() {
    let harness = Harness::start().await;
    harness.node.script("web", &[Behaviour::Stubborn]);
    let web = pod(Always, &[], &["web"]);
    harness.add(&web).await;
    harness.until_phase("Running").await;
    let demise = Arc::new(Demise {
        reason: "Evicted".into(),
        message: "The node was low on resource: memory.".to_owned(),
        disruption: None,
    });
    harness
        .send(Input::Fail {
            uid: web.uid.clone(),
            demise,
            grace: Some(Duration::from_secs(1)),
        })
        .await;
    harness.until_logged("1s stop s0").await;
    let status = harness.node.status("uid-1").expect("it is told");
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(status.reason.as_deref(), Some("Evicted"));
    harness.remove(&web).await;
    harness
        .until("forgotten", |node| node.status("uid-1").is_none())
        .await;
    let log = harness.node.log();
    let cleaned = log.iter().filter(|line| line.contains("clean up"));
    assert_eq!(cleaned.count(), 2, "by the node and for good: {log:?}");
    assert_eq!(log.len(), 6, "nothing was started again");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_on_though_the_node_has_given_it_up_is_told_of() {
    let told = |grace, disruption: Option<&str>| {
        let disruption = disruption.map(str::to_owned);
        async move {
            let harness = Harness::start().await;
            harness.node.script("web", &[Behaviour::Undead]);
            let web = pod(Always, &[], &["web"]);
            harness.add(&web).await;
            harness.until_phase("Running").await;
            let demise = Demise {
                reason: "Preempting".into(),
                message: "m".to_owned(),
                disruption,
            };
            let (uid, demise) = (web.uid.clone(), Arc::new(demise));
            let grace = Some(Duration::from_secs(grace));
            harness.send(Input::Fail { uid, demise, grace }).await;
            harness.until_logged("stop s0").await;
            harness.node.events()
        }
    };
    let late = "ExceededGracePeriod Container runtime did not kill the pod within specified grace \
                period.";
    // A minute is more than ten seconds, and less than two minutes and half of them again.
    assert!(told(1, Some("m")).await.contains(&late.to_owned()));
    assert!(!told(121, Some("m")).await.contains(&late.to_owned()));
    assert!(!told(1, None).await.contains(&late.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_let_in_to_the_node_as_it_is_when_it_comes() {
    let harness = Harness::start().await;
    // In paused time this ends when everybody waits, the loop too.
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.node.facts.send_modify(|facts| {
        let mut full = (**facts).clone();
        full.pods = 0;
        *facts = Arc::new(full);
    });
    harness.add(&pod(Always, &[], &["web"])).await;
    harness.until_phase("Failed").await;
}

#[tokio::test(start_paused = true)]
async fn ending_all_returns_when_the_last_pod_is_gone() {
    let harness = Harness::start().await;
    harness.add(&pod(Never, &[], &["web"])).await;
    harness.until_phase("Running").await;
    harness.send(Input::EndAll).await;
    harness.task.await.expect("the loop ends by itself");
    assert!(harness.node.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_leaves_the_pods_running() {
    let harness = Harness::start().await;
    harness.add(&pod(Always, &[], &["web"])).await;
    harness.until_phase("Running").await;
    harness.shutdown.cancel();
    harness.task.await.expect("the loop ends when told");
    assert!(!harness.node.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_does_is_counted() {
    let harness = Harness::start().await;
    let web = pod(Always, &[], &["web"]);
    harness.add(&web).await;
    harness.until_phase("Running").await;
    harness.remove(&web).await;
    harness
        .until("forgotten", |node| node.status("uid-1").is_none())
        .await;
    let text = harness.node.metrics.text();
    for line in [
        "kubelet_pod_start_duration_seconds_count 1",
        "kubelet_pod_worker_start_duration_seconds_count 1",
        "kubelet_pod_worker_duration_seconds_count{operation_type=\"create\"} 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(text.contains("operation_type=\"kill\""), "{text}");
}

/// A pod with one container that has these probes.
fn probed(policy: RestartPolicy, kinds: &[ProbeKind]) -> Arc<Pod> {
    let mut pod = fixture::pod(policy, &[], &["web"]);
    let probes = &mut pod.spec.containers[0].probes;
    // Told apart by their commands.
    let of = |kind: ProbeKind| {
        let action = ProbeAction::Exec(vec![kind.as_str().to_owned()]);
        let probe = Probe {
            action,
            ..fixture::probe()
        };
        kinds.contains(&kind).then_some(probe)
    };
    probes.startup = of(ProbeKind::Startup);
    probes.readiness = of(ProbeKind::Readiness);
    probes.liveness = of(ProbeKind::Liveness);
    Arc::new(pod)
}

fn bad() -> ProbeOutcome {
    ProbeOutcome::Failure("no".to_owned())
}

fn is_ready(node: &FakeNode) -> bool {
    let statuses = node
        .status("uid-1")
        .and_then(|status| status.container_statuses);
    statuses.is_some_and(|statuses| statuses.iter().all(|one| one.ready))
}

#[tokio::test(start_paused = true)]
async fn a_container_is_ready_as_soon_as_its_probe_succeeds() {
    let harness = Harness::start().await;
    harness.node.answer("web", &[bad(), bad()]);
    harness.add(&probed(Always, &[ProbeKind::Readiness])).await;
    harness.until_phase("Running").await;
    harness.until("ready", is_ready).await;
    assert!(harness.node.seconds() <= 20, "{:?}", harness.node.probed());
    assert!(
        harness
            .node
            .events()
            .contains(&"Unhealthy Readiness probe failed: no".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_not_alive_is_ended_after_the_third_bad_answer_and_started_again() {
    let harness = Harness::start().await;
    harness
        .node
        .answer("web", &[ProbeOutcome::Success, bad(), bad(), bad()]);
    harness.add(&probed(Always, &[ProbeKind::Liveness])).await;
    harness.until_logged("start web#1").await;
    let probed = harness.node.probed();
    let of_first = probed.iter().filter(|line| line.ends_with("web#0")).count();
    assert_eq!(of_first, 4, "{probed:?}");
    harness
        .until("probed anew", |node| {
            node.probed()
                .iter()
                .any(|line| line.ends_with("Liveness web#1"))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_asked_before_a_container_has_started() {
    let harness = Harness::start().await;
    harness
        .node
        .answer("web", &[bad(), bad(), ProbeOutcome::Success]);
    harness.add(&probed(Always, &ProbeKind::ALL)).await;
    harness.until("ready", is_ready).await;
    let probed = harness.node.probed();
    let kinds: Vec<_> = probed
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(kinds[..3], ["Startup"; 3], "{probed:?}");
    assert!(!kinds[3..].contains(&"Startup"), "{probed:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_says_nothing_about_the_container() {
    let harness = Harness::start().await;
    let unasked = ProbeOutcome::Error("no such port".to_owned());
    harness.node.answer("web", &vec![unasked; 9]);
    harness.add(&probed(Always, &[ProbeKind::Liveness])).await;
    harness.until("asked", |node| node.probed().len() > 9).await;
    assert!(!harness.node.log().iter().any(|line| line.contains("kill")));
    let told = "Unhealthy Liveness probe errored and resulted in unknown state: no such port";
    assert!(harness.node.events().contains(&told.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_ready_pod_stays_ready_when_the_kubelet_starts_again() {
    let mut known = ProbeResults::default();
    for kind in [ProbeKind::Startup, ProbeKind::Readiness] {
        known.set("web".into(), kind, "web#0".into(), Verdict::Success);
    }
    let (inbox, receiver) = mpsc::channel(64);
    let node = FakeNode::new(inbox.clone());
    let left = node.leave_behind("uid-1", "web-node");
    node.leave_verdicts("uid-1", known);
    // Nobody has answered since, and nobody does.
    node.answer("web", &[bad(), bad()]);
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(super::run(node.world(), receiver, shutdown.clone()));
    let harness = Harness {
        node,
        inbox,
        shutdown,
        task,
    };
    harness.send(Input::Relisted(vec![left])).await;
    harness
        .add(&probed(Always, &[ProbeKind::Startup, ProbeKind::Readiness]))
        .await;
    harness.send(Input::SourcesReady).await;
    harness
        .until("told", |node| node.status("uid-1").is_some())
        .await;
    assert!(is_ready(&harness.node));
    harness.until("asked", |node| node.probed().len() > 1).await;
    assert!(is_ready(&harness.node), "two bad answers are no verdict");
    assert!(harness.node.probed()[0].contains("Readiness"));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_kept_before_anybody_sees_it() {
    let harness = Harness::start().await;
    harness.node.script("web", &[Behaviour::Stubborn]);
    harness.node.answer("web", &vec![bad(); 100]);
    let web = probed(Always, &[ProbeKind::Readiness]);
    harness.add(&web).await;
    harness.until_phase("Running").await;
    harness.remove(&web).await;
    harness.node.answer("web", &[]);
    harness.until("ready while it ends", is_ready).await;
    let kept = harness.node.recall(&"uid-1".into()).await;
    let verdict = kept.of(&"web".into(), &"web#0".into(), ProbeKind::Readiness);
    assert_eq!(verdict, Some(Verdict::Success));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_ends_is_asked_whether_it_can_serve_and_no_more_whether_it_lives() {
    let harness = Harness::start().await;
    harness.node.script("web", &[Behaviour::Stubborn]);
    let web = probed(Always, &[ProbeKind::Readiness, ProbeKind::Liveness]);
    harness.add(&web).await;
    harness.until("ready", is_ready).await;
    harness.remove(&web).await;
    let so_far = harness.node.probed().len();
    harness.until_logged("clean up web-node").await;
    let while_ending = &harness.node.probed()[so_far..];
    assert!(
        while_ending.iter().any(|line| line.contains("Readiness")),
        "{while_ending:?}"
    );
    assert!(
        !while_ending.iter().any(|line| line.contains("Liveness")),
        "{while_ending:?}"
    );
    let count = harness.node.probed().len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        harness.node.probed().len(),
        count,
        "nothing is asked of a pod that is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_restart_waits_for_no_policy_and_no_back_off() {
    let harness = Harness::start().await;
    harness.add(&pod(Never, &[], &["web", "side"])).await;
    harness.until_phase("Running").await;
    for count in 0..3 {
        let restart = Input::Restart {
            uid: "uid-1".into(),
            containers: [format!("web#{count}").as_str().into()].into(),
        };
        harness.send(restart).await;
        harness
            .until_logged(&format!("0s start web#{}", count + 1))
            .await;
    }
    let log = harness.node.log();
    assert!(
        !log.iter().any(|line| line.contains("kill side")),
        "{log:?}"
    );
    harness.until_phase("Running").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_added_to_a_pod_starts_once_beside_the_others() {
    let harness = Harness::start().await;
    harness.add(&pod(Always, &[], &["web"])).await;
    harness.until_phase("Running").await;
    let debug = EphemeralContainer {
        container: fixture::container("debug"),
        target: None,
    };
    harness.node.script("debug", &[Behaviour::Exits(0, 0)]);
    harness.node.add("uid-1", debug);
    harness.send(Input::Added("uid-1".into())).await;
    harness.until_logged("start debug#0").await;
    // The same definition again, as a source tells it that knows nothing of additions.
    let same = PodChange::Update(pod(Always, &[], &["web"]));
    harness.send(Input::Desired(vec![same])).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let log = harness.node.log();
    let of = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    assert_eq!(
        (of("start debug"), of("kill"), of("start web")),
        (1, 0, 1),
        "{log:?}"
    );
}
