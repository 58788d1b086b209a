//! A manifest directory as people treat it.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{FileParts, FileSource};
use crate::model::{Event, Object, ObjectKey, ObjectKind, PodChange, PodSource};
use crate::source::{Gatherer, NodeIdentity};
use crate::store::{LocalObjects, Objects, shelf};
use crate::sync::{EventRecorder, Input, SystemClock};

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl EventRecorder for Events {
    fn record(&self, event: Event) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{}: {}", event.reason, event.message));
    }
}

struct Harness {
    directory: TempDir,
    inbox: mpsc::Receiver<Input>,
    events: Arc<Events>,
    objects: LocalObjects,
    _root: TempDir,
    _shutdown: DropGuard,
}

impl Harness {
    /// A source that rescans so rarely that only inotify can be what tells it.
    fn start(directory: TempDir) -> Self {
        let path = directory.path().to_owned();
        Self::start_at(directory, path)
    }

    /// The same of a path in the directory.
    fn start_at(directory: TempDir, path: PathBuf) -> Self {
        let (sender, inbox) = mpsc::channel(16);
        let events = Arc::<Events>::default();
        let root = TempDir::new().unwrap();
        let (shelf, objects) = shelf(root.path());
        let source = FileSource::new(FileParts {
            directory: path,
            node: NodeIdentity {
                node_name: "node".to_owned(),
            },
            rescan: Duration::from_secs(3600),
            events: events.clone(),
            clock: Arc::new(SystemClock),
        });
        let gatherer = Gatherer::new([PodSource::File], shelf, events.clone());
        let (says, sayings) = mpsc::channel(1);
        let shutdown = CancellationToken::new();
        tokio::spawn(source.run(says, shutdown.clone()));
        tokio::spawn(gatherer.run(sayings, sender, shutdown.clone()));
        Self {
            directory,
            inbox,
            events,
            objects,
            _root: root,
            _shutdown: shutdown.drop_guard(),
        }
    }

    async fn next(&mut self) -> String {
        let input = tokio::time::timeout(Duration::from_secs(20), self.inbox.recv()).await;
        match input
            .expect("the source speaks in time")
            .expect("the source runs")
        {
            Input::SourcesReady => "ready".to_owned(),
            Input::Desired(changes) => {
                let words: Vec<_> = changes.iter().map(word).collect();
                words.join(", ")
            }
            Input::ObjectsChanged(keys) => {
                let words: Vec<_> = keys.iter().map(ToString::to_string).collect();
                format!("changed {}", words.join(", "))
            }
            other => panic!("a source does not say {other:?}"),
        }
    }

    /// What the ConfigMap `web` says its colour is.
    async fn colour(&self) -> Option<String> {
        let key = ObjectKey::new(ObjectKind::ConfigMap, "default", "web");
        match self.objects.get(&"reader".into(), &key).await {
            Ok(Object::ConfigMap(map)) => map.data.get("colour").cloned(),
            _ => None,
        }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.directory.path().join(file), text).unwrap();
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

fn manifest(name: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  \
         - {{name: web, image: '{image}'}}\n"
    )
}

#[tokio::test]
async fn files_are_followed_as_they_come_change_and_go() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.yaml"), manifest("a", "x:1")).unwrap();
    fs::write(directory.path().join(".hidden.yaml"), manifest("h", "x:1")).unwrap();
    fs::create_dir(directory.path().join("folder")).unwrap();
    let mut harness = Harness::start(directory);
    assert_eq!(harness.next().await, "add default/a-node");
    assert_eq!(harness.next().await, "ready");

    harness.write("b.yaml", &manifest("b", "x:1"));
    assert_eq!(harness.next().await, "add default/b-node");
    harness.write("a.yaml", &manifest("a", "x:2"));
    assert_eq!(
        harness.next().await,
        "remove default/a-node, add default/a-node"
    );

    // As careful editors do: a new file renamed over the old one.
    harness.write(".b.yaml.new", &manifest("c", "x:1"));
    let path = |file| harness.directory.path().join(file);
    fs::rename(path(".b.yaml.new"), path("b.yaml")).unwrap();
    assert_eq!(
        harness.next().await,
        "remove default/b-node, add default/c-node"
    );
    fs::remove_file(harness.directory.path().join("a.yaml")).unwrap();
    assert_eq!(harness.next().await, "remove default/a-node");
}

