//! podling as one file, with its helper programs inside.

use std::fs;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{Node, processes, requests};

#[tokio::test]
async fn a_node_runs_from_one_file_and_its_pods_outlive_the_change_to_another_build() {
    let mut node = Node::start().await;
    node.kill9();
    let alone = node.folder().join("alone");
    fs::create_dir(&alone).expect("there is room");
    let podling = alone.join("podling");
    for _ in 0..2 {
        let bundled = node.podling(&["bundle", &podling.display().to_string()]);
        assert!(bundled.status.success(), "{bundled:?}");
    }
    let others = fs::read_dir(&alone).expect("it is there").count();
    assert_eq!(others, 1, "nothing lies beside it");
    // Runs it in the place of the one that the harness names.
    let script = format!("shift; exec {} \"$@\"", podling.display());
    let start = Start {
        wrapper: ["sh", "-c", &script, "sh"].map(str::to_owned).into(),
        ..Start::default()
    };
    node.restart_with(&start).await;
    let image = node.import_testbox().await;
    let cri = node.cri().await;
    let config = requests::sandbox("web", "");
    let container = requests::container(&image, &["sleep"]);
    let pod = requests::run_pod(&cri, config, container).await;
    pod.expect("a pod");
    let programs = node.root().join("var/lib/podling/programs");
    let monitors = processes::monitors(node.root(), &node.range().cgroup());
    let [monitor] = monitors[..] else {
        panic!("one monitor is expected: {monitors:?}");
    };
    let executed = fs::read_link(format!("/proc/{monitor}/exe")).expect("it runs");
    assert!(executed.starts_with(&programs), "{}", executed.display());

    node.kill9();
    node.restart_with(&start).await;
    let kept = fs::read_dir(&programs).expect("it is there").count();
    assert_eq!(kept, 1, "the programs are written once");

    // One with its programs beside it needs none of them, and takes over what they run.
    node.kill9();
    node.restart().await;
    let left = fs::read_dir(&programs).into_iter().flatten().count();
    assert_eq!(left, 0, "programs of another build are removed");
    let monitors = processes::monitors(node.root(), &node.range().cgroup());
    assert_eq!(monitors, [monitor], "the pod goes on");
    node.stop().await;
}
