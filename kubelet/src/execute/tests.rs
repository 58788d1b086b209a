//! The executor against the runtime in memory, driven by the real plan.

mod hooks;
mod pulls;
mod resizes;
mod sidecars;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;

use super::{Allocatable, ImageParts, Node, Parts, PodExecutor, PodSettings};
use crate::admit::NodeFacts;
use crate::cri::fake::{FakeClock, FakeRuntime, Program};
use crate::cri::{HandlerFeatures, RuntimeFeatures};
use crate::csi::{Drivers, Mounter};
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::model::{
    AccessMode, ConfigMap, EnvFrom, EnvValue, EnvVar, Event, FailureReason, Files, FilesKind,
    FilesSource, HostPathKind, LabelSelector, Medium, MountPropagation, NetworkMode, Object,
    ObjectKey, ObjectKind, ObjectReference, PersistentSource, PersistentVolume,
    PersistentVolumeClaim, Pod, PodName, PodObservation, PullPolicy, Quantity, RecursiveReadOnly,
    RestartPolicy, RuntimeClass, StringMap, SyncReport, UserMode, Volume, VolumeMode, VolumeMount,
    VolumePath, VolumeSource,
};
use crate::plan::fixture::{container, plan_for, pod};
use crate::plan::{CrashBackoff, end_pod, remove_everything};
use crate::pleg::RuntimeObserver;
use crate::resource::{CgroupDriver, PodCgroups, PodRules, Tree};
use crate::store::{Shelf, shelf};
use crate::sync::{Clock, EventRecorder, Executor, Observer};

/// Keeps every event, in order.
#[derive(Default)]
struct Notes(Mutex<Vec<Event>>);

impl EventRecorder for Notes {
    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// One node with one pod's worker, reduced to observe, plan and act.
struct Stage {
    runtime: FakeRuntime,
    clock: FakeClock,
    executor: PodExecutor,
    observer: RuntimeObserver,
    notes: Arc<Notes>,
    backoff: CrashBackoff,
    layout: Layout,
    shelf: Shelf,
    root: TempDir,
}

impl Stage {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let layout = Layout::new(&root.path().join("kubelet"), &root.path().join("logs"));
        std::fs::write(root.path().join("resolv.conf"), "nameserver 192.0.2.53\n").unwrap();
        let runtime = FakeRuntime::new();
        let notes = Arc::new(Notes::default());
        std::fs::create_dir_all(root.path().join("kubelet")).unwrap();
        let (shelf, objects) = shelf(&root.path().join("kubelet"));
        let node = Node {
            name: "node-a".to_owned(),
            ips: vec!["192.0.2.10".parse().unwrap()],
            memory_capacity: 8 << 30,
            allocatable: Allocatable {
                cpu_millis: 2000,
                memory_bytes: 8 << 30,
                ephemeral_storage_bytes: 100 << 30,
            },
            pods: PodSettings::default(),
            resolv_conf: root.path().join("resolv.conf"),
            hosts_file: root.path().join("hosts"),
            has_selinux: true,
        };
        let executor = PodExecutor::new(Parts {
            runtime: Arc::new(runtime.clone()),
            events: Arc::clone(&notes) as Arc<dyn EventRecorder>,
            clock: Arc::new(runtime.clock()),
            layout: layout.clone(),
            objects: Arc::new(objects),
            services: None,
            // The cgroups of tests are nobody's business but the runtime's.
            cgroups: PodCgroups::new(CgroupDriver::Cgroupfs, "/").with(PodRules {
                tree: Tree::Flat,
                ..PodRules::default()
            }),
            devices: crate::device::Desk::empty(),
            pinning: crate::pinning::Desk::empty(),
            csi: Mounter::new(layout.clone(), Drivers::default(), "node-a"),
            attachments: None,
            claims: None,
            node_facts: watch::Sender::new(Arc::new(NodeFacts::boundless())).subscribe(),
            node,
            images: ImageParts::default(),
            metrics: Metrics::new("node-a"),
        });
        let observer = RuntimeObserver::new(Arc::new(runtime.clone()), layout.clone());
        let clock = runtime.clock();
        let backoff = CrashBackoff::default();
        Self {
            runtime,
            clock,
            executor,
            observer,
            notes,
            backoff,
            layout,
            shelf,
            root,
        }
    }

