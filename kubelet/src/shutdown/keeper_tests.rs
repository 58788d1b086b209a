//! A machine that goes down, and one that stays after all.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStatus, PodStatus,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::event::EventLog;
use crate::model::{Pod, RestartPolicy};
use crate::plan::fixture;
use crate::sync::{StatusSink, SystemClock};

struct Stage {
    root: TempDir,
    pods: Arc<PodTable>,
    inbox: mpsc::Receiver<Input>,
    news: mpsc::Sender<News>,
    node: watch::Receiver<Arc<NodeFacts>>,
    standing: watch::Receiver<Standing>,
    events: Arc<EventLog>,
    keeper: JoinHandle<()>,
}

fn pod(uid: &str, priority: i32) -> Pod {
    let mut pod = fixture::pod(RestartPolicy::Always, &[], &["main"]);
    pod.uid = uid.into();
    let mut manifest = (*pod.manifest).clone();
    manifest.metadata.uid = Some(uid.to_owned());
    let spec = manifest.spec.get_or_insert_default();
    spec.priority = Some(priority);
    spec.termination_grace_period_seconds = Some(30);
    pod.manifest = Arc::new(manifest);
    pod
}

fn status(phase: &str, is_running: bool) -> PodStatus {
    let state = ContainerState {
        running: is_running.then(ContainerStateRunning::default),
        ..ContainerState::default()
    };
    PodStatus {
        phase: Some(phase.to_owned()),
        container_statuses: Some(vec![ContainerStatus {
            name: "main".to_owned(),
            state: Some(state),
            ..ContainerStatus::default()
        }]),
        ..PodStatus::default()
    }
}

impl Stage {
    /// Ordinary pods have ten seconds, critical ones five.
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let events = Arc::new(EventLog::new(Arc::new(SystemClock)));
        let (sender, inbox) = mpsc::channel(8);
        let (standing, seen) = watch::channel(Standing::default());
        let (facts, node) = watch::channel(Arc::new(NodeFacts::boundless()));
        let pods = Arc::<PodTable>::default();
        let share = |priority, seconds| Share { priority, seconds };
        let keeper = Keeper::new(KeeperParts {
            events: Arc::clone(&events) as _,
            clock: Arc::new(SystemClock),
            pods: Arc::clone(&pods),
            inbox: sender,
            standing,
            node: facts,
            node_name: "node".to_owned(),
            shares: vec![share(0, 10), share(2_000_000_000, 5)],
            root: root.path().to_owned(),
            metrics: UpkeepMetrics::default(),
        });
        let (news, heard) = mpsc::channel(8);
        let keeper = tokio::spawn(keeper.run(heard, CancellationToken::new()));
        Self {
            root,
            pods,
            inbox,
            news,
            node,
            standing: seen,
            events,
            keeper,
        }
    }

    async fn tell(&self, news: News) {
        self.news.send(news).await.unwrap();
    }

    /// Who is told to end, and how long he may take.
    async fn ended(&mut self) -> (String, u64) {
        match self.inbox.recv().await {
            Some(Input::Fail { uid, demise, grace }) => {
                assert_eq!(demise.reason, "Terminated");
                (uid.as_str().to_owned(), grace.unwrap().as_secs())
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A lock, and a way to see whether it is closed.
fn lock() -> (OwnedFd, UnixStream) {
    let (lock, seen) = UnixStream::pair().unwrap();
    seen.set_nonblocking(true).unwrap();
    (lock.into(), seen)
}

fn is_held(mut seen: &UnixStream) -> bool {
    let read = seen.read(&mut [0]);
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[tokio::test(start_paused = true)]
async fn critical_pods_end_when_the_others_have_and_then_the_machine_goes() {
    let mut stage = Stage::new();
    let (web, guard) = (pod("web", 0), pod("guard", 2_000_000_000));
    for pod in [&web, &guard] {
        stage.pods.publish(pod, &status("Running", true));
    }
    let (held, seen) = lock();
    stage.tell(News::Lock(held)).await;
    stage.tell(News::GoesDown).await;
    assert_eq!(stage.ended().await, ("web".to_owned(), 10));
    assert_eq!(stage.node.borrow().machine, Machine::GoesDown);
    assert_eq!(stage.standing.borrow().machine, Machine::GoesDown);

    // It is given up, and still runs.
    stage.pods.publish(&web, &status("Failed", true));
    tokio::task::yield_now().await;
    assert!(stage.inbox.try_recv().is_err(), "the critical one waits");
    stage.pods.publish(&web, &status("Failed", false));
    assert_eq!(stage.ended().await, ("guard".to_owned(), 5));
    assert!(is_held(&seen));
    stage.pods.forget(&guard.uid);

    let (again, still) = lock();
    stage.tell(News::Stays).await;
    stage.tell(News::Lock(again)).await;
    drop(stage.news);
    stage.keeper.await.unwrap();
    assert!(!is_held(&seen) && !is_held(&still));
    assert_eq!(stage.node.borrow().machine, Machine::Stays);
    let record = Record::read(stage.root.path()).unwrap();
    assert!(record.began.is_some() && record.ended >= record.began);
    let messages: Vec<_> = stage
        .events
        .all()
        .into_iter()
        .map(|occurrence| occurrence.event.message)
        .collect();
    assert_eq!(
        messages,
        [
            "Shutdown manager detected shutdown event",
            "Shutdown manager detected shutdown cancellation"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_end_has_no_more_than_its_share() {
    let mut stage = Stage::new();
    let (stuck, guard) = (pod("stuck", 5), pod("guard", 2_000_000_000));
    for pod in [&stuck, &guard] {
        stage.pods.publish(pod, &status("Running", true));
    }
    stage.tell(News::GoesDown).await;
    let began = tokio::time::Instant::now();
    assert_eq!(stage.ended().await.0, "stuck");
    assert_eq!(stage.ended().await.0, "guard");
    assert_eq!(began.elapsed().as_secs(), 10);
    drop(stage.news);
    stage.keeper.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 15);
}
