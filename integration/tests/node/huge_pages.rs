//! Huge pages of the machine, as volumes of a pod.

use std::fs;
use std::os::unix::fs::FileExt;

use podling_integration::harness::Node;
use serde_json::json;

use crate::{is_running, pod, said};

const PAGES: &str = "/proc/sys/vm/nr_hugepages";
/// Pages that the story uses.
const OURS: u64 = 2;

/// Pages that are there as long as the story lasts. Whoever else has some keeps them.
struct Borrowed {
    /// How many there were.
    before: u64,
}

impl Borrowed {
    /// Nothing on a machine that has none to give.
    fn get() -> Option<Self> {
        let before = count();
        set(before + OURS);
        let borrowed = Self { before };
        (count() == before + OURS).then_some(borrowed)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        set(self.before);
    }
}

fn count() -> u64 {
    let text = fs::read_to_string(PAGES).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn set(pages: u64) {
    let file = fs::OpenOptions::new().write(true).open(PAGES);
    // What cannot be written is seen by who reads it again.
    let _ = file.and_then(|file| file.write_at(pages.to_string().as_bytes(), 0));
}

#[tokio::test]
async fn pages_of_a_size_are_a_volume_of_the_pod_that_asks_for_them() {
    let Some(_pages) = Borrowed::get() else {
        eprintln!("skipped: the machine has no huge pages of 2Mi to give");
        return;
    };
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let amounts = json!({ "cpu": "100m", "memory": "64Mi", "hugepages-2Mi": "4Mi" });
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "volumes": [
            { "name": "any", "emptyDir": { "medium": "HugePages" } },
            { "name": "sized", "emptyDir": { "medium": "HugePages-2Mi" } },
        ],
        "containers": [{
            "name": "main", "image": image, "command": ["sleep", "1000"],
            "resources": { "limits": amounts, "requests": amounts },
            "volumeMounts": [
                { "name": "any", "mountPath": "/any" }, { "name": "sized", "mountPath": "/sized" },
            ],
        }],
    });
    node.manifest("huge.yaml", &pod("huge", spec));
    node.wait_pod("huge", "runs", is_running).await;
    let mounts = said(
        &node,
        "huge",
        "main",
        "grep -E ' /(any|sized) ' /proc/mounts",
    );
    for path in ["/any", "/sized"] {
        let line = mounts
            .lines()
            .find(|line| line.contains(&format!(" {path} ")));
        let line = line.unwrap_or_else(|| panic!("{path}: {mounts}"));
        assert!(
            line.contains(" hugetlbfs ") && line.contains("pagesize=2M"),
            "{line}"
        );
    }
    // A page is taken, and given back with the pod.
    let seen = said(
        &node,
        "huge",
        "main",
        "fallocate -l 2097152 /any/f && stat -c %s /any/f",
    );
    assert_eq!(seen.trim(), "2097152");
    node.remove_manifest("huge.yaml");
    node.wait_gone("huge").await;
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the table can be read");
    let root = node.root().display().to_string();
    assert!(
        !mounts
            .lines()
            .any(|line| line.contains(&root) && line.contains("hugetlbfs"))
    );
    node.stop().await;
}
