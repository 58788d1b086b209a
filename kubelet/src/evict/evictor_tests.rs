//! The evictor over the runtime in memory and the disk of the test.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Amount, Evictor, Parts, Policy, Pressure, Signal, Standing, StorageLimits, Threshold};
use crate::admit::NodeFacts;
use crate::collect::{self, ContainerCollector, DeadParts, ImageCollector, Images};
use crate::config::Configuration;
use crate::cri::fake::{FakeRuntime, Used};
use crate::cri::{
    ContainerConfig, ContainerMetadata, Containers, FilesystemUsage, ImageFilesystems,
    ImageReference, PodStats, SandboxConfig, SandboxMetadata, Sandboxes, Usage,
};
use crate::event::EventLog;
use crate::labels;
use crate::layout::Layout;
use crate::metrics::UpkeepMetrics;
use crate::model::PodUid;
use crate::sync::{Clock, Input, Tenants};

/// A node with these pods, all of whose files are in one directory.
struct Stage {
    root: TempDir,
    evictor: Evictor,
    inbox: mpsc::Receiver<Input>,
    standing: watch::Receiver<Standing>,
    node: watch::Receiver<Arc<NodeFacts>>,
    events: Arc<EventLog>,
    runtime: FakeRuntime,
    images: Images,
}

