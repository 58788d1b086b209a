//! Many pods come and go, and the node is as it was. The heaviest of the stories.

use std::env;

use podling_integration::harness::requests::{self, Running};
use podling_integration::harness::wait::{DEADLINE, try_for, wait_for};
use podling_integration::harness::{Census, Cri, Node, processes};
use tokio::task::JoinSet;

/// Pods that are made; PODLING_TEST_PODS changes it.
const PODS: usize = 200;
/// Requests at once.
const AT_ONCE: usize = 8;
/// What the daemon may grow by in a second round as large as the first, in KiB. The first shows how
/// much memory that many pods at a time take, of which an allocator keeps the most.
const MEMORY_SLACK: u64 = 4 << 10;

async fn create(cri: &Cri, image: &str, parent: &str, names: Vec<String>) -> Vec<Running> {
    let mut made = Vec::new();
    for batch in names.chunks(AT_ONCE) {
        let mut tasks = JoinSet::new();
        for name in batch {
            let (cri, config) = (cri.clone(), requests::sandbox(name, parent));
            let container = requests::container(image, &["sleep"]);
            tasks.spawn(async move { requests::run_pod(&cri, config, container).await });
        }
        for pod in tasks.join_all().await {
            made.push(pod.expect("a pod is made"));
        }
    }
    made
}

async fn remove(cri: &Cri, pods: &[Running]) {
    for batch in pods.chunks(AT_ONCE) {
        let mut tasks = JoinSet::new();
        for pod in batch.iter().cloned() {
            let cri = cri.clone();
            tasks.spawn(async move { requests::remove_pod(&cri, &pod.sandbox).await });
        }
        for removed in tasks.join_all().await {
            removed.expect("a pod is removed");
        }
    }
}

/// The node without pods. What a removed pod leaves to be closed and deleted takes a moment more
/// than the call that removed it, so two looks in a row must agree.
async fn settled(node: &Node) -> Census {
    let mut last = Census::of(node);
    let settled = wait_for(DEADLINE, "the node is empty", async || {
        let census = Census::of(node);
        let is_settled = census == last && census.records == 0 && census.links == 0;
        last = census.clone();
        is_settled.then_some(census)
    });
    settled.await
}

fn names(beginning: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{beginning}-{number}"))
        .collect()
}

#[tokio::test]
async fn two_hundred_pods_come_and_go_and_everything_is_where_it_was() {
    let count = env::var("PODLING_TEST_PODS")
        .ok()
        .and_then(|text| text.parse().ok());
    let count = count.unwrap_or(PODS);
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let cri = node.cri().await;
    let parent = format!("{}/churn", node.range().cgroup());

    let first = create(&cri, &image, &parent, names("first", count)).await;
    remove(&cri, &first).await;
    let before = settled(&node).await;
    let memory = processes::resident(node.daemon_pid());

    let second = create(&cri, &image, &parent, names("second", count)).await;
    assert_eq!(cri.containers().await.len(), count);
    assert!(
        Census::of(&node).links >= count,
        "every pod has a link on the bridge"
    );
    remove(&cri, &second).await;

    let is_back = try_for(DEADLINE, async || {
        (Census::of(&node) == before).then_some(())
    })
    .await;
    assert!(
        is_back.is_some(),
        "before {before:?}, after {:?}",
        Census::of(&node)
    );
    let grown = processes::resident(node.daemon_pid()).saturating_sub(memory);
    println!("{count} pods: the daemon's memory has grown by {grown} KiB");
    assert!(grown <= MEMORY_SLACK, "the daemon has grown by {grown} KiB");
    node.stop().await;
}
