//! The server as a client sees it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::response::Response;
use http::{Request, StatusCode};
use k8s_openapi::api::core::v1 as core;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::guest::{Admission, Guest};
use super::{Debugging, Exhibits, PodTable, Queries, Shown, SystemLogs, routes};
use crate::addition::Additions;
use crate::config::Configuration;
use crate::cri::fake::{FakeRuntime, Used};
use crate::cri::{
    ContainerConfig, ContainerMetadata, ContainerStats, Containers, ImageReference, PodStats,
    Runtime, SandboxConfig, SandboxMetadata, Sandboxes, Usage,
};
use crate::event::EventLog;
use crate::labels;
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::model::{Event, EventKind, Pod, PodName, RestartPolicy, SandboxId};
use crate::node::{Identity, Portrait, Reserve};
use crate::plan::fixture::pod;
use crate::pulse::Pulse;
use crate::summary::Figures;
use crate::sync::{EventRecorder, Input, StatusSink, SystemClock};

pub(super) struct Stage {
    pub(super) shown: Shown,
    pub(super) pod: Pod,
    pub(super) runtime: FakeRuntime,
    pub(super) inputs: mpsc::Receiver<Input>,
    _root: TempDir,
}

impl Stage {
    pub(super) fn new() -> Self {
        let root = TempDir::new().unwrap();
        let pods = Arc::new(PodTable::default());
        let runtime = FakeRuntime::new();
        let pod = web();
        pods.publish(&pod, &status("Running"));
        let layout = Layout::new(root.path(), &root.path().join("logs"));
        let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
        let figures = Figures::new(Arc::clone(&shared), layout.clone(), root.path(), "node-a");
        let identity = Identity {
            name: "node-a".to_owned(),
            addresses: tokio::sync::watch::Sender::default().subscribe(),
            root: root.path().to_owned(),
            labels: Vec::new(),
            port: None,
            most_images: Some(50),
            declared: None,
            standing: tokio::sync::watch::channel(crate::evict::Standing::default()).1,
            reserve: Reserve::default(),
        };
        let pulse = Pulse::default();
        let portrait = Portrait::new(
            identity,
            Arc::clone(&shared),
            pulse.clone(),
            crate::device::Desk::empty(),
        );
        let layout_of_additions = layout.clone();
        let (inbox, inputs) = mpsc::channel(16);
        let exhibits = Exhibits {
            pods,
            events: Arc::new(EventLog::new(Arc::new(SystemClock))),
            metrics: Metrics::new("node-a"),
            pulse,
            layout,
            runtime: shared,
            configuration: Arc::new(Configuration::default().to_json()),
            figures: Arc::new(figures),
            portrait: Arc::new(portrait),
            additions: Arc::new(Additions::new(layout_of_additions)),
            system_logs: None,
            inbox,
        };
        let shown = Shown {
            exhibits,
            shutdown: CancellationToken::new(),
        };
        Self {
            shown,
            pod,
            runtime,
            inputs,
            _root: root,
        }
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.ask(path).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// An answer whose body may go on.
    pub(super) async fn ask(&self, path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let router = routes::admitted(self.shown.clone(), Debugging::On, Admission::Known.into());
        let router = router.layer(MockConnectInfo(Guest::Root));
        router.oneshot(request).await.unwrap()
    }

    /// Runs the pod's container.
    pub(super) async fn run_web(&self) {
        self.runtime.load("web:1");
        let sandbox = SandboxConfig {
            metadata: SandboxMetadata {
                name: "web-node".to_owned(),
                namespace: "default".to_owned(),
                uid: self.pod.uid.to_string(),
                attempt: 0,
            },
            ..SandboxConfig::default()
        };
        let container = ContainerConfig {
            metadata: ContainerMetadata {
                name: "web".to_owned(),
                attempt: 0,
            },
            image: ImageReference {
                image: "web:1".to_owned(),
                user_specified: "web:1".to_owned(),
            },
            labels: [(labels::POD_UID.to_owned(), self.pod.uid.to_string())].into(),
            ..ContainerConfig::default()
        };
        let id = self.runtime.run_sandbox(sandbox.clone()).await.unwrap();
        let id = self
            .runtime
            .create_container(id, container, sandbox)
            .await
            .unwrap();
        self.runtime.start_container(id).await.unwrap();
    }

    fn write_log(&self, file: &str, words: &str) {
        let layout = &self.shown.exhibits.layout;
        let directory = layout.container_log(&self.pod.name, &self.pod.uid, &"web".into());
        fs::create_dir_all(&directory).unwrap();
        let line = format!("2026-01-01T00:00:00Z stdout F {words}\n");
        fs::write(directory.join(file), line).unwrap();
    }
}

/// A pod whose manifest names a container.
fn web() -> Pod {
    let mut web = pod(RestartPolicy::Always, &[], &["web"]);
    let mut manifest = core::Pod::default();
    manifest.metadata.name = Some(web.name.name.to_string());
    manifest.metadata.namespace = Some(web.name.namespace.to_string());
    let container = core::Container {
        name: "web".to_owned(),
        ..core::Container::default()
    };
    manifest.spec = Some(core::PodSpec {
        containers: vec![container],
        ..Default::default()
    });
    web.manifest = Arc::new(manifest);
    web
}

pub(super) fn status(phase: &str) -> core::PodStatus {
    core::PodStatus {
        phase: Some(phase.to_owned()),
        ..core::PodStatus::default()
    }
}

const LOGS: &str = "/containerLogs/default/web-node/web";

#[tokio::test]
async fn a_kubelet_that_answers_is_well() {
    let stage = Stage::new();
    assert_eq!(
        stage.get("/healthz").await,
        (StatusCode::OK, "ok".to_owned())
    );
}

#[tokio::test]
async fn pods_are_listed_with_their_status() {
    let stage = Stage::new();
    let (code, body) = stage.get("/pods").await;
    assert_eq!(code, StatusCode::OK);
    let list: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(list["kind"], "PodList");
    assert_eq!(list["items"][0]["kind"], "Pod");
    assert_eq!(list["items"][0]["status"]["phase"], "Running");
    stage.shown.exhibits.pods.forget(&stage.pod.uid);
    assert!(stage.get("/pods").await.1.contains(r#""items":[]"#));
}

#[tokio::test]
async fn events_are_listed() {
    let stage = Stage::new();
    stage.shown.exhibits.events.record(Event {
        pod: PodName::new("default", "web-node"),
        uid: Some("uid-1".into()),
        container: Some("web".into()),
        kind: EventKind::Warning,
        reason: "BackOff".into(),
        message: "again".to_owned(),
    });
    let (_, body) = stage.get("/events").await;
    let list: serde_json::Value = serde_json::from_str(&body).unwrap();
    let event = &list["items"][0];
    assert_eq!(
        (event["type"].as_str(), event["count"].as_u64()),
        (Some("Warning"), Some(1))
    );
    assert_eq!(event["involvedObject"]["fieldPath"], "spec.containers{web}");
}

#[tokio::test]
async fn metrics_of_probes_are_served_for_themselves() {
    let stage = Stage::new();
    let (status, text) = stage.get("/metrics/probes").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text, "", "nothing was probed");
    for path in ["/metrics", "/metrics/probes", "/metrics/resource"] {
        let answer = stage.ask(path).await;
        let kind = &answer.headers()[http::header::CONTENT_TYPE];
        assert_eq!(*kind, "text/plain; version=0.0.4; charset=utf-8", "{path}");
    }
}

#[tokio::test]
async fn metrics_have_the_names_that_dashboards_know() {
    let stage = Stage::new();
    let metrics = &stage.shown.exhibits.metrics;
    metrics.operation("RunPodSandbox", Duration::from_millis(3), true);
    // Counted again when they are read.
    metrics.running(2, &[("running", 3)].into());
    let (_, text) = stage.get("/metrics").await;
    for line in [
        "kubelet_node_name{node=\"node-a\"} 1",
        "kubelet_running_pods 0",
        "kubelet_running_containers{container_state=\"running\"} 0",
        "kubelet_runtime_operations_total{operation_type=\"run_podsandbox\"} 1",
        "kubelet_runtime_operations_errors_total{operation_type=\"run_podsandbox\"} 1",
        "kubelet_runtime_operations_duration_seconds_count{operation_type=\"run_podsandbox\"} 1",
        "kubelet_pleg_last_seen_seconds 0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn the_newest_log_is_shown_and_the_one_before_on_demand() {
    let stage = Stage::new();
    stage.write_log("0.log", "first try");
    stage.write_log("1.log", "second try");
    assert_eq!(
        stage.get(LOGS).await,
        (StatusCode::OK, "second try\n".to_owned())
    );
    let before = stage.get(&format!("{LOGS}?previous=true")).await;
    assert_eq!(before, (StatusCode::OK, "first try\n".to_owned()));
}

#[tokio::test]
async fn the_query_is_the_apis() {
    let stage = Stage::new();
    stage.write_log("0.log", "said");
    let query = format!("{LOGS}?timestamps=true&tailLines=1&stream=Stdout&limitBytes=23");
    assert_eq!(stage.get(&query).await.1, "2026-01-01T00:00:00Z sa");
    let late = format!("{LOGS}?sinceTime=2026-01-01T00:00:01Z");
    assert_eq!(stage.get(&late).await, (StatusCode::OK, String::new()));
}

#[tokio::test]
async fn what_has_no_log_is_explained() {
    let stage = Stage::new();
    let rows = [
        (
            "/containerLogs/default/nobody/web",
            StatusCode::NOT_FOUND,
            "does not exist",
        ),
        (
            "/containerLogs/default/web-node/x",
            StatusCode::NOT_FOUND,
            "not found in pod",
        ),
        (
            LOGS,
            StatusCode::BAD_REQUEST,
            "is waiting to start: ContainerCreating",
        ),
    ];
    for (path, code, words) in rows {
        let (found, text) = stage.get(path).await;
        assert_eq!(found, code);
        assert!(text.contains(words), "{text}");
    }
    stage.write_log("0.log", "said");
    let invalid = StatusCode::UNPROCESSABLE_ENTITY;
    let rows = [
        (
            "previous=true",
            StatusCode::BAD_REQUEST,
            "previous terminated container",
        ),
        (
            "stream=Stdin",
            StatusCode::BAD_REQUEST,
            "invalid stream type \"Stdin\"",
        ),
        (
            "tailLines=many",
            StatusCode::BAD_REQUEST,
            "Unable to decode query.",
        ),
        (
            "sinceTime=soon",
            StatusCode::BAD_REQUEST,
            "Unable to decode query.",
        ),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            invalid,
            "Invalid request.",
        ),
        ("sinceSeconds=0", invalid, "Invalid request."),
        ("tailLines=-1", invalid, "Invalid request."),
        ("limitBytes=0", invalid, "Invalid request."),
    ];
    for (query, code, words) in rows {
        let (found, text) = stage.get(&format!("{LOGS}?{query}")).await;
        assert_eq!(found, code, "{query}");
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn a_followed_log_ends_with_its_pod() {
    let stage = Stage::new();
    stage.write_log("0.log", "said");
    stage.shown.exhibits.pods.forget(&stage.pod.uid);
    stage.shown.exhibits.pods.publish(&stage.pod, &ended());
    let all = stage.get(&format!("{LOGS}?follow=true")).await;
    assert_eq!(all, (StatusCode::OK, "said\n".to_owned()));
}

fn ended() -> core::PodStatus {
    let terminated = core::ContainerStateTerminated::default();
    let state = core::ContainerState {
        terminated: Some(terminated),
        ..Default::default()
    };
    let web = core::ContainerStatus {
        name: "web".to_owned(),
        state: Some(state),
        ..core::ContainerStatus::default()
    };
    core::PodStatus {
        container_statuses: Some(vec![web]),
        ..status("Succeeded")
    }
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_no_longer_lists_is_not_healthy() {
    let stage = Stage::new();
    tokio::time::advance(Duration::from_secs(181)).await;
    let (status, body) = stage.get("/healthz").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        body,
        "[+]ping ok\n[+]log ok\n\
         [-]pleg failed: pleg was last seen active 181s ago; threshold is 180s\n\
         [+]syncloop ok\nhealthz check failed\n"
    );
}

#[tokio::test]
async fn one_check_of_the_health_is_shown_by_name_and_all_of_them_in_detail() {
    let stage = Stage::new();
    let ok = (StatusCode::OK, "ok".to_owned());
    for name in ["ping", "log", "syncloop", "pleg"] {
        assert_eq!(stage.get(&format!("/healthz/{name}")).await, ok, "{name}");
    }
    assert_eq!(stage.get("/healthz/other").await.0, StatusCode::NOT_FOUND);
    let (_, text) = stage.get("/healthz?verbose").await;
    assert_eq!(
        text,
        "[+]ping ok\n[+]log ok\n[+]pleg ok\n[+]syncloop ok\nhealthz check passed\n"
    );
}

#[tokio::test]
async fn what_the_runtime_runs_is_listed() {
    let stage = Stage::new();
    assert!(stage.get("/runningpods/").await.1.contains(r#""items":[]"#));
    stage.run_web().await;
    let (_, body) = stage.get("/runningpods/").await;
    let list: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "kind": "PodList", "apiVersion": "v1", "metadata": {},
        "items": [{
            "metadata": { "name": "web-node", "namespace": "default", "uid": stage.pod.uid.as_str() },
            "spec": { "containers": [{ "name": "web", "image": "web:1", "resources": {} }] },
            "status": {},
        }],
    });
    assert_eq!(list, expected);
}

#[tokio::test]
async fn the_configuration_is_shown_and_what_is_switched_off_says_so() {
    let stage = Stage::new();
    let (_, body) = stage.get("/configz").await;
    let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(shown["kubeletconfig"]["syncFrequency"], "1m0s");
    for (path, words) in [
        ("/logs/", "logs endpoint is disabled.\n"),
        ("/logs/kern.log", "logs endpoint is disabled.\n"),
        ("/debug/pprof/heap", "profiling endpoint is disabled.\n"),
        ("/debug/flags/v", "flags endpoint is disabled.\n"),
    ] {
        let refused = (StatusCode::METHOD_NOT_ALLOWED, words.to_owned());
        assert_eq!(stage.get(path).await, refused, "{path}");
    }
}

#[tokio::test]
async fn the_machines_logs_are_shown_as_lists_and_files() {
    let mut stage = Stage::new();
    let logs = tempfile::tempdir().unwrap();
    fs::create_dir(logs.path().join("apt")).unwrap();
    fs::write(logs.path().join("apt/a <b>.log"), "line\n").unwrap();
    stage.shown.exhibits.system_logs = Some(SystemLogs::below(logs.path().to_owned()));
    let (status, list) = stage.get("/logs/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(list.contains(r#"<a href="apt/">apt/</a>"#), "{list}");
    let (_, list) = stage.get("/logs/apt/").await;
    let link = r#"<a href="a%20%3Cb%3E.log">a &lt;b&gt;.log</a>"#;
    assert!(list.contains(link), "{list}");
    let there = (StatusCode::OK, "line\n".to_owned());
    assert_eq!(stage.get("/logs/apt/a%20%3Cb%3E.log").await, there);
    let moved = stage.ask("/logs/apt").await;
    assert_eq!(moved.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(moved.headers()["location"], "/logs/apt/");
    for path in ["/logs/none", "/logs/..%2F..%2Fetc/passwd"] {
        let missing = (StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
        assert_eq!(stage.get(path).await, missing, "{path}");
    }
}

#[tokio::test]
async fn a_query_finds_files_and_services_of_the_machine() {
    let mut stage = Stage::new();
    let logs = tempfile::tempdir().unwrap();
    fs::create_dir(logs.path().join("no-such-service")).unwrap();
    for (file, text) in [
        ("a.log", "of a\n"),
        ("no-such-service/no-such-service.log", "of it\n"),
    ] {
        fs::write(logs.path().join(file), text).unwrap();
    }
    stage.shown.exhibits.system_logs = Some(SystemLogs {
        root: logs.path().to_owned(),
        queries: Queries::Answered,
    });
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    assert_eq!(stage.get("/logs/?query=/a.log").await, ok("of a\n"));
    assert_eq!(
        stage.get("/logs/?query=no-such-service").await,
        ok("of it\n")
    );
    let missing = ok("\nlog not found for no-such-thing\n");
    assert_eq!(stage.get("/logs/?query=no-such-thing").await, missing);
    let with_options = stage.get("/logs/?query=no-such-service&tailLines=1").await;
    let words = "\noptions present and query resolved to log files for [no-such-service]\n\
                 try without specifying options\n";
    assert_eq!(with_options, ok(words));
    let (status, words) = stage.get("/logs/?query=a%20b").await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    assert!(
        words.ends_with("input contains unsupported characters\n"),
        "{words}"
    );
    let (status, _) = stage.get("/logs/?query=a&boot=x").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let outside = stage.get("/logs/?query=/../secret").await;
    assert_eq!(outside.0, StatusCode::NOT_FOUND);
    let moved = stage.ask("/logs?query=a").await;
    assert_eq!(moved.headers()["location"], "/logs/?query=a");
}

#[tokio::test]
async fn what_is_used_is_told_with_pods_and_node() {
    let stage = Stage::new();
    stage.run_web().await;
    let metadata = ContainerMetadata {
        name: "web".to_owned(),
        attempt: 0,
    };
    let pod = PodStats {
        id: "sandbox-0001".into(),
        metadata: SandboxMetadata {
            name: "web-node".to_owned(),
            namespace: "default".to_owned(),
            uid: stage.pod.uid.to_string(),
            attempt: 0,
        },
        usage: Usage::default(),
        network: None,
        processes: None,
        containers: vec![ContainerStats {
            id: "container-0002".into(),
            metadata,
            usage: Usage::default(),
            writable_layer: None,
        }],
    };
    stage.runtime.uses(Used {
        pods: vec![pod],
        ..Used::default()
    });
    stage.write_log("0.log", "said");
    let (code, body) = stage.get("/stats/summary").await;
    assert_eq!(code, StatusCode::OK, "{body}");
    let summary: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(summary["node"]["nodeName"], "node-a");
    assert!(summary["node"]["fs"]["capacityBytes"].is_u64(), "{body}");
    let pod = &summary["pods"][0];
    assert_eq!(pod["podRef"]["name"], "web-node");
    assert_eq!(pod["containers"][0]["logs"]["usedBytes"], 35);
    let (_, body) = stage.get("/stats/summary?only_cpu_and_memory=true").await;
    let summary: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(summary["node"]["fs"].is_null(), "{body}");
    assert!(
        stage
            .get("/metrics/resource")
            .await
            .1
            .contains("scrape_error 0")
    );
    assert!(
        stage
            .get("/metrics/cadvisor")
            .await
            .1
            .contains("machine_cpu_cores")
    );
    stage.runtime.fail_next("ListPodSandboxStats", "no");
    let (code, text) = stage.get("/stats/summary").await;
    assert_eq!(
        (code.as_u16(), text.as_str()),
        (500, "failed to list pod stats: no")
    );
}

#[tokio::test]
async fn a_sandbox_that_has_ended_does_not_hide_what_others_use() {
    let stage = Stage::new();
    let config = |name: &str| SandboxConfig {
        metadata: SandboxMetadata {
            name: name.to_owned(),
            namespace: "default".to_owned(),
            uid: name.to_owned(),
            attempt: 0,
        },
        ..SandboxConfig::default()
    };
    let ended = stage.runtime.run_sandbox(config("old")).await.unwrap();
    let ready = stage.runtime.run_sandbox(config("web")).await.unwrap();
    let pod = |id: SandboxId, name: &str| PodStats {
        id,
        metadata: config(name).metadata,
        usage: Usage::default(),
        network: None,
        processes: None,
        containers: Vec::new(),
    };
    stage.runtime.uses(Used {
        pods: vec![pod(ready, "web")],
        ..Used::default()
    });
    stage.runtime.stop_sandbox(ended).await.unwrap();
    stage
        .runtime
        .fail_next("ListPodSandboxStats", "one is not in ready state");
    let (code, body) = stage.get("/stats/summary").await;
    assert_eq!(code, StatusCode::OK, "{body}");
    let summary: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(summary["pods"][0]["podRef"]["name"], "web");
}

#[tokio::test]
async fn the_node_is_shown_as_it_is_now() {
    let stage = Stage::new();
    let ready = async || {
        let (_, body) = stage.get("/node").await;
        let node: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&node["kind"], &node["metadata"]["name"]),
            (&"Node".into(), &"node-a".into())
        );
        node["status"]["conditions"][3].clone()
    };
    assert_eq!(ready().await["status"], "True");
    stage.runtime.network_problem(Some("no network yet"));
    let not_ready = ready().await;
    assert_eq!(
        (&not_ready["status"], &not_ready["reason"]),
        (&"False".into(), &"KubeletNotReady".into())
    );
    assert!(
        not_ready["message"]
            .as_str()
            .unwrap()
            .contains("no network yet"),
        "{not_ready}"
    );
}