#[tokio::test]
async fn one_file_may_stand_in_the_place_of_the_directory() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("a.yaml");
    fs::write(&file, manifest("a", "x:1")).unwrap();
    fs::write(directory.path().join("b.yaml"), manifest("b", "x:1")).unwrap();
    let mut harness = Harness::start_at(directory, file.clone());
    assert_eq!(harness.next().await, "add default/a-node");
    assert_eq!(harness.next().await, "ready");
    harness.write("new", &manifest("c", "x:1"));
    fs::rename(harness.directory.path().join("new"), &file).unwrap();
    assert_eq!(
        harness.next().await,
        "remove default/a-node, add default/c-node"
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(harness.next().await, "remove default/c-node");
    fs::write(&file, manifest("d", "x:1")).unwrap();
    assert_eq!(harness.next().await, "add default/d-node");
}

#[tokio::test]
async fn a_broken_file_is_told_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.yaml"), manifest("a", "x:1")).unwrap();
    let mut harness = Harness::start(directory);
    assert_eq!(harness.next().await, "add default/a-node");
    assert_eq!(harness.next().await, "ready");
    harness.write("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: [\n");
    harness.write("b.yaml", &manifest("b", "x:1"));
    assert_eq!(harness.next().await, "add default/b-node");
    let told = harness.events.0.lock().unwrap().clone();
    assert!(told.iter().any(|one| one.contains("a.yaml:")), "{told:?}");
    fs::remove_file(harness.directory.path().join("a.yaml")).unwrap();
    assert_eq!(harness.next().await, "remove default/a-node");
}

#[tokio::test]
async fn two_files_with_one_pod_are_told() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.yaml"), manifest("a", "x:1")).unwrap();
    fs::write(directory.path().join("b.yaml"), manifest("a", "x:2")).unwrap();
    let mut harness = Harness::start(directory);
    assert_eq!(harness.next().await, "add default/a-node");
    assert_eq!(harness.next().await, "ready");
    let told = harness.events.0.lock().unwrap().clone();
    assert!(
        told[0].starts_with("DuplicatePod: pod default/a-node of"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_directory_that_does_not_exist_yet_is_empty_until_it_does() {
    let directory = TempDir::new().unwrap();
    fs::remove_dir(directory.path()).unwrap();
    let mut harness = Harness::start(directory);
    assert_eq!(harness.next().await, "ready");
    fs::create_dir(harness.directory.path()).unwrap();
    harness.write("a.yaml", &manifest("a", "x:1"));
    assert_eq!(harness.next().await, "add default/a-node");
}

fn map(colour: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web}}\ndata: {{colour: {colour}}}\n"
    )
}

#[tokio::test]
async fn objects_are_there_before_the_pods_that_refer_to_them_and_follow_their_file() {
    let directory = TempDir::new().unwrap();
    let both = format!("{}---\n{}", manifest("a", "x:1"), map("blue"));
    fs::write(directory.path().join("a.yaml"), both).unwrap();
    let mut harness = Harness::start(directory);
    assert_eq!(harness.next().await, "changed ConfigMap default/web");
    assert_eq!(harness.colour().await.as_deref(), Some("blue"));
    assert_eq!(harness.next().await, "add default/a-node");
    assert_eq!(harness.next().await, "ready");

    harness.write("z.yaml", &map("red"));
    harness.write("b.yaml", &manifest("b", "x:1"));
    assert_eq!(harness.next().await, "add default/b-node");
    assert_eq!(
        harness.colour().await.as_deref(),
        Some("blue"),
        "the first file counts"
    );
    let told = harness.events.0.lock().unwrap().clone();
    assert!(
        told.iter()
            .any(|one| one.starts_with("DuplicateObject: ConfigMap default/web of")),
        "{told:?}"
    );

    harness.write("a.yaml", &manifest("a", "x:1"));
    assert_eq!(harness.next().await, "changed ConfigMap default/web");
    assert_eq!(harness.colour().await.as_deref(), Some("red"));
    fs::remove_file(harness.directory.path().join("z.yaml")).unwrap();
    assert_eq!(harness.next().await, "changed ConfigMap default/web");
    assert_eq!(harness.colour().await, None);
}

#[tokio::test]
async fn a_broken_object_is_told_with_file_and_line_and_its_last_good_one_stays() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("web.yaml"), map("blue")).unwrap();
    let mut harness = Harness::start(directory);
    assert_eq!(harness.next().await, "changed ConfigMap default/web");
    assert_eq!(harness.next().await, "ready");
    harness.write(
        "web.yaml",
        &format!("# a comment\n---\n{}", map("blue\n  'a/b': c")),
    );
    harness.write("b.yaml", &manifest("b", "x:1"));
    assert_eq!(harness.next().await, "add default/b-node");
    assert_eq!(harness.colour().await.as_deref(), Some("blue"));
    let told = harness.events.0.lock().unwrap().clone();
    assert!(told[0].contains("web.yaml:"), "{told:?}");
}