    async fn observe(&self, pod: &Pod) -> PodObservation {
        self.observer.observe(&pod.uid, &pod.name).await.unwrap()
    }

    /// One turn of a worker; says what came of it, or nothing when there was nothing to do.
    async fn turn(&mut self, pod: &Pod) -> Option<SyncReport> {
        let observation = self.observe(pod).await;
        let now = self.clock.now();
        let actions = plan_for(pod, &observation, now, &self.backoff);
        self.backoff.note_starts(pod, &observation, &actions, now);
        if actions.is_empty() {
            return None;
        }
        Some(self.executor.sync(pod, &observation, &actions).await)
    }

    /// Turns until there is nothing to do.
    async fn settle(&mut self, pod: &Pod) {
        for _ in 0..10 {
            match self.turn(pod).await {
                None => return,
                Some(report) => assert!(report.is_success(), "{report:?}"),
            }
        }
        panic!("the pod does not settle: {:?}", self.runtime.containers());
    }

    fn messages(&self) -> Vec<String> {
        let noted = self.notes.0.lock().unwrap();
        noted.iter().map(|event| event.message.clone()).collect()
    }

    fn reasons(&self) -> Vec<String> {
        self.notes
            .0
            .lock()
            .unwrap()
            .iter()
            .map(|event| event.reason.to_string())
            .collect()
    }
}

