//! The desk and its keeper: who gets what, what is on disk, and what becomes of containers that run.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::machine::made::machine;
use super::*;
use crate::cri::fake::FakeRuntime;
use crate::cri::{
    ContainerConfig, ContainerMetadata, Containers, ImageReference, SandboxConfig, Sandboxes,
};
use crate::device::{self, NotReserved, Refused};
use crate::labels;
use crate::metrics::{Metrics, PinningMetrics};
use crate::model::RestartPolicy;
use crate::plan::fixture;
use crate::sync::Tenants;

/// Four CPUs, one of them reserved.
fn static_settings() -> Settings {
    Settings {
        cpus: CpuPolicy::Static,
        reserved_millis: 500,
        ..Settings::default()
    }
}

struct Office {
    root: TempDir,
    tenants: watch::Sender<Tenants>,
}

impl Office {
    fn new() -> Self {
        let tenants = Tenants {
            known: Some(std::collections::BTreeSet::new()),
            ..Tenants::default()
        };
        Self {
            root: TempDir::new().unwrap(),
            tenants: watch::Sender::new(tenants),
        }
    }

    fn try_open(&self, settings: Settings, metrics: PinningMetrics) -> Result<Desk, DeskError> {
        Desk::open(Parts {
            settings,
            kept_memory: 1 << 28,
            machine: Arc::new(machine([1, 1, 1, 4, 1])),
            root: self.root.path().to_owned(),
            tenants: self.tenants.subscribe(),
            devices: device::Desk::empty(),
            metrics,
        })
    }

    fn open(&self) -> Desk {
        self.try_open(static_settings(), PinningMetrics::default())
            .unwrap()
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.root.path().join("cpu_manager_state")).unwrap()
    }

    /// A pod is in.
    fn comes(&self, pod: &Pod) {
        self.tenants.send_modify(|tenants| {
            tenants
                .inside
                .insert(pod.uid.clone(), Arc::new(pod.clone()));
            tenants.holding.insert(pod.uid.clone());
        });
    }

    /// A pod is ending.
    fn ends(&self, pod: &Pod) {
        self.tenants
            .send_modify(|tenants| drop(tenants.inside.remove(&pod.uid)));
    }

    /// A pod has ended.
    fn goes(&self, pod: &Pod) {
        self.ends(pod);
        self.tenants.send_modify(|tenants| {
            tenants.holding.remove(&pod.uid);
        });
    }
}

/// A guaranteed pod that asks for so many thousandths.
fn asking(uid: &str, millis: u64) -> Pod {
    let mut pod = fixture::pod(RestartPolicy::Always, &[], &["main"]);
    pod.uid = uid.into();
    let limits = &mut pod.spec.containers[0].resources.limits;
    (limits.cpu_millis, limits.memory_bytes) = (Some(millis), Some(1 << 20));
    pod
}

fn pinned(desk: &Desk, pod: &Pod) -> (String, Quota) {
    let Pinned { cpus, quota, .. } = desk.pinned(pod, &pod.spec.containers[0]);
    (cpus, quota)
}

#[tokio::test]
async fn a_pod_has_its_cpus_on_disk_before_it_runs_and_over_a_new_kubelet() {
    let office = Office::new();
    let (alone, sharing) = (asking("alone", 2000), asking("sharing", 500));
    let desk = office.open();
    assert!(
        office
            .file()
            .contains("\"policyName\":\"static\",\"defaultCpuSet\":\"0-3\"")
    );
    for pod in [&alone, &sharing] {
        office.comes(pod);
        desk.reserve(pod).await.unwrap();
    }
    assert!(
        office
            .file()
            .contains("\"entries\":{\"alone\":{\"main\":\"1-2\"}}")
    );
    drop(desk);

    let desk = office.open();
    desk.reserve(&alone).await.unwrap();
    assert_eq!(pinned(&desk, &alone), ("1-2".to_owned(), Quota::Off));
    assert_eq!(pinned(&desk, &sharing), ("0,3".to_owned(), Quota::Limited));
    assert_eq!(desk.quota_of_pod(&alone), Quota::Off);
    assert_eq!(desk.quota_of_pod(&sharing), Quota::Limited);
    assert_eq!(
        desk.exclusive_cpus(&alone, &alone.spec.containers[0]),
        [1, 2]
    );
    assert_eq!(desk.allocatable_cpus(), [1, 2, 3]);
    office.goes(&alone);
    desk.free_stale().await;
    assert!(!office.file().contains("alone"));
    assert_eq!(pinned(&desk, &sharing).0, "0-3");
}

