//! A page that changes, breaks and goes away.

use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;

use super::*;
use crate::model::{Event, PodChange};
use crate::source::Gatherer;
use crate::store::shelf;
use crate::sync::{Input, SystemClock};

/// What the server answers, and what it was asked with.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Served>>);

#[derive(Default)]
struct Served {
    status: StatusCode,
    body: String,
    tokens: Vec<String>,
}

impl Server {
    async fn start() -> (Self, String) {
        let server = Self::default();
        let router = Router::new().route("/pods", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:word@{}/pods", listener.local_addr().unwrap());
        let served = router.with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, served).await });
        (server, url)
    }

    fn says(&self, status: u16, body: &str) {
        let mut served = self.0.lock().unwrap();
        served.status = StatusCode::from_u16(status).unwrap();
        body.clone_into(&mut served.body);
    }
}

async fn answer(State(server): State<Server>, headers: HeaderMap) -> (StatusCode, String) {
    let mut served = server.0.lock().unwrap();
    let token = headers.get("x-token").map(|token| token.to_str().unwrap());
    served.tokens.push(token.unwrap_or_default().to_owned());
    (served.status, served.body.clone())
}

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl EventRecorder for Events {
    fn record(&self, event: Event) {
        let line = format!("{}: {}", event.reason, event.message);
        self.0.lock().unwrap().push(line);
    }
}

struct Harness {
    server: Server,
    inbox: mpsc::Receiver<Input>,
    events: Arc<Events>,
    _root: tempfile::TempDir,
    _shutdown: DropGuard,
}

impl Harness {
    async fn start(status: u16, body: &str) -> Self {
        let (server, url) = Server::start().await;
        server.says(status, body);
        let headers = [("X-Token".to_owned(), vec!["mine".to_owned()])].into();
        let events = Arc::<Events>::default();
        let source = HttpSource::new(HttpParts {
            page: Page::read(&url, &headers, Duration::from_millis(5)).unwrap(),
            node: NodeIdentity {
                node_name: "node".to_owned(),
            },
            events: events.clone(),
            clock: Arc::new(SystemClock),
        });
        let root = tempfile::TempDir::new().unwrap();
        let (shelf, _) = shelf(root.path());
        let gatherer = Gatherer::new([PodSource::Http], shelf, events.clone());
        let (says, sayings) = mpsc::channel(1);
        let (inbox, inputs) = mpsc::channel(16);
        let shutdown = CancellationToken::new();
        tokio::spawn(source.run(says, shutdown.clone()));
        tokio::spawn(gatherer.run(sayings, inbox, shutdown.clone()));
        Self {
            server,
            inbox: inputs,
            events,
            _root: root,
            _shutdown: shutdown.drop_guard(),
        }
    }

    async fn next(&mut self) -> String {
        let input = tokio::time::timeout(Duration::from_secs(20), self.inbox.recv()).await;
        match input.expect("it speaks in time").expect("it runs") {
            Input::SourcesReady => "ready".to_owned(),
            Input::Desired(changes) => changes.iter().map(word).collect::<Vec<_>>().join(", "),
            other => panic!("a page does not say {other:?}"),
        }
    }

    /// Waits until the page was asked for this often from now on.
    async fn asked(&self, times: usize) {
        let count = || self.server.0.lock().unwrap().tokens.len();
        let enough = count() + times;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while count() < enough {
            assert!(tokio::time::Instant::now() < deadline, "it asks no more");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn told(&self) -> Vec<String> {
        self.events.0.lock().unwrap().clone()
    }
}

fn word(change: &PodChange) -> String {
    match change {
        PodChange::Add(pod) => format!("add {}", pod.name),
        PodChange::Update(pod) => format!("update {}", pod.name),
        PodChange::Reconcile(pod) => format!("reconcile {}", pod.name),
        PodChange::Remove { name, .. } => format!("remove {name}"),
    }
}

fn pod(name: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}},
            "spec": {{"containers": [{{"name": "web", "image": "x:1"}}]}}}}"#
    )
}

fn list(kind: &str, pods: &[&str]) -> String {
    let pods: Vec<_> = pods.iter().map(|name| pod(name)).collect();
    let items = pods.join(",");
    format!(r#"{{"apiVersion": "v1", "kind": "{kind}", "items": [{items}]}}"#)
}

#[tokio::test]
async fn a_page_is_followed_as_it_changes() {
    let mut harness = Harness::start(200, &pod("a")).await;
    assert_eq!(harness.next().await, "add default/a-node");
    assert_eq!(harness.next().await, "ready");
    harness.server.says(200, &list("PodList", &["a", "b"]));
    assert_eq!(harness.next().await, "add default/b-node");
    harness.server.says(200, &list("List", &["b"]));
    assert_eq!(harness.next().await, "remove default/a-node");
    harness.server.says(200, "");
    assert_eq!(harness.next().await, "remove default/b-node");
    harness.server.says(200, &list("List", &["b"]));
    assert_eq!(harness.next().await, "add default/b-node");
    let served = harness.server.0.lock().unwrap();
    assert!(served.tokens.iter().all(|token| token == "mine"));
}

#[tokio::test]
async fn a_page_that_breaks_keeps_its_pods_and_is_told_of_once() {
    let mut harness = Harness::start(200, &pod("a")).await;
    assert_eq!(harness.next().await, "add default/a-node");
    assert_eq!(harness.next().await, "ready");
    harness.server.says(500, "oops");
    harness.asked(3).await;
    harness.server.says(200, "kind: [");
    harness.asked(3).await;
    harness.server.says(200, &pod("a"));
    harness.asked(3).await;
    harness.server.says(500, "oops");
    harness.asked(3).await;
    harness.server.says(200, &pod("b"));
    assert_eq!(
        harness.next().await,
        "remove default/a-node, add default/b-node"
    );
    let told = harness.told();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].ends_with("/pods: 500 Internal Server Error"),
        "{told:?}"
    );
    assert!(told[1].contains("/pods:"), "{told:?}");
    assert_eq!(told[2], told[0]);
    assert!(!told.concat().contains("word"), "{told:?}");
}

#[tokio::test]
async fn a_page_that_was_never_understood_has_not_spoken() {
    let mut harness = Harness::start(404, "").await;
    harness.asked(3).await;
    assert!(harness.inbox.try_recv().is_err());
    harness.server.says(200, &list("PodList", &[]));
    assert_eq!(harness.next().await, "ready");
}
