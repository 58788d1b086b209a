//! What a manifest says about the rights of its containers is what their processes have.

use std::fs;

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::{pod, said};

/// Sleeps until it is ended.
fn sleeper(image: &str, name: &str, security: Value) -> Value {
    json!({
        "name": name, "image": image, "command": ["sleep", "1000"], "securityContext": security,
    })
}

/// A field of `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let mut lines = status.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_default().trim()
}

#[tokio::test]
async fn a_manifest_takes_rights_from_a_container_or_gives_it_all() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let nothing = json!({
        "capabilities": { "drop": ["ALL"] },
        "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
    });
    let little = json!({ "capabilities": { "drop": ["ALL"], "add": ["CHOWN"] } });
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [
            sleeper(&image, "nothing", nothing),
            sleeper(&image, "little", little),
            sleeper(&image, "usual", json!({})),
            sleeper(&image, "all", json!({ "privileged": true })),
        ],
    });
    node.manifest("rights.yaml", &pod("rights", spec));
    node.wait_pod("rights", "is ready", |pod| pod.is_ready())
        .await;
    let shows = |container: &str, script: &str| said(&node, "rights", container, script);
    let status = |container: &str| shows(container, "cat /proc/1/status");

    let nothing = status("nothing");
    assert_eq!(field(&nothing, "CapEff"), "0000000000000000");
    assert_eq!(field(&nothing, "CapBnd"), "0000000000000000");
    assert_eq!(field(&nothing, "NoNewPrivs"), "1");
    assert_eq!(
        shows("nothing", "touch /x 2>/dev/null || echo refused"),
        "refused\n"
    );
    assert_eq!(field(&status("little"), "CapEff"), "0000000000000001");

    let usual = status("usual");
    assert_eq!(field(&usual, "NoNewPrivs"), "0");
    assert_eq!(shows("usual", "touch /x && echo written"), "written\n");
    let mounts = "grep -c ' /proc/sys proc ro' /proc/mounts; ls /dev/kmsg 2>/dev/null | wc -l";
    assert_eq!(shows("usual", mounts), "1\n0\n");

    let own = fs::read_to_string("/proc/self/status").expect("a process can see itself");
    assert_eq!(field(&status("all"), "CapEff"), field(&own, "CapEff"));
    assert_eq!(shows("all", &format!("{mounts}; true")), "0\n1\n");
    assert_eq!(
        shows("all", "mkdir /m && mount -t tmpfs t /m && echo mounted"),
        "mounted\n"
    );
    node.stop().await;
}

#[tokio::test]
async fn the_whole_of_proc_is_for_a_pod_with_users_of_its_own() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "hostUsers": false, "terminationGracePeriodSeconds": 1,
        "containers": [
            sleeper(&image, "usual", json!({})),
            sleeper(&image, "whole", json!({ "procMount": "Unmasked" })),
        ],
    });
    node.manifest("proc.yaml", &pod("proc", spec));
    node.wait_pod("proc", "is ready", |pod| pod.is_ready())
        .await;
    let covers = "grep -c ' /proc/' /proc/mounts";
    assert_ne!(said(&node, "proc", "usual", covers), "0\n");
    let covers = format!("{covers}; true");
    assert_eq!(said(&node, "proc", "whole", &covers), "0\n");
    node.stop().await;
}