#[tokio::test]
async fn a_pod_waits_for_cpus_of_a_pod_that_is_ending_and_of_no_other() {
    let office = Office::new();
    let (first, second) = (asking("first", 3000), asking("second", 1000));
    let desk = office.open();
    office.comes(&first);
    desk.reserve(&first).await.unwrap();
    office.comes(&second);
    let message = "Allocate failed due to not enough cpus available to satisfy request: requested=1, \
                   available=0, which is unexpected";
    let refused = NotReserved::Refused(Refused {
        reason: "UnexpectedAdmissionError",
        message: message.to_owned(),
    });
    assert_eq!(desk.reserve(&second).await, Err(refused));
    office.ends(&first);
    let busy = NotReserved::Busy(message.to_owned());
    assert_eq!(desk.reserve(&second).await, Err(busy));
    office.goes(&first);
    assert_eq!(desk.reserve(&second).await, Ok(()));
}

#[test]
fn a_state_file_of_another_policy_or_machine_has_to_be_deleted() {
    let office = Office::new();
    let file = office.root.path().join("cpu_manager_state");
    drop(
        office
            .try_open(Settings::default(), PinningMetrics::default())
            .unwrap(),
    );
    let none = r#"{"policyName":"none","defaultCpuSet":"","checksum":"#;
    assert!(office.file().starts_with(none));
    let told = |settings| {
        let refused = office.try_open(settings, PinningMetrics::default()).err();
        refused.unwrap().to_string()
    };
    assert_eq!(
        told(static_settings()),
        format!(
            "start cpu manager error: could not restore state from checkpoint: configured policy \
             \"static\" differs from state checkpoint policy \"none\", please drain this node and \
             delete the CPU manager checkpoint file {file:?} before restarting Kubelet"
        )
    );
    std::fs::remove_file(&file).unwrap();
    drop(office.open());
    let larger = Settings {
        reserved: "0,4".parse_cpus(),
        ..static_settings()
    };
    assert_eq!(
        told(larger),
        "reserved-cpus: 0,4 is not a subset of online-cpus: 0-3"
    );
    let none = Settings {
        reserved_millis: 0,
        ..static_settings()
    };
    assert!(
        told(none)
            .contains("requires systemreserved.cpu + kubereserved.cpu to be greater than zero")
    );
}

/// Lists of CPUs in tests.
trait ParseCpus {
    fn parse_cpus(&self) -> CpuSet;
}

impl ParseCpus for str {
    fn parse_cpus(&self) -> CpuSet {
        CpuSet::parse(self).unwrap()
    }
}

/// Makes and starts a pod's container with what the desk says.
async fn run(runtime: &FakeRuntime, desk: &Desk, pod: &Pod) {
    let mut of_pod = SandboxConfig::default();
    of_pod.metadata.uid = pod.uid.to_string();
    let sandbox = runtime.run_sandbox(of_pod).await;
    let name = format!("main-{}", pod.uid);
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut config = ContainerConfig {
        metadata: ContainerMetadata { name, attempt: 0 },
        image: ImageReference {
            image: "image".to_owned(),
            ..ImageReference::default()
        },
        labels: [
            label(labels::POD_UID, pod.uid.as_str()),
            label(labels::CONTAINER_NAME, "main"),
        ]
        .into(),
        ..ContainerConfig::default()
    };
    config.resources.cpuset_cpus = pinned(desk, pod).0;
    let sandbox = sandbox.unwrap();
    let made = runtime
        .create_container(sandbox, config, SandboxConfig::default())
        .await;
    runtime.start_container(made.unwrap()).await.unwrap();
}