fn pod(uid: &str, spec: Value) -> Arc<core::Pod> {
    let pod = json!({
        "metadata": { "name": uid, "namespace": "default", "uid": uid },
        "spec": spec,
        "status": { "phase": "Running" },
    });
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn stats(uid: &str) -> PodStats {
    PodStats {
        id: uid.into(),
        metadata: SandboxMetadata {
            uid: uid.to_owned(),
            ..SandboxMetadata::default()
        },
        usage: Usage::default(),
        network: None,
        processes: None,
        containers: Vec::new(),
    }
}

impl Stage {
    /// A node where nobody removes images.
    fn new(pods: Vec<Arc<core::Pod>>, thresholds: Vec<Threshold>) -> Self {
        Self::with_collectors(pods, thresholds).0
    }

    /// The same, and who may.
    fn with_collectors(
        pods: Vec<Arc<core::Pod>>,
        thresholds: Vec<Threshold>,
    ) -> (Self, ImageCollector, ContainerCollector) {
        let (runtime, root) = (FakeRuntime::new(), TempDir::new().unwrap());
        let uids = pods.iter().filter_map(|pod| pod.metadata.uid.as_deref());
        runtime.uses(Used {
            pods: uids.map(stats).collect(),
            filesystems: ImageFilesystems {
                images: vec![FilesystemUsage {
                    at: runtime.clock().now(),
                    mount_point: root.path().display().to_string(),
                    used_bytes: None,
                    inodes_used: None,
                }],
                ..ImageFilesystems::default()
            },
            ..Used::default()
        });
        let events = Arc::new(EventLog::new(Arc::new(runtime.clock())));
        let (sender, inbox) = mpsc::channel(8);
        let (standing, seen) = watch::channel(Standing::default());
        let (facts, node) = watch::channel(Arc::new(NodeFacts::boundless()));
        let (collector, images) = ImageCollector::new(
            Arc::new(runtime.clone()),
            Arc::clone(&events) as _,
            Arc::new(runtime.clock()),
            ("node", collect::Policy::of(&Configuration::default())),
            UpkeepMetrics::default(),
        );
        // Two pods of whom only one is known to have ended.
        let uids = |all: &[&str]| all.iter().map(|uid| PodUid::from(*uid)).collect();
        let tenants = watch::Sender::new(Tenants {
            settled: uids(&["done"]),
            known: Some(uids(&["done", "alone"])),
            ..Tenants::default()
        });
        let (containers, dead) = ContainerCollector::new(DeadParts {
            runtime: Arc::new(runtime.clone()),
            events: Arc::clone(&events) as _,
            clock: Arc::new(runtime.clock()),
            layout: Layout::new(root.path(), root.path()),
            node_name: "node".to_owned(),
            limit: None,
            tenants: tenants.subscribe(),
            remembers: Arc::new(|_| true),
        });
        let evictor = Evictor::new(Parts {
            dead,
            events: Arc::clone(&events) as _,
            clock: Arc::new(runtime.clock()),
            images: images.clone(),
            roll: Arc::new(move || pods.clone()),
            inbox: sender,
            standing,
            node: facts,
            layout: Layout::new(root.path(), root.path()),
            root: root.path().to_owned(),
            node_name: "node".to_owned(),
            pods_memory: u64::MAX,
            policy: Policy {
                thresholds,
                transition: Duration::from_secs(300),
                most_grace: Duration::from_secs(5),
                reserved_memory: 0,
                limits: StorageLimits::Held,
            },
            metrics: UpkeepMetrics::default(),
            runtime: Arc::new(runtime.clone()),
        });
        let stage = Self {
            root,
            evictor,
            inbox,
            standing: seen,
            node,
            events,
            runtime,
            images,
        };
        (stage, collector, containers)
    }

    /// A pod of which a dead container is left.
    async fn leave_dead(&self, uid: &str) {
        let (runtime, metadata) = (&self.runtime, SandboxMetadata::default());
        self.runtime.load("true:1");
        let sandbox = SandboxConfig {
            metadata: SandboxMetadata {
                name: uid.to_owned(),
                uid: uid.to_owned(),
                ..metadata
            },
            ..SandboxConfig::default()
        };
        let id = runtime.run_sandbox(sandbox.clone()).await.unwrap();
        let container = ContainerConfig {
            metadata: ContainerMetadata {
                name: uid.to_owned(),
                attempt: 0,
            },
            image: ImageReference::as_written("true:1"),
            labels: [(labels::POD_UID.to_owned(), uid.to_owned())].into(),
            ..ContainerConfig::default()
        };
        let made = runtime.create_container(id.clone(), container, sandbox);
        let made = made.await.unwrap();
        runtime.start_container(made.clone()).await.unwrap();
        runtime.stop_container(made, Duration::ZERO).await.unwrap();
        runtime.stop_sandbox(id).await.unwrap();
    }

    /// Who is given up, why, and how long he may take.
    fn given_up(&mut self) -> Option<(PodUid, String, Option<Duration>)> {
        match self.inbox.try_recv().ok()? {
            Input::Fail { uid, demise, grace } => {
                assert_eq!(demise.reason, "Evicted");
                Some((uid, demise.message.clone(), grace))
            }
            other => panic!("the evictor does not say {other:?}"),
        }
    }

    fn told(&self) -> Vec<String> {
        let all = self.events.all().into_iter();
        all.map(|one| one.event.reason.to_string()).collect()
    }
}

/// More than any disk has.
fn impossible(grace: u64) -> Vec<Threshold> {
    vec![Threshold {
        signal: Signal::NodefsAvailable,
        value: Amount::Quantity {
            units: i128::MAX / 2,
            text: "all".to_owned(),
        },
        grace: Duration::from_secs(grace),
        reclaim: None,
    }]
}

#[tokio::test]
async fn of_a_node_that_is_short_of_disk_the_least_pod_is_given_up_and_critical_ones_never() {
    let pods = vec![
        pod(
            "critical",
            json!({ "containers": [], "priority": 2_000_000_000 }),
        ),
        pod("dear", json!({ "containers": [], "priority": 5 })),
        pod("cheap", json!({ "containers": [], "priority": 1 })),
    ];
    let mut stage = Stage::new(pods, impossible(0));
    assert_eq!(stage.evictor.look().await, [PodUid::from("cheap")]);
    let (uid, message, grace) = stage.given_up().expect("one is given up");
    assert_eq!(uid.as_str(), "cheap");
    assert!(
        message.starts_with(
            "The node was low on resource: ephemeral-storage. Threshold quantity: all, available: "
        ),
        "{message}"
    );
    assert_eq!(grace, Some(Duration::from_secs(1)));
    assert_eq!(stage.given_up(), None, "one at a time");
    assert!(
        stage
            .standing
            .borrow()
            .pressures()
            .contains(&Pressure::Disk)
    );
    assert!(stage.node.borrow().pressures.contains(&Pressure::Disk));
    let told = ["NodeHasDiskPressure", "EvictionThresholdMet", "Evicted"];
    assert_eq!(stage.told(), told);
}

#[tokio::test(start_paused = true)]
async fn images_that_nobody_uses_go_before_a_pod_does() {
    let pods = vec![pod("web", json!({ "containers": [] }))];
    let (mut stage, collector, _) = Stage::with_collectors(pods, impossible(0));
    tokio::spawn(collector.run(CancellationToken::new()));
    stage.runtime.load("old:1");
    stage.images.remove_unused().await.unwrap();
    assert_eq!(stage.runtime.images().len(), 1, "it is too young");
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(stage.evictor.look().await, [PodUid::from("web")]);
    assert!(stage.runtime.images().is_empty(), "the image went too");
}

#[tokio::test]
async fn what_is_left_of_a_pod_goes_first_once_the_api_server_knows_that_it_has_ended() {
    let pods = vec![pod("web", json!({ "containers": [] }))];
    let (mut stage, _, containers) = Stage::with_collectors(pods, impossible(0));
    tokio::spawn(containers.run(CancellationToken::new()));
    stage.leave_dead("done").await;
    stage.leave_dead("alone").await;
    assert_eq!(stage.evictor.look().await, [PodUid::from("web")]);
    let left = [("alone".to_owned(), "exited")];
    assert_eq!(stage.runtime.containers(), left, "nobody else remembers it");
    let sandboxes = stage.runtime.list_sandboxes(crate::cri::Scope::All).await;
    let sandboxes = sandboxes.unwrap().into_iter();
    let left: BTreeSet<_> = sandboxes.map(|one| one.metadata.uid).collect();
    assert_eq!(left, BTreeSet::from(["alone".to_owned()]));
}

#[tokio::test]
async fn a_soft_threshold_is_only_told_at_first() {
    let pods = vec![pod("web", json!({ "containers": [] }))];
    let mut stage = Stage::new(pods, impossible(60));
    assert_eq!(stage.evictor.look().await, []);
    assert_eq!(stage.told(), ["NodeHasDiskPressure"]);
}

#[tokio::test]
async fn every_pod_whose_volume_is_too_full_is_given_up() {
    let limited = |uid| {
        pod(
            uid,
            json!({
                "containers": [],
                "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "40Ki" } }],
            }),
        )
    };
    let mut stage = Stage::new(vec![limited("full"), limited("empty")], Vec::new());
    for (uid, bytes) in [("full", 100 << 10), ("empty", 10)] {
        let layout = Layout::new(stage.root.path(), stage.root.path());
        let volume = layout.empty_dir(&PodUid::from(uid), "v");
        fs::create_dir_all(&volume).unwrap();
        fs::write(volume.join("file"), vec![1; bytes]).unwrap();
    }
    assert_eq!(stage.evictor.look().await, [PodUid::from("full")]);
    let (_, message, _) = stage.given_up().expect("one is given up");
    assert_eq!(
        message,
        "Usage of EmptyDir volume \"v\" exceeds the limit \"40Ki\". "
    );
    assert!(stage.standing.borrow().pressures().is_empty());
}
