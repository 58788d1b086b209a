//! Lists that go on, as who watches reads them.

use std::time::Duration;

use axum::body::BodyDataStream;
use serde_json::Value;
use tokio_stream::StreamExt;

use super::tests::{Stage, status};
use crate::model::{Event, EventKind, PodName};
use crate::sync::{EventRecorder, StatusSink};

/// The lines of a watch.
struct Lines {
    body: BodyDataStream,
    read: Vec<u8>,
}

impl Lines {
    async fn of(stage: &Stage, path: &str) -> Self {
        let answer = stage.ask(path).await;
        assert_eq!(answer.status(), 200);
        Self {
            body: answer.into_body().into_data_stream(),
            read: Vec::new(),
        }
    }

    /// The next event and its object; nothing after the last.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let mut event: Value = serde_json::from_slice(&line).unwrap();
                let kind = event["type"].as_str().unwrap().to_owned();
                return Some((kind, event["object"].take()));
            }
            self.read.extend(self.body.next().await?.unwrap());
        }
    }

    async fn expect(&mut self, kind: &str) -> Value {
        let (found, object) = self.next().await.expect("the watch goes on");
        assert_eq!(found, kind, "{object}");
        object
    }
}

#[tokio::test]
async fn pods_are_watched_from_what_is_there() {
    let stage = Stage::new();
    let mut lines = Lines::of(&stage, "/pods?watch=true&allowWatchBookmarks=true").await;
    assert_eq!(lines.expect("ADDED").await["status"]["phase"], "Running");
    let bookmark = lines.expect("BOOKMARK").await;
    assert_eq!(bookmark["kind"], "Pod");
    let annotations = &bookmark["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");

    let pods = &stage.shown.exhibits.pods;
    // The same again is no news.
    pods.publish(&stage.pod, &status("Running"));
    pods.publish(&stage.pod, &status("Succeeded"));
    pods.forget(&stage.pod.uid);
    pods.forget(&stage.pod.uid);
    pods.publish(&stage.pod, &status("Pending"));
    let told = lines.expect("MODIFIED").await;
    assert_eq!(
        (&told["kind"], &told["status"]["phase"]),
        (&"Pod".into(), &"Succeeded".into())
    );
    assert_eq!(
        lines.expect("DELETED").await["status"]["phase"],
        "Succeeded"
    );
    assert_eq!(lines.expect("ADDED").await["status"]["phase"], "Pending");
    stage.shown.shutdown.cancel();
    assert!(lines.next().await.is_none(), "the server has ended");
}

#[tokio::test]
async fn events_are_watched_by_names_that_stay() {
    let stage = Stage::new();
    let record = |message: &str| {
        stage.shown.exhibits.events.record(Event {
            pod: PodName::new("default", "web-node"),
            uid: Some("uid-1".into()),
            container: None,
            kind: EventKind::Normal,
            reason: "Pulled".into(),
            message: message.to_owned(),
        });
    };
    record("one");
    let mut lines = Lines::of(&stage, "/events?watch=true").await;
    let first = lines.expect("ADDED").await;
    record("two");
    record("one");
    let second = lines.expect("ADDED").await;
    let again = lines.expect("MODIFIED").await;
    let name = |event: &Value| event["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(
        (name(&again), &again["count"]),
        (name(&first), &2_u32.into())
    );
    assert_ne!(name(&second), name(&first));
    assert!(name(&first).starts_with("web-node."), "{first}");
}

#[tokio::test(start_paused = true)]
async fn a_node_is_told_again_when_more_than_its_heartbeat_has_changed() {
    let stage = Stage::new();
    let mut lines = Lines::of(&stage, "/node?watch=true&timeoutSeconds=60").await;
    let ready = |node: &Value| node["status"]["conditions"][3]["status"].clone();
    assert_eq!(ready(&lines.expect("ADDED").await), "True");
    tokio::time::sleep(Duration::from_secs(25)).await;
    stage.runtime.network_problem(Some("no network yet"));
    assert_eq!(ready(&lines.expect("MODIFIED").await), "False");
    assert!(lines.next().await.is_none(), "its time is up");
}