#[tokio::test]
async fn a_seccomp_profile_of_the_node_is_the_pods_or_a_containers_own() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let profiles = node.root().join("var/lib/podling/kubelet/seccomp");
    fs::create_dir_all(&profiles).expect("the directory can be made");
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }],
    });
    fs::write(profiles.join("no-mkdir.json"), profile.to_string()).expect("there is room");
    let local = |file: &str| json!({ "type": "Localhost", "localhostProfile": file });
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "securityContext": { "seccompProfile": local("no-mkdir.json") },
        "containers": [
            sleeper(&image, "pods", json!({})),
            sleeper(&image, "free", json!({ "seccompProfile": { "type": "Unconfined" } })),
            sleeper(&image, "usual", json!({ "seccompProfile": { "type": "RuntimeDefault" } })),
            sleeper(&image, "lost", json!({ "seccompProfile": local("no-such.json") })),
        ],
    });
    node.manifest("filtered.yaml", &pod("filtered", spec));
    let runs = |pod: &Pod, name: &str| pod.container(name).is_some_and(|one| one.is_running());
    let is_refused = |pod: &Pod| {
        let lost = pod.container("lost");
        lost.is_some_and(|lost| lost.message().contains("no-such.json"))
    };
    node.wait_pod("filtered", "runs but for one", |pod| {
        ["pods", "free", "usual"].iter().all(|name| runs(pod, name)) && is_refused(pod)
    })
    .await;
    let shows = |container: &str, script: &str| said(&node, "filtered", container, script);
    let mode = "grep ^Seccomp: /proc/1/status | cut -f2";
    let make = "mkdir /made 2>&1 && echo made; true";
    let refused = shows("pods", make);
    assert!(refused.contains("not supported"), "{refused}");
    assert_eq!(shows("pods", mode), "2\n");
    assert_eq!(shows("free", mode), "0\n");
    assert_eq!(shows("usual", &format!("{mode}; {make}")), "2\nmade\n");
    node.stop().await;
}

#[tokio::test]
async fn a_container_that_must_not_run_as_root_and_would_is_refused() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "securityContext": { "runAsNonRoot": true },
        "containers": [
            sleeper(&image, "images", json!({})),
            sleeper(&image, "said", json!({ "runAsUser": 0 })),
            sleeper(&image, "other", json!({ "runAsUser": 1000 })),
            sleeper(&image, "allowed", json!({ "runAsNonRoot": false })),
        ],
    });
    node.manifest("nobody.yaml", &pod("nobody", spec));
    let refused = |pod: &Pod, name: &str, words: &str| {
        pod.container(name).is_some_and(|one| {
            one.waiting() == "CreateContainerConfigError" && one.message().starts_with(words)
        })
    };
    let runs = |pod: &Pod, name: &str| pod.container(name).is_some_and(|one| one.is_running());
    let half = node
        .wait_pod("nobody", "runs by half", |pod| {
            let images =
                "container has runAsNonRoot and image will run as root (pod: \"nobody-node";
            let said = "container's runAsUser breaks non-root policy (pod: \"nobody-node";
            refused(pod, "images", images)
                && refused(pod, "said", said)
                && runs(pod, "other")
                && runs(pod, "allowed")
        })
        .await;
    let whose = format!("_default({})\", container: images)", half.uid());
    let images = half.container("images").expect("it has a status");
    assert!(images.message().ends_with(&whose), "{}", images.message());
    assert_eq!(said(&node, "nobody", "other", "id -u"), "1000\n");
    node.stop().await;
}

#[tokio::test]
async fn a_container_without_a_user_runs_as_its_image_says() {
    let node = Node::start().await;
    let image = node.import_testbox_of("1234").await;
    let own = json!({ "runAsUser": 77 });
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [
            { "name": "images", "image": image, "args": ["sleep"] },
            { "name": "own", "image": image, "args": ["sleep"], "securityContext": own },
        ],
    });
    node.manifest("users.yaml", &pod("users", spec));
    let users = node
        .wait_pod("users", "is ready", |pod| pod.is_ready())
        .await;
    let statuses = users.0["status"]["containerStatuses"].as_array();
    for (name, uid, gid) in [("images", 1234, 0), ("own", 77, 0)] {
        let mut all = statuses.into_iter().flatten();
        let status = all.find(|status| status["name"] == name);
        let user = &status.expect("it runs")["user"]["linux"];
        assert_eq!(user["uid"], uid, "{users:?}");
        assert_eq!(user["gid"], gid, "{users:?}");
    }
    node.stop().await;
}
