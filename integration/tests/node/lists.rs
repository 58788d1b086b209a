//! Lists of many pods, made without starting as many: a stopped one is copied on the disk.

use std::fs;
use std::path::Path;
use std::time::Instant;
use std::{env, io};

use podling_integration::harness::requests;
use podling_integration::harness::{Cri, Node};
use podling_proto::runtime::v1 as cri;
use tokio::task::JoinSet;

/// Pods that are listed; PODLING_TEST_LISTED changes it.
const LISTED: usize = 200;
/// Removals at once.
const AT_ONCE: usize = 8;

#[tokio::test]
async fn pods_that_ended_are_listed_by_the_hundred() {
    let count = env::var("PODLING_TEST_LISTED").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(LISTED);
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let client = node.cri().await;
    let sandbox = requests::sandbox("pod-00000", &node.range().cgroup());
    let container = requests::container(&image, &["sleep"]);
    let pod = requests::run_pod(&client, sandbox, container).await;
    let pod = pod.expect("a pod");
    let request = cri::StopPodSandboxRequest {
        pod_sandbox_id: pod.sandbox.clone(),
    };
    let stopped = client.runtime.clone().stop_pod_sandbox(request).await;
    stopped.expect("it is stopped");
    node.kill9();
    for number in 1..count {
        copy(node.root(), &pod, number);
    }
    node.restart().await;

    let client = node.cri().await;
    let (containers, of_containers) = timed(&client, Cri::containers).await;
    let (sandboxes, of_sandboxes) = timed(&client, Cri::sandboxes).await;
    assert_eq!((containers, sandboxes), (count, count));
    println!("{count} containers in {of_containers} ms, {count} sandboxes in {of_sandboxes} ms");
    remove_all(&client).await;
    node.stop().await;
}

/// A few at a time: all at once would be waited for no longer than one.
async fn remove_all(client: &Cri) {
    let mut removals = JoinSet::new();
    for sandbox in client.sandboxes().await {
        if removals.len() == AT_ONCE {
            removals.join_next().await;
        }
        let client = client.clone();
        removals.spawn(async move {
            let removed = requests::remove_pod(&client, &sandbox.id).await;
            removed.expect("a removal");
        });
    }
    removals.join_all().await;
}

/// The length of a list, and the milliseconds that the quickest of some calls took.
async fn timed<T>(client: &Cri, list: impl AsyncFn(&Cri) -> Vec<T>) -> (usize, u128) {
    let mut quickest = u128::MAX;
    let mut length = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        length = list(client).await.len();
        quickest = quickest.min(begun.elapsed().as_millis());
    }
    (length, quickest)
}

/// The pod once more, under other ids and another name.
fn copy(root: &Path, pod: &requests::Running, number: usize) {
    let other = |id: &str| format!("{number:05}{}", &id[5..]);
    let names = [
        (pod.sandbox.clone(), other(&pod.sandbox)),
        (pod.container.clone(), other(&pod.container)),
        ("pod-00000".to_owned(), format!("pod-{number:05}")),
    ];
    for (place, id) in [("sandboxes", &pod.sandbox), ("containers", &pod.container)] {
        let place = root.join("var/lib/podling").join(place);
        let copied = copy_tree(&place.join(id), &place.join(other(id)), &names);
        copied.expect("there is room");
    }
}

fn copy_tree(from: &Path, to: &Path, names: &[(String, String)]) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_tree(&from, &to, names)?;
        } else if let Ok(mut text) = fs::read_to_string(&from) {
            for (name, other) in names {
                text = text.replace(name, other);
            }
            fs::write(to, text)?;
        }
    }
    Ok(())
}
