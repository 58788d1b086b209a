//! What a container finds around it: environment, volumes, processes.

use std::fs;

use podling_integration::harness::{DEADLINE, Node, wait_for, wait_until};
use serde_json::json;

use crate::{is_running, pod, said, shell};

#[tokio::test]
async fn variables_are_expanded_in_the_environment_and_in_arguments() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "restartPolicy": "Never",
        "containers": [{
            "name": "main", "image": image,
            "command": ["echo"],
            "args": ["$(B)", "$$(B)", "$(NONE)", "$(HERE)"],
            "env": [
                { "name": "A", "value": "1" },
                { "name": "B", "value": "$(A)2" },
                { "name": "HERE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } },
            ],
        }],
    });
    node.manifest("echo.yaml", &pod("echo", spec));
    let ended = node
        .wait_pod("echo", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    assert_eq!(node.logs(&ended, "main"), "12 $(B) $(NONE) default\n");
    node.stop().await;
}

#[tokio::test]
async fn containers_of_a_pod_share_an_empty_dir_that_goes_with_the_pod() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mount = json!([{ "name": "d", "mountPath": "/d" }]);
    let container = |name: &str, script: &str| json!({ "name": name, "image": image, "command": ["sh", "-c", script], "volumeMounts": mount });
    let read = "until [ -s /d/word ]; do sleep 0.1; done; cat /d/word; sleep 1000";
    let spec = json!({
        "containers": [container("main", read), container("writer", "echo hello > /d/word; sleep 1000")],
        "volumes": [{ "name": "d", "emptyDir": {} }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("pair.yaml", &pod("pair", spec));
    let ready = node
        .wait_pod("pair", "is ready", |pod| pod.is_ready())
        .await;
    let hello = wait_for(DEADLINE, "the reader has read", async || {
        Some(node.logs(&ready, "main")).filter(|log| !log.is_empty())
    });
    assert_eq!(hello.await, "hello\n");

    let volumes = node
        .root()
        .join("var/lib/podling/kubelet/pods")
        .join(ready.uid());
    assert!(
        volumes.exists(),
        "{} is the pod's directory",
        volumes.display()
    );
    node.remove_manifest("pair.yaml");
    node.wait_gone("pair").await;
    wait_until(DEADLINE, "the pod's directory is removed", || {
        !volumes.exists()
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn containers_that_share_their_processes_see_pause_as_the_first() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let container =
        |name: &str| json!({ "name": name, "image": image, "command": ["sleep", "1000"] });
    for (name, shares) in [("shared", true), ("apart", false)] {
        let spec = json!({
            "shareProcessNamespace": shares,
            "containers": [container("main"), container("other")],
            "terminationGracePeriodSeconds": 1,
        });
        node.manifest(&format!("{name}.yaml"), &pod(name, spec));
    }
    let count = |name: &str| {
        let script = "cat /proc/1/comm; ls -d /proc/[0-9]*/ | wc -l";
        let output = node.podling(&["exec", name, "-c", "main", "--", "sh", "-c", script]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    node.wait_pod("shared", "is ready", |pod| pod.is_ready())
        .await;
    node.wait_pod("apart", "is ready", |pod| pod.is_ready())
        .await;
    let shared = count("shared");
    assert!(shared.starts_with("pause\n"), "{shared}");
    assert!(count("apart").starts_with("sleep\n"), "{}", count("apart"));
    node.stop().await;
}

#[tokio::test]
async fn a_container_runs_as_the_user_and_in_the_directory_it_was_given() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "restartPolicy": "Never",
        "securityContext": { "runAsUser": 1234, "runAsGroup": 4321, "fsGroup": 77 },
        "containers": [{
            "name": "main", "image": image, "workingDir": "/tmp",
            "command": ["sh", "-c", "id -u; id -g; pwd; hostname"],
        }],
    });
    node.manifest("who.yaml", &pod("who", spec));
    let ended = node
        .wait_pod("who", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    assert_eq!(node.logs(&ended, "main"), "1234\n4321\n/tmp\nwho-node\n");
    node.stop().await;
}

#[tokio::test]
async fn a_previous_run_keeps_its_log() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mount = json!([{ "name": "d", "mountPath": "/d" }]);
    let script =
        "if mkdir /d/seen 2>/dev/null; then echo first; exit 1; fi; echo second; sleep 1000";
    let spec = json!({
        "containers": [{
            "name": "main", "image": image, "command": ["sh", "-c", script], "volumeMounts": mount,
        }],
        "volumes": [{ "name": "d", "emptyDir": {} }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("twice.yaml", &pod("twice", spec));
    node.wait_pod("twice", "runs again", |pod| {
        is_running(pod) && pod.main().is_some_and(|main| main.restarts() == 1)
    })
    .await;
    let log = |arguments: &[&str]| {
        let output = node.podling(arguments);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(log(&["logs", "twice", "--previous"]), "first\n");
    assert_eq!(log(&["logs", "twice", "--tail", "1"]), "second\n");
    node.stop().await;
}

#[tokio::test]
async fn a_container_shows_its_particulars_and_its_log_is_linked_as_collectors_expect() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "securityContext": { "runAsUser": 1000, "runAsGroup": 3000, "supplementalGroups": [4000] },
        "volumes": [{ "name": "v", "emptyDir": {} }],
        "containers": [{
            "name": "main", "image": image, "command": ["sh", "-c", "echo hello; sleep 1000"],
            "resources": { "requests": { "memory": "16Mi" } },
            "volumeMounts": [
                { "name": "v", "mountPath": "/rw" },
                { "name": "v", "mountPath": "/ro", "readOnly": true },
            ],
        }],
    });
    node.manifest("shown.yaml", &pod("shown", spec));
    let shown = node
        .wait_pod("shown", "is ready", |pod| pod.is_ready())
        .await;
    let main = shown.main().expect("it has a status");
    let user = json!({ "uid": 1000, "gid": 3000, "supplementalGroups": [3000, 4000] });
    assert_eq!(main.0["user"]["linux"], user);
    assert_eq!(main.0["resources"]["requests"]["memory"], "16Mi");
    assert_eq!(main.0["allocatedResources"]["memory"], "16Mi");
    let mounts = json!([
        { "name": "v", "mountPath": "/rw" },
        { "name": "v", "mountPath": "/ro", "readOnly": true, "recursiveReadOnly": "Disabled" },
    ]);
    assert_eq!(main.0["volumeMounts"], mounts);

    let link = format!("shown-node_default_main-{}.log", main.id());
    let link = node.root().join("var/log/containers").join(link);
    wait_until(DEADLINE, "the log is behind the link", || {
        fs::read_to_string(&link).is_ok_and(|log| log.ends_with(" stdout F hello\n"))
    })
    .await;
    node.kill9();
    node.remove_manifest("shown.yaml");
    node.restart().await;
    node.wait_gone("shown").await;
    assert!(!link.is_symlink(), "the link is still there");
    node.stop().await;
}

#[tokio::test]
async fn a_pod_has_the_hosts_processes_and_ipc_when_it_asks_for_them_and_its_own_otherwise() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    for (name, of_host) in [("apart", false), ("shared", true)] {
        let mut spec = shell(&image, "sleep 1000");
        spec["hostPID"] = of_host.into();
        spec["hostIPC"] = of_host.into();
        spec["terminationGracePeriodSeconds"] = 1.into();
        node.manifest("web.yaml", &pod(name, spec));
        node.wait_pod(name, "runs", is_running).await;
        for kind in ["pid", "ipc"] {
            let link = format!("/proc/self/ns/{kind}");
            let theirs = said(&node, name, "main", &format!("readlink {link}"));
            let ours = fs::read_link(&link).expect("this process has one");
            assert_eq!(theirs.trim() == ours.to_string_lossy(), of_host, "{kind}");
        }
    }
    node.remove_manifest("web.yaml");
    node.wait_gone("shared").await;
    node.stop().await;
}
