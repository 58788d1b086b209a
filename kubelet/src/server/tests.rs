//! The server as a client sees it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use k8s_openapi::api::core::v1 as core;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Exhibits, PodTable, Shown, router};
use crate::event::EventLog;
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::model::{Event, EventKind, Pod, PodName, RestartPolicy};
use crate::plan::fixture::pod;
use crate::pulse::Pulse;
use crate::sync::{EventRecorder, StatusSink, SystemClock};

struct Stage {
    shown: Shown,
    pod: Pod,
    _root: TempDir,
}

impl Stage {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let pods = Arc::new(PodTable::default());
        let pod = web();
        pods.publish(&pod, &status("Running"));
        let exhibits = Exhibits {
            pods,
            events: Arc::new(EventLog::new(Arc::new(SystemClock))),
            metrics: Metrics::new("node-a"),
            pulse: Pulse::default(),
            layout: Layout::new(root.path(), &root.path().join("logs")),
        };
        let shown = Shown {
            exhibits,
            shutdown: CancellationToken::new(),
        };
        Self {
            shown,
            pod,
            _root: root,
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(self.shown.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
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

fn status(phase: &str) -> core::PodStatus {
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
        reason: "BackOff",
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
async fn metrics_have_the_names_that_dashboards_know() {
    let stage = Stage::new();
    let metrics = &stage.shown.exhibits.metrics;
    metrics.operation("RunPodSandbox", Duration::from_millis(3), true);
    metrics.running(2, &[("running", 3)].into());
    let (_, text) = stage.get("/metrics").await;
    for line in [
        "kubelet_node_name{node=\"node-a\"} 1",
        "kubelet_running_pods 2",
        "kubelet_running_containers{container_state=\"running\"} 3",
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
            StatusCode::BAD_REQUEST,
            "is not valid for pod",
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
    let rows = [
        ("previous=true", "previous terminated container"),
        ("stream=Stdin", "is not one of"),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            "at most one",
        ),
    ];
    for (query, words) in rows {
        let (found, text) = stage.get(&format!("{LOGS}?{query}")).await;
        assert_eq!(found, StatusCode::BAD_REQUEST, "{query}");
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
        "[-]pleg failed: pleg was last seen active 181s ago; threshold is 180s\n\
         [+]syncloop ok\nhealthz check failed\n"
    );
}