#[tokio::test]
async fn containers_that_run_are_moved_when_others_get_cpus_and_when_they_give_them_back() {
    let office = Office::new();
    let desk = Arc::new(office.open());
    let runtime = FakeRuntime::new();
    runtime.load("image");
    let (sharing, alone) = (asking("sharing", 500), asking("alone", 2000));
    let mut keeper = Keeper::new(
        Arc::clone(&desk),
        Arc::new(runtime.clone()),
        office.tenants.subscribe(),
        Duration::from_secs(10),
    );
    let on = |uid: &str| {
        runtime
            .config_of(&format!("main-{uid}"))
            .resources
            .cpuset_cpus
    };
    office.comes(&sharing);
    desk.reserve(&sharing).await.unwrap();
    run(&runtime, &desk, &sharing).await;
    assert_eq!(on("sharing"), "0-3");
    office.comes(&alone);
    desk.reserve(&alone).await.unwrap();
    run(&runtime, &desk, &alone).await;
    keeper.look().await;
    assert_eq!(
        (on("sharing").as_str(), on("alone").as_str()),
        ("0,3", "1-2")
    );
    let told = runtime.calls("UpdateContainerResources");
    keeper.look().await;
    assert_eq!(
        runtime.calls("UpdateContainerResources"),
        told,
        "nothing is to be done"
    );

    runtime.fail_next("UpdateContainerResources", "not now");
    office.goes(&alone);
    desk.free_stale().await;
    keeper.look().await;
    assert_eq!(on("sharing"), "0,3");
    keeper.look().await;
    assert_eq!(on("sharing"), "0-3", "what failed is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_could_not_be_moved_is_looked_at_again_as_often_as_configured() {
    let office = Office::new();
    let desk = Arc::new(office.open());
    let runtime = FakeRuntime::new();
    runtime.load("image");
    let (sharing, alone) = (asking("sharing", 500), asking("alone", 2000));
    office.comes(&sharing);
    desk.reserve(&sharing).await.unwrap();
    run(&runtime, &desk, &sharing).await;
    office.comes(&alone);
    desk.reserve(&alone).await.unwrap();
    let keeper = Keeper::new(
        Arc::clone(&desk),
        Arc::new(runtime.clone()),
        office.tenants.subscribe(),
        Duration::from_secs(40),
    );
    runtime.fail_next("UpdateContainerResources", "not now");
    let (stop, began) = (CancellationToken::new(), Instant::now());
    let keeping = tokio::spawn(keeper.run(stop.clone()));
    let on = || runtime.config_of("main-sharing").resources.cpuset_cpus;
    while on() != "0,3" {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let took = began.elapsed().as_secs();
    assert!((40..60).contains(&took), "{took}");
    stop.cancel();
    keeping.await.unwrap();
}

#[tokio::test]
async fn what_is_given_is_counted_under_upstreams_names() {
    let office = Office::new();
    let metrics = Metrics::new("node");
    let desk = office
        .try_open(static_settings(), metrics.pinning().clone())
        .unwrap();
    let (pod, too_much) = (asking("a", 2000), asking("b", 2000));
    office.comes(&pod);
    desk.reserve(&pod).await.unwrap();
    office.comes(&too_much);
    desk.reserve(&too_much).await.unwrap_err();
    let text = metrics.text();
    for line in [
        "kubelet_cpu_manager_pinning_requests_total 2",
        "kubelet_cpu_manager_pinning_errors_total 1",
        "kubelet_cpu_manager_shared_pool_size_millicores 1000",
        "kubelet_cpu_manager_exclusive_cpu_allocation_count 2",
        "kubelet_cpu_manager_allocation_per_numa{numa_node=\"0\"} 2",
        "kubelet_container_aligned_compute_resources_count{scope=\"container\",boundary=\"uncore_cache\"} 1",
        "kubelet_container_aligned_compute_resources_failure_count{scope=\"container\",boundary=\"physical_cpu\"} 0",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} in\n{text}");
    }
}