fn web() -> Pod {
    pod(RestartPolicy::Always, &[], &["web"])
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_is_pulled_created_and_started() {
    let mut stage = Stage::new();
    stage.runtime.publish("registry.test/web:1");
    stage.settle(&web()).await;
    assert_eq!(stage.runtime.containers(), [("web".to_owned(), "running")]);
    let expected = [
        "MissingClusterDNS",
        "Pulling",
        "Pulled",
        "Created",
        "Started",
    ];
    assert_eq!(stage.reasons(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_present_is_not_pulled() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    stage.settle(&web()).await;
    assert_eq!(stage.runtime.calls("PullImage"), 0);
    let expected = ["MissingClusterDNS", "Pulled", "Created", "Started"];
    assert_eq!(stage.reasons(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_must_not_be_pulled_is_missed() {
    let mut stage = Stage::new();
    let mut pod = web();
    pod.spec.containers[0].pull_policy = PullPolicy::Never;
    let report = stage.turn(&pod).await.unwrap();
    let failure = &report.containers[&"web".into()];
    assert_eq!(failure.reason, FailureReason::ErrImageNeverPull);
    assert_eq!(
        stage.messages().last(),
        Some(&"Error: ErrImageNeverPull".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_pull_is_not_tried_again_before_its_time() {
    let mut stage = Stage::new();
    let pod = web();

    let first = stage.turn(&pod).await.unwrap();
    let failure = &first.containers[&"web".into()];
    assert_eq!(failure.reason, FailureReason::ErrImagePull);
    assert!(
        failure.message.contains("manifest unknown"),
        "{}",
        failure.message
    );
    assert_eq!(failure.retry_after, None, "soon");

    tokio::time::advance(Duration::from_secs(4)).await;
    let second = stage.turn(&pod).await.unwrap();
    let failure = &second.containers[&"web".into()];
    assert_eq!(failure.reason, FailureReason::ImagePullBackOff);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(6)));
    let words = "Back-off pulling image \"registry.test/web:1\": ErrImagePull: ";
    assert!(failure.message.starts_with(words), "{}", failure.message);
    assert_eq!(
        stage.messages().last(),
        Some(&"Error: ImagePullBackOff".to_owned())
    );
    assert_eq!(stage.runtime.calls("PullImage"), 1);

    stage.runtime.publish("registry.test/web:1");
    tokio::time::advance(Duration::from_secs(7)).await;
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.containers(), [("web".to_owned(), "running")]);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_fails_for_a_known_reason_says_which() {
    let rows = [
        (
            "RegistryUnavailable: no route",
            FailureReason::RegistryUnavailable,
            "image pull failed for registry.test/web:1 because the registry is unavailable: no route",
        ),
        (
            "SignatureValidationFailed",
            FailureReason::SignatureValidationFailed,
            "image pull failed for registry.test/web:1 because the signature validation failed",
        ),
    ];
    for (said, reason, message) in rows {
        let mut stage = Stage::new();
        stage.runtime.fail_next("PullImage", said);
        let report = stage.turn(&web()).await.unwrap();
        let failure = &report.containers[&"web".into()];
        assert_eq!(
            (failure.reason, failure.message.as_str()),
            (reason, message)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_runtime_refuses_reaches_the_containers_status() {
    let rows = [
        ("CreateContainer", FailureReason::CreateContainerError),
        ("StartContainer", FailureReason::RunContainerError),
    ];
    for (call, reason) in rows {
        let mut stage = Stage::new();
        stage.runtime.load("registry.test/web:1");
        stage.runtime.fail_next(call, "no such file: /bin/nope");
        let report = stage.turn(&web()).await.unwrap();
        let failure = &report.containers[&"web".into()];
        assert_eq!(
            (failure.reason, failure.message.as_str()),
            (reason, "no such file: /bin/nope")
        );
        assert!(stage.reasons().ends_with(&["Failed".to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_cannot_be_made_fails_the_pod() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    stage.runtime.fail_next("RunPodSandbox", "no address left");
    let report = stage.turn(&web()).await.unwrap();
    let failure = report.pod.unwrap();
    assert_eq!(failure.reason, "FailedCreatePodSandBox");
    assert_eq!(
        failure.message,
        "Failed to create pod sandbox: no address left"
    );
    stage.settle(&web()).await;
}

#[tokio::test(start_paused = true)]
async fn one_containers_failure_does_not_stop_its_siblings() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/b:1");
    let pod = pod(RestartPolicy::Always, &[], &["a", "b"]);
    let report = stage.turn(&pod).await.unwrap();
    assert_eq!(report.started, ["b".into()]);
    assert!(report.containers.contains_key(&"a".into()));
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_first_and_one_after_the_other() {
    let mut stage = Stage::new();
    for name in ["one", "two", "web"] {
        stage.runtime.load(&format!("registry.test/{name}:1"));
    }
    let quick = Program::Exits {
        after: Duration::from_millis(5),
        code: 0,
    };
    stage.runtime.program("one", quick);
    stage.runtime.program("two", quick);
    let pod = pod(RestartPolicy::Always, &["one", "two"], &["web"]);
    for _ in 0..4 {
        stage.settle(&pod).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let expected = [("one", "exited"), ("two", "exited"), ("web", "running")];
    assert_eq!(
        stage.runtime.containers(),
        expected.map(|(name, state)| (name.to_owned(), state))
    );
}

#[tokio::test(start_paused = true)]
async fn an_ended_pod_leaves_nothing_in_the_runtime_or_on_disk() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    stage.runtime.program("web", Program::IgnoresStop);
    let mut pod = web();
    pod.spec.volumes.push(Volume {
        name: "scratch".to_owned(),
        source: VolumeSource::EmptyDir {
            medium: Medium::Disk,
            size_limit: None,
        },
    });
    stage.settle(&pod).await;
    assert!(stage.layout.empty_dir(&pod.uid, "scratch").is_dir());

    let observation = stage.observe(&pod).await;
    let ending = end_pod(None, &observation, Some(Duration::from_secs(30)));
    stage
        .executor
        .terminate(&observation, &ending)
        .await
        .unwrap();
    assert_eq!(stage.runtime.containers(), [("web".to_owned(), "exited")]);
    assert_eq!(stage.runtime.ready_sandboxes(), 0);

    let observation = stage.observe(&pod).await;
    stage
        .executor
        .terminate(&observation, &remove_everything(&observation))
        .await
        .unwrap();
    assert!(stage.observe(&pod).await.is_gone());
    for _ in 0..2 {
        stage.executor.clean_up(&pod.uid, &pod.name).await.unwrap();
    }
    assert!(!stage.layout.pod(&pod.uid).exists());
    assert!(!stage.layout.pod_log(&pod.name, &pod.uid).exists());
}

#[tokio::test(start_paused = true)]
async fn an_ended_pod_gives_back_what_it_held_and_keeps_what_people_look_at() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let features = HandlerFeatures {
        recursive_read_only: false,
        user_namespaces: true,
    };
    stage.runtime.can(RuntimeFeatures {
        handlers: [(String::new(), features)].into(),
        ..RuntimeFeatures::default()
    });
    let mut pod = web();
    pod.spec.namespaces.user = UserMode::Pod;
    pod.spec.volumes.push(Volume {
        name: "scratch".to_owned(),
        source: VolumeSource::EmptyDir {
            medium: Medium::Memory,
            size_limit: None,
        },
    });
    stage.settle(&pod).await;
    let directory = stage.layout.pod(&pod.uid);
    assert!(directory.join("userns").exists());
    assert!(stage.layout.empty_dir(&pod.uid, "scratch").is_dir());

    for _ in 0..2 {
        stage.executor.release(&pod.uid, &pod.name).await.unwrap();
        assert!(!directory.join("userns").exists());
        assert!(!stage.layout.volumes(&pod.uid).exists());
        assert!(stage.layout.etc_hosts(&pod.uid).exists());
        assert!(stage.layout.pod_log(&pod.name, &pod.uid).exists());
    }
    stage.executor.clean_up(&pod.uid, &pod.name).await.unwrap();
    assert!(!directory.exists());
}

#[tokio::test(start_paused = true)]
async fn a_container_sees_its_environment_volumes_and_hosts_file() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    pod.labels.insert("tier".to_owned(), "front".to_owned());
    pod.spec.volumes.push(Volume {
        name: "scratch".to_owned(),
        source: VolumeSource::EmptyDir {
            medium: Medium::Disk,
            size_limit: None,
        },
    });
    let literal = |name: &str, text: &str| EnvVar {
        name: name.to_owned(),
        value: EnvValue::Literal(text.to_owned()),
    };
    let field = |name: &str, path: &str| EnvVar {
        name: name.to_owned(),
        value: EnvValue::Field(path.to_owned()),
    };
    let web = &mut pod.spec.containers[0];
    web.env = vec![
        literal("WHO", "world"),
        literal("GREETING", "hello $(WHO)"),
        field("TIER", "metadata.labels['tier']"),
        field("IP", "status.podIP"),
        field("NODE", "spec.nodeName"),
    ];
    web.args = vec!["$(GREETING)".to_owned(), "$$(WHO)".to_owned()];
    web.mounts = vec![VolumeMount {
        volume: "scratch".to_owned(),
        path: "/scratch".to_owned(),
        sub_path: None,
        read_only: true,
        recursive_read_only: RecursiveReadOnly::Disabled,
        propagation: MountPropagation::None,
    }];
    stage.settle(&pod).await;

    let config = stage.runtime.config_of("web");
    let value = |name: &str| {
        let found = config.env.iter().find(|variable| variable.name == name);
        found.map(|variable| variable.value.as_str())
    };
    assert_eq!(value("GREETING"), Some("hello world"));
    assert_eq!(value("TIER"), Some("front"));
    assert_eq!(value("IP"), Some("10.0.0.1"));
    assert_eq!(value("NODE"), Some("node-a"));
    assert_eq!(config.args, ["hello world", "$(WHO)"]);

    let mounted: Vec<_> = config
        .mounts
        .iter()
        .map(|mount| mount.container_path.as_str())
        .collect();
    assert_eq!(mounted, ["/scratch", "/etc/hosts", "/dev/termination-log"]);
    assert!(config.mounts[0].read_only);
    let hosts = std::fs::read_to_string(&config.mounts[1].host_path).unwrap();
    assert!(hosts.ends_with("10.0.0.1\tweb-node\n"), "{hosts}");
    assert_eq!(config.log_path, "web/0.log");
}

#[tokio::test(start_paused = true)]
async fn what_is_the_pods_own_gets_its_label_and_paths_of_the_host_do_not() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    let of_the_host = stage.root.path().display().to_string();
    for (name, source) in [
        (
            "scratch",
            VolumeSource::EmptyDir {
                medium: Medium::Disk,
                size_limit: None,
            },
        ),
        (
            "host",
            VolumeSource::HostPath {
                path: of_the_host,
                kind: HostPathKind::Unchecked,
            },
        ),
    ] {
        pod.spec.volumes.push(Volume {
            name: name.to_owned(),
            source,
        });
        pod.spec.containers[0].mounts.push(VolumeMount {
            volume: name.to_owned(),
            path: format!("/{name}"),
            sub_path: None,
            read_only: false,
            recursive_read_only: RecursiveReadOnly::Disabled,
            propagation: MountPropagation::None,
        });
    }
    stage.settle(&pod).await;
    let config = stage.runtime.config_of("web");
    let labelled: Vec<_> = config
        .mounts
        .iter()
        .map(|mount| (mount.container_path.as_str(), mount.selinux_relabel))
        .collect();
    assert_eq!(
        labelled,
        [
            ("/scratch", true),
            ("/host", false),
            ("/etc/hosts", true),
            ("/dev/termination-log", true)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_not_supported_is_named() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    pod.spec.containers[0].env = vec![EnvVar {
        name: "X".to_owned(),
        value: EnvValue::Field("status.phase".to_owned()),
    }];
    let report = stage.turn(&pod).await.unwrap();
    let failure = &report.containers[&"web".into()];
    assert_eq!(failure.reason, FailureReason::CreateContainerConfigError);
    assert!(
        failure.message.contains("status.phase"),
        "{}",
        failure.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_waits_for_the_objects_that_its_environment_is_made_from() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    pod.spec.containers[0].env_from = vec![EnvFrom {
        kind: ObjectKind::ConfigMap,
        name: "settings".to_owned(),
        prefix: "APP_".to_owned(),
        optional: false,
    }];
    let report = stage.turn(&pod).await.unwrap();
    let failure = &report.containers[&"web".into()];
    assert_eq!(failure.reason, FailureReason::CreateContainerConfigError);
    assert_eq!(failure.message, "configmap \"settings\" not found");

    let key = pod.references().pop_first().expect("it refers to one");
    let map = ConfigMap {
        data: [("colour".to_owned(), "blue".to_owned())].into(),
        ..ConfigMap::default()
    };
    stage
        .shelf
        .put([(key, Object::ConfigMap(Arc::new(map)))].into())
        .unwrap();
    stage.settle(&pod).await;
    let env = stage.runtime.config_of("web").env;
    assert_eq!(
        (env[0].name.as_str(), env[0].value.as_str()),
        ("APP_colour", "blue")
    );
}

/// The volume `data` in the container `web`.
fn with_volume(pod: &mut Pod, source: VolumeSource) {
    pod.spec.volumes.push(Volume {
        name: "data".to_owned(),
        source,
    });
    pod.spec.containers[0].mounts = vec![VolumeMount {
        volume: "data".to_owned(),
        path: "/data".to_owned(),
        sub_path: None,
        read_only: false,
        recursive_read_only: RecursiveReadOnly::Disabled,
        propagation: MountPropagation::None,
    }];
}

fn map(colour: &str) -> (ObjectKey, Object) {
    let map = ConfigMap {
        data: [("colour".to_owned(), colour.to_owned())].into(),
        ..ConfigMap::default()
    };
    let key = ObjectKey::new(ObjectKind::ConfigMap, "default", "settings");
    (key, Object::ConfigMap(Arc::new(map)))
}

#[tokio::test(start_paused = true)]
async fn files_of_a_config_map_are_read_only_and_follow_it() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    let of = ObjectReference {
        kind: ObjectKind::ConfigMap,
        name: "settings".to_owned(),
        items: Vec::new(),
        optional: false,
    };
    let files = Files {
        kind: FilesKind::ConfigMap,
        default_mode: 0o644,
        sources: vec![FilesSource::Object(of)],
    };
    with_volume(&mut pod, VolumeSource::Files(files));
    let missing = stage.turn(&pod).await.unwrap().pod.unwrap();
    assert_eq!(missing.reason, "FailedMount");
    let expected =
        "MountVolume.SetUp failed for volume \"data\" : configmap \"settings\" not found";
    assert_eq!(missing.message, expected);

    stage.shelf.put([map("blue")].into()).unwrap();
    stage.settle(&pod).await;
    let mount = stage.runtime.config_of("web").mounts[0].clone();
    assert!(mount.read_only);
    let colour = std::path::Path::new(&mount.host_path).join("colour");
    let read = || std::fs::read_to_string(&colour).unwrap();
    assert_eq!(read(), "blue");
    stage.shelf.put([map("red")].into()).unwrap();
    stage.executor.refresh(&pod).await;
    assert_eq!(read(), "red");
    stage.shelf.put([].into()).unwrap();
    stage.executor.refresh(&pod).await;
    assert_eq!(read(), "red", "what is gone stays as it was");
    assert!(stage.reasons().ends_with(&["FailedMount".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn an_image_is_mounted_by_the_runtime() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    stage.runtime.publish("registry.test/files:1");
    let mut pod = web();
    let image = VolumeSource::Image {
        reference: "registry.test/files:1".to_owned(),
        pull_policy: PullPolicy::IfNotPresent,
    };
    with_volume(&mut pod, image);
    pod.spec.containers[0].mounts[0].sub_path = Some(VolumePath::Literal("etc".to_owned()));
    stage.settle(&pod).await;
    let mount = stage.runtime.config_of("web").mounts[0].clone();
    let image = mount.image.expect("it is an image");
    assert_eq!(image.image.user_specified, "registry.test/files:1");
    assert_eq!(
        (image.sub_path.as_str(), mount.host_path.as_str()),
        ("etc", "")
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_runtime_must_be_able_to_is_asked_of_it() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    pod.spec.namespaces.user = UserMode::Pod;
    let disk = VolumeSource::EmptyDir {
        medium: Medium::Disk,
        size_limit: None,
    };
    with_volume(&mut pod, disk);
    let mount = &mut pod.spec.containers[0].mounts[0];
    mount.read_only = true;
    mount.recursive_read_only = RecursiveReadOnly::Enabled;
    let refused = stage.turn(&pod).await.unwrap().pod.unwrap();
    assert!(
        refused.message.contains("does not support user namespaces"),
        "{refused:?}"
    );

    let features = |recursive_read_only| RuntimeFeatures {
        handlers: [(
            String::new(),
            HandlerFeatures {
                recursive_read_only,
                user_namespaces: true,
            },
        )]
        .into(),
        ..RuntimeFeatures::default()
    };
    stage.runtime.can(features(false));
    let report = stage.turn(&pod).await.unwrap();
    let failure = &report.containers[&"web".into()];
    assert!(
        failure.message.contains("not supported by the runtime"),
        "{failure:?}"
    );
    stage.runtime.can(features(true));
    stage.settle(&pod).await;
    let config = stage.runtime.config_of("web");
    assert!(config.mounts[0].recursive_read_only);
    let range = config
        .security
        .namespaces
        .user
        .expect("it has users of its own");
    assert_eq!((range.first, range.length), (65536, 65536));
}

#[tokio::test(start_paused = true)]
async fn a_pod_runs_as_its_runtime_class_says() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    pod.spec.runtime_class = Some("vm".to_owned());
    let missing = stage.turn(&pod).await.unwrap().pod.unwrap().message;
    assert!(missing.contains("\"vm\" not found"), "{missing}");
    let class = RuntimeClass {
        overhead: std::collections::BTreeMap::new(),
        handler: "kata".to_owned(),
    };
    let key = pod.runtime_class().expect("it has one");
    stage
        .shelf
        .put([(key, Object::RuntimeClass(Arc::new(class)))].into())
        .unwrap();
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.handler_of("web-node"), "kata");
}

#[tokio::test(start_paused = true)]
async fn a_pod_with_a_claim_waits_until_it_is_bound() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    let room = VolumeSource::Claim {
        name: "room".to_owned(),
        read_only: false,
        is_own: false,
    };
    with_volume(&mut pod, room);
    let claim = PersistentVolumeClaim {
        volume: None,
        is_bound: false,
        access_modes: [AccessMode::ReadWriteOncePod].into(),
        mode: VolumeMode::Filesystem,
        owner: None,
        request: Quantity::ONE,
        storage_class: String::new(),
        selector: LabelSelector::default(),
    };
    let key = pod.references().pop_first().expect("it refers to one");
    let claim = (key, Object::PersistentVolumeClaim(Arc::new(claim)));
    let told = |report: Option<SyncReport>| report.unwrap().pod.unwrap().message;
    let missing = told(stage.turn(&pod).await);
    assert!(
        missing.contains("persistentvolumeclaim \"room\" not found"),
        "{missing}"
    );
    stage.shelf.put([claim.clone()].into()).unwrap();
    let unbound = told(stage.turn(&pod).await);
    assert!(
        unbound.contains("error processing PVC default/room: PVC is not bound"),
        "{unbound}"
    );

    let path = stage.root.path().join("disk").display().to_string();
    let volume = PersistentVolume {
        name: "disk".to_owned(),
        labels: StringMap::new(),
        capacity: Quantity::ONE,
        access_modes: [AccessMode::ReadWriteOncePod].into(),
        first_access_mode: None,
        mode: VolumeMode::Filesystem,
        mount_options: Vec::new(),
        storage_class: String::new(),
        claim: None,
        source: PersistentSource::HostPath {
            path: path.clone(),
            kind: HostPathKind::DirectoryOrCreate,
        },
        nodes: None,
    };
    let key = ObjectKey::new(ObjectKind::PersistentVolume, "", "disk");
    let volume = (key, Object::PersistentVolume(Arc::new(volume)));
    stage.shelf.put([claim, volume].into()).unwrap();
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.config_of("web").mounts[0].host_path, path);

    let mut second = pod.clone();
    second.uid = "second".into();
    second.name = PodName::new("default", "second");
    let in_use = told(stage.turn(&second).await);
    assert!(
        in_use.contains("is already in use by another pod"),
        "{in_use}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_made_for_a_pod_is_of_use_to_no_other() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let mut pod = web();
    let own = VolumeSource::Claim {
        name: "web-room".to_owned(),
        read_only: false,
        is_own: true,
    };
    with_volume(&mut pod, own);
    let key = pod.references().pop_first().expect("it refers to one");
    let mut messages = Vec::new();
    for owner in [None, Some("somebody".to_owned()), Some(pod.uid.to_string())] {
        let claim = PersistentVolumeClaim {
            volume: None,
            is_bound: false,
            access_modes: [AccessMode::ReadWriteOnce].into(),
            mode: VolumeMode::Filesystem,
            owner,
            request: Quantity::ONE,
            storage_class: String::new(),
            selector: LabelSelector::default(),
        };
        let claim = Object::PersistentVolumeClaim(Arc::new(claim));
        stage.shelf.put([(key.clone(), claim)].into()).unwrap();
        let report = stage.turn(&pod).await.unwrap();
        messages.push(report.pod.unwrap().message);
    }
    let refused = format!(
        "PVC default/web-room was not created for pod {} (pod is not owner)",
        pod.name
    );
    assert!(messages[0].contains(&refused), "{messages:?}");
    assert!(messages[1].contains(&refused), "{messages:?}");
    assert!(messages[2].contains("PVC is not bound"), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_container_says_at_last_is_seen() {
    let mut stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    let pod = pod(RestartPolicy::Never, &[], &["web"]);
    stage.settle(&pod).await;
    let message = &stage.runtime.config_of("web").mounts[1];
    assert_eq!(
        message.container_path,
        container("web").termination_message.path
    );
    std::fs::write(&message.host_path, "out of cheese").unwrap();
    stage.runtime.exit("web", 3);
    let observation = stage.observe(&pod).await;
    let exit = observation.containers[0].state.exit().unwrap();
    assert_eq!((exit.code, exit.message.as_str()), (3, "out of cheese"));
}

#[tokio::test(start_paused = true)]
async fn only_the_hosts_network_is_there_before_the_runtimes_is_ready() {
    let mut stage = Stage::new();
    stage.runtime.publish("registry.test/web:1");
    stage.runtime.network_problem(Some("no plugin"));
    let pod = web();
    let failure = stage.turn(&pod).await.unwrap().pod.unwrap();
    assert_eq!(failure.reason, "NetworkNotReady");
    assert_eq!(
        failure.message,
        "network is not ready: container runtime network not ready: \
         NetworkReady=false reason:NetworkPluginNotReady message:no plugin"
    );
    assert_eq!(stage.reasons(), ["NetworkNotReady"]);
    assert_eq!(stage.runtime.calls("RunPodSandbox"), 0);

    let mut of_host = web();
    of_host.uid = "uid-2".into();
    of_host.spec.namespaces.network = NetworkMode::Host;
    std::fs::write(stage.root.path().join("hosts"), "").unwrap();
    stage.settle(&of_host).await;
    assert_eq!(stage.runtime.calls("RunPodSandbox"), 1);

    stage.runtime.network_problem(None);
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.ready_sandboxes(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_while_the_runtime_is_not_ready() {
    let mut stage = Stage::new();
    stage.runtime.publish("registry.test/web:1");
    stage.runtime.runtime_problem(Some("out of order"));
    let mut pod = web();
    pod.spec.namespaces.network = NetworkMode::Host;
    std::fs::write(stage.root.path().join("hosts"), "").unwrap();
    let failure = stage.turn(&pod).await.unwrap().pod.unwrap();
    assert_eq!(
        failure.message,
        "container runtime not ready: RuntimeReady=false reason:NotReady message:out of order"
    );
    assert!(stage.reasons().is_empty(), "it is no matter of the pod");
    assert_eq!(stage.runtime.calls("RunPodSandbox"), 0);
    stage.runtime.runtime_problem(None);
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.ready_sandboxes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_only_its_log_tells_of_counts_on() {
    let mut stage = Stage::new();
    stage.runtime.publish("registry.test/web:1");
    let pod = web();
    let logs = stage
        .layout
        .container_log(&pod.name, &pod.uid, &"web".into());
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(logs.join("4.log"), "").unwrap();
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.config_of("web").metadata.attempt, 5);
}
