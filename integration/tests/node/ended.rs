//! Pods that have ended and are still wanted: what they held of the node is given back, what they said stays.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use podling_integration::harness::csi_driver::{Driver, Manner};
use podling_integration::harness::{DEADLINE, Node, Pod, leftovers, processes, wait_until};
use serde_json::{Value, json};

use crate::csi::disk;
use crate::{pod, shell};

const SAID: &str = "what was to be done is done";

/// A pod that writes to each of its volumes, says so, and has failed.
fn job(image: &str) -> Value {
    let script = format!(
        "echo x | tee /memory/a /disk/a /room/a && cat /secret/password /all/password \
         && echo said && printf '{SAID}' > /dev/termination-log; exit 3"
    );
    let mounts = ["memory", "disk", "room", "secret", "all"];
    let mounts = mounts.map(|name| json!({ "name": name, "mountPath": format!("/{name}") }));
    let mut spec = shell(image, &script);
    spec["containers"][0]["volumeMounts"] = mounts.to_vec().into();
    spec["restartPolicy"] = "Never".into();
    spec["volumes"] = json!([
        { "name": "memory", "emptyDir": { "medium": "Memory" } },
        { "name": "disk", "emptyDir": {} },
        { "name": "room", "persistentVolumeClaim": { "claimName": "disk" } },
        { "name": "secret", "secret": { "secretName": "key" } },
        { "name": "all", "projected": { "sources": [{ "secret": { "name": "key" } }] } },
    ]);
    spec
}

fn directory(node: &Node, pod: &Pod) -> PathBuf {
    let pods = node.root().join("var/lib/podling/kubelet/pods");
    pods.join(pod.uid())
}

/// What a pod holds of the node, a line each.
fn held(node: &Node, pod: &Pod) -> Vec<String> {
    let directory = directory(node, pod);
    let mut held: Vec<_> = leftovers::mounts(&directory);
    for name in ["volumes", "volumeDevices", "userns"] {
        if directory.join(name).exists() {
            held.push(name.to_owned());
        }
    }
    let cgroups = leftovers::cgroups(&node.range().cgroup());
    let of_pod = cgroups
        .iter()
        .map(|path| path.display().to_string())
        .filter(|path| path.contains(pod.uid()));
    held.extend(of_pod);
    held
}

async fn wait_given_back(node: &Node, pod: &Pod) {
    wait_until(DEADLINE, "nothing of the node is held", || {
        held(node, pod).is_empty()
    })
    .await;
}

/// What people look at is as the pod has left it.
fn assert_told(node: &Node, pod: &Pod) {
    let main = pod.main().expect("it has a status");
    assert_eq!((pod.phase(), main.exit_code()), ("Failed", Some(3)));
    let message = main.0.pointer("/state/terminated/message");
    assert_eq!(message.and_then(Value::as_str), Some(SAID));
    assert_eq!(node.logs(pod, "main"), "x\nopenopensaid\n");
    assert!(directory(node, pod).join("containers/main").is_dir());
}

fn has_failed(pod: &Pod) -> bool {
    pod.phase() == "Failed"
}

#[tokio::test]
async fn a_pod_that_has_ended_gives_back_what_it_held_and_what_it_said_stays() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = Driver::serve(&node);
    node.manifest("disk.yaml", &disk("disk", "ReadWriteOnce"));
    let mut lives = job(&image);
    lives["restartPolicy"] = "Always".into();
    lives["volumes"][2] = json!({ "name": "room", "emptyDir": {} });
    node.manifest("lives.yaml", &pod("lives", lives));
    node.manifest("job.yaml", &pod("job", job(&image)));
    let ended = node.wait_pod("job", "has failed", has_failed).await;
    wait_given_back(&node, &ended).await;
    assert_told(&node, &ended);
    let told = driver.told();
    let last = &told[told.len() - 2..];
    assert_eq!(last, ["unpublish vol-disk", "unstage vol-disk"]);
    let goes_on = |pod: &Pod| pod.main().is_some_and(|main| main.restarts() > 0);
    let lives = node.wait_pod("lives", "is started again", goes_on).await;
    assert!(!held(&node, &lives).is_empty(), "it will run again");

    node.kill9();
    node.restart().await;
    let ended = node.wait_pod("job", "has failed", has_failed).await;
    let more = |pod: &Pod| {
        let before = lives.main().map_or(0, |main| main.restarts());
        pod.main().is_some_and(|main| main.restarts() > before)
    };
    node.wait_pod("lives", "is started once more", more).await;
    assert_eq!(held(&node, &ended), Vec::<String>::new());
    assert_told(&node, &ended);
    assert_eq!(
        driver
            .told()
            .iter()
            .filter(|line| line.starts_with("publish vol"))
            .count(),
        1
    );

    node.remove_manifest("job.yaml");
    node.wait_gone("job").await;
    assert!(!directory(&node, &ended).exists());
    node.stop().await;
}

#[tokio::test]
async fn a_daemon_that_dies_while_an_ended_pod_gives_back_what_it_held_goes_on_with_it() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = Driver::serve(&node);
    node.manifest("disk.yaml", &disk("disk", "ReadWriteOnce"));
    for call in ["unpublish", "unstage"] {
        driver.behave(Manner::Hangs(call));
        let asked = format!("{call} vol-disk");
        let times = || driver.told().iter().filter(|line| **line == asked).count();
        let before = times();
        node.manifest("job.yaml", &pod("job", job(&image)));
        wait_until(DEADLINE, "the driver is asked", || times() > before).await;
        node.kill9();
        driver.behave(Manner::Answers);
        node.restart().await;
        let ended = node.wait_pod("job", "has failed", has_failed).await;
        wait_given_back(&node, &ended).await;
        assert_told(&node, &ended);
        wait_until(DEADLINE, "the driver is asked again", || {
            times() > before + 1
        })
        .await;
        node.remove_manifest("job.yaml");
        node.wait_gone("job").await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_pod_whose_sandbox_was_killed_and_that_stays_ended_gives_back_its_address() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mut spec = shell(&image, "sleep 1000");
    spec["restartPolicy"] = "Never".into();
    node.manifest("job.yaml", &pod("job", spec.clone()));
    let runs = node.wait_pod("job", "runs", crate::is_running).await;
    let mut pause: BTreeSet<_> = processes::of_node(node.root(), &node.range().cgroup());
    pause.retain(|process| process.command.trim() == "/pause");
    processes::kill(&pause);
    let ended = node.wait_pod("job", "has failed", has_failed).await;
    wait_given_back(&node, &ended).await;
    let main = ended.main().and_then(|main| main.exit_code());
    assert_eq!(main, Some(137));
    let ip = runs.ip().expect("it had one").to_string();
    let taken = node.root().join("var/lib/podling/network/addresses");
    let taken = fs::read_dir(taken).expect("it can be read");
    let mut taken = taken.map(|entry| entry.expect("it is there").file_name());
    assert!(
        !taken.any(|name| name.to_string_lossy().contains(&ip)),
        "{ip}"
    );
    node.stop().await;
}
