//! Cgroups of pods whose client names no parent, when the runtime is told another default.

use std::fs;
use std::path::PathBuf;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::leftovers;
use podling_integration::harness::requests::{self, Running};
use podling_integration::harness::{Cri, DEADLINE, Node, Options, wait_until};
use podling_proto::runtime::v1::{ExecSyncRequest, ListContainerStatsRequest};

use crate::{is_running, one, pod};

/// Has the runtime put pods below `parent` of the node's own cgroup from its next start on.
fn configure(node: &Node, parent: &str) {
    let text = format!(
        "apiVersion: podling.dev/v1alpha1\nkind: RuntimeConfiguration\ncgroupParent: {}/{parent}\n",
        node.range().cgroup()
    );
    fs::write(node.root().join("etc/podling/config.yaml"), text).expect("it can be written");
}

/// The cgroups of a pod, wherever they are below the node's own.
fn cgroups_of(node: &Node, pod: &Running) -> Vec<PathBuf> {
    let mut found = leftovers::cgroups(&node.range().cgroup());
    found.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| [&pod.sandbox, &pod.container].iter().any(|id| *id == name))
    });
    found
}

async fn run(cri: &Cri, image: &str, name: &str) -> Running {
    let config = requests::sandbox(name, "");
    let container = requests::container(image, &["sleep"]);
    let made = requests::run_pod(cri, config, container).await;
    made.expect("a pod")
}

#[tokio::test]
async fn pods_keep_their_cgroups_when_the_default_parent_changes_and_leave_none() {
    let mut node = Node::start().await;
    node.kill9();
    configure(&node, "former");
    node.restart().await;
    let image = node.import_testbox().await;
    let early = run(&node.cri().await, &image, "early").await;

    node.kill9();
    configure(&node, "later");
    node.restart().await;
    let cri = node.cri().await;
    let late = run(&cri, &image, "late").await;
    for (pod, parent) in [(&early, "/former/"), (&late, "/later/")] {
        let cgroups = cgroups_of(&node, pod);
        let is_below = |path: &PathBuf| path.to_string_lossy().contains(parent);
        assert!(
            cgroups.len() >= 2 && cgroups.iter().all(is_below),
            "{cgroups:?}"
        );
        // What looks for the container's cgroup finds it there.
        let request = ExecSyncRequest {
            container_id: pod.container.clone(),
            cmd: vec!["/testbox".to_owned(), "exit".to_owned(), "0".to_owned()],
            timeout: 10,
        };
        let ran = cri.runtime.clone().exec_sync(request).await;
        assert_eq!(ran.expect("an exec").into_inner().exit_code, 0);
    }
    let stats = cri
        .runtime
        .clone()
        .list_container_stats(ListContainerStatsRequest::default())
        .await
        .expect("statistics")
        .into_inner()
        .stats;
    assert_eq!(stats.len(), 2);
    assert!(stats.iter().all(|one| one.memory.is_some()), "{stats:?}");

    for pod in [&early, &late] {
        requests::remove_pod(&cri, &pod.sandbox)
            .await
            .expect("it is removed");
        wait_until(DEADLINE, "its cgroups are gone", || {
            cgroups_of(&node, pod).is_empty()
        })
        .await;
    }
    node.stop().await;
}

#[tokio::test]
async fn without_cgroups_of_classes_containers_are_below_the_root() {
    let arguments = ["--cgroups-per-qos=false", "--enforce-node-allocatable="];
    let node = Node::start_with(Options {
        start: Start {
            arguments: arguments.map(str::to_owned).to_vec(),
            ..Start::default()
        },
        ..Options::default()
    })
    .await;
    let image = node.import_testbox().await;
    node.manifest("flat.yaml", &pod("flat", one(&image, &["sleep"])));
    let flat = node.wait_pod("flat", "runs", is_running).await;
    let main = flat.main().expect("it runs");
    let id = main.id().rsplit('/').next().unwrap_or_default().to_owned();
    let cgroups = leftovers::cgroups(&node.range().cgroup());
    let is_of = |path: &&PathBuf, name: &str| path.to_string_lossy().contains(name);
    assert!(
        !cgroups.iter().any(|path| is_of(&path, "kubepods")),
        "{cgroups:?}"
    );
    let root = node.range().cgroup();
    let is_below = |path: &PathBuf| {
        let above = path.parent();
        path.ends_with(&id) && above.is_some_and(|above| above.ends_with(root.trim_matches('/')))
    };
    assert!(cgroups.iter().any(is_below), "{cgroups:?}");
    node.stop().await;
}
