//! ConfigMaps and Secrets beside the pods that refer to them, in the manifest directory.

use podling_integration::harness::{DEADLINE, Node, Pod, wait_for, wait_until};
use serde_json::{Value, json};

use crate::{is_running, pod};

/// The manifest of a ConfigMap.
fn config_map(name: &str, data: Value) -> String {
    let metadata = json!({ "name": name });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data })
        .to_string()
}

/// The manifest of a Secret.
fn secret(name: &str, data: Value) -> String {
    let metadata = json!({ "name": name });
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data })
        .to_string()
}

fn waits_for(reason: &'static str, words: &'static str) -> impl Fn(&Pod) -> bool {
    move |pod| {
        pod.main()
            .is_some_and(|main| main.waiting() == reason && main.message().contains(words))
    }
}

async fn wait_log(node: &Node, pod: &Pod, what: &str, line: &str) {
    wait_for(DEADLINE, what, async || {
        node.logs(pod, "main")
            .lines()
            .any(|one| one == line)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_container_waits_for_the_objects_of_its_environment_and_starts_when_they_come() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "containers": [{
            "name": "main", "image": image,
            "command": ["sh", "-c", "env | sort; sleep 1000"],
            "resources": { "limits": { "memory": "64Mi" } },
            "envFrom": [
                { "configMapRef": { "name": "settings" } },
                { "prefix": "DOOR_", "secretRef": { "name": "door" } },
                { "configMapRef": { "name": "never", "optional": true } },
            ],
            "env": [
                { "name": "MINE", "value": "$(colour) $(DOOR_key)" },
                { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "door", "key": "key" } } },
                { "name": "GONE", "valueFrom": {
                    "configMapKeyRef": { "name": "settings", "key": "gone", "optional": true },
                } },
                { "name": "MEBIBYTES", "valueFrom": {
                    "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" },
                } },
            ],
        }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("web.yaml", &pod("web", spec));
    let reason = "CreateContainerConfigError";
    node.wait_pod(
        "web",
        "waits for its ConfigMap",
        waits_for(reason, "configmap \"settings\" not found"),
    )
    .await;
    node.manifest(
        "map.yaml",
        &config_map("settings", json!({ "colour": "blue" })),
    );
    node.wait_pod(
        "web",
        "waits for its Secret",
        waits_for(reason, "secret \"door\" not found"),
    )
    .await;
    node.manifest("secret.yaml", &secret("door", json!({ "key": "1234" })));
    let web = node.wait_pod("web", "runs", is_running).await;
    wait_log(&node, &web, "it has printed its environment", "colour=blue").await;
    let log = node.logs(&web, "main");
    for line in [
        "DOOR_key=1234",
        "MINE=blue 1234",
        "KEY=1234",
        "MEBIBYTES=64",
    ] {
        assert!(log.lines().any(|one| one == line), "{line}: {log}");
    }
    assert!(!log.contains("GONE"), "{log}");
    node.stop().await;
}

#[tokio::test]
async fn an_init_container_leaves_variables_in_a_file() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "initContainers": [{
            "name": "first", "image": image,
            "command": ["sh", "-c", "echo \"LEVEL='7'\" > /d/env"],
            "volumeMounts": [{ "name": "d", "mountPath": "/d" }],
        }],
        "containers": [{
            "name": "main", "image": image,
            "command": ["sh", "-c", "echo level $LEVEL; sleep 1000"],
            "env": [{ "name": "LEVEL", "valueFrom": {
                "fileKeyRef": { "volumeName": "d", "path": "env", "key": "LEVEL" },
            } }],
        }],
        "volumes": [{ "name": "d", "emptyDir": {} }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("web.yaml", &pod("web", spec));
    let web = node.wait_pod("web", "runs", is_running).await;
    wait_log(&node, &web, "it has read its level", "level 7").await;
    node.stop().await;
}

/// A pod that says the colour of the ConfigMap `settings`.
fn coloured(name: &str, image: &str) -> String {
    let spec = json!({
        "containers": [{
            "name": "main", "image": image,
            "command": ["sh", "-c", "echo $colour; sleep 1000"],
            "envFrom": [{ "configMapRef": { "name": "settings" } }],
        }],
        "terminationGracePeriodSeconds": 1,
    });
    pod(name, spec)
}

#[tokio::test]
async fn a_broken_object_is_reported_with_its_file_and_its_last_good_one_stays() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let map = config_map("settings", json!({ "colour": "blue" }));
    node.manifest("map.yaml", &map);
    node.manifest("before.yaml", &coloured("before", &image));
    let before = node.wait_pod("before", "runs", is_running).await;
    wait_log(&node, &before, "it has its colour", "blue").await;

    node.manifest(
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: [oops\n",
    );
    wait_until(DEADLINE, "the log names the file", || {
        let log = node.daemon_log();
        log.lines().any(|line| line.contains("map.yaml:"))
    })
    .await;
    node.manifest("after.yaml", &coloured("after", &image));
    let after = node.wait_pod("after", "runs", is_running).await;
    wait_log(&node, &after, "it has the same colour", "blue").await;
    node.stop().await;
}

#[tokio::test]
async fn files_of_objects_follow_them_while_the_container_runs() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let script = "grep ' /secret ' /proc/mounts; stat -c 'mode %a' /secret/..data/key
        while true; do cat /map/colour; echo; cat /pod/name; echo; sleep 1; done";
    let spec = json!({
        "containers": [{
            "name": "main", "image": image, "command": ["sh", "-c", script],
            "volumeMounts": [
                { "name": "map", "mountPath": "/map" },
                { "name": "secret", "mountPath": "/secret" },
                { "name": "pod", "mountPath": "/pod" },
            ],
        }],
        "volumes": [
            { "name": "map", "configMap": { "name": "settings" } },
            { "name": "secret", "secret": { "secretName": "door", "defaultMode": 0o400 } },
            { "name": "pod", "projected": { "sources": [{ "downwardAPI": { "items": [
                { "path": "name", "fieldRef": { "fieldPath": "metadata.name" } },
            ] } }] } },
        ],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("web.yaml", &pod("web", spec));
    wait_until(DEADLINE, "an event says what is missing", || {
        let words = "MountVolume.SetUp failed for volume \\\"map\\\" : configmap \\\"settings\\\" not found";
        node.kubelet("/events")
            .is_some_and(|answer| answer.text().contains(words))
    })
    .await;
    node.manifest("secret.yaml", &secret("door", json!({ "key": "1234" })));
    node.manifest(
        "map.yaml",
        &config_map("settings", json!({ "colour": "blue" })),
    );
    let web = node.wait_pod("web", "runs", is_running).await;
    wait_log(&node, &web, "it reads its colour", "blue").await;
    wait_log(&node, &web, "it reads its name", "web-node").await;
    let log = node.logs(&web, "main");
    assert!(log.contains("tmpfs /secret tmpfs ro"), "{log}");
    assert!(log.contains("mode 400"), "{log}");

    node.manifest(
        "map.yaml",
        &config_map("settings", json!({ "colour": "red" })),
    );
    wait_log(&node, &web, "it reads its new colour", "red").await;
    node.remove_manifest("web.yaml");
    node.wait_gone("web").await;
    node.stop().await;
}

#[tokio::test]
async fn what_is_written_to_a_claim_outlives_the_pod_and_the_daemon() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = |script: &str| {
        json!({
            "containers": [{
                "name": "main", "image": image, "command": ["sh", "-c", script],
                "volumeMounts": [{ "name": "room", "mountPath": "/room", "subPath": "inner" }],
            }],
            "volumes": [{ "name": "room", "persistentVolumeClaim": { "claimName": "room" } }],
            "terminationGracePeriodSeconds": 1,
        })
    };
    let writer = spec("echo hello > /room/word; sleep 1000");
    node.manifest("writer.yaml", &pod("writer", writer));
    let room = |size: &str| {
        json!({ "accessModes": ["ReadWriteOncePod"], "resources": {
        "requests": { "storage": size },
    } })
    };
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "room" },
        "spec": room("1Gi"),
    });
    let disk = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
            "spec": {
                "accessModes": ["ReadWriteOncePod"], "capacity": { "storage": "2Gi" },
                "hostPath": { "path": node.folder().join(name), "type": "DirectoryOrCreate" },
            },
        })
    };
    node.manifest("room.yaml", &format!("{claim}\n---\n{}", disk("disk-b")));
    node.wait_pod("writer", "runs", is_running).await;
    let word = node.folder().join("disk-b/inner/word");
    wait_until(DEADLINE, "the word is on the disk", || word.exists()).await;

    node.manifest("other.yaml", &disk("disk-a").to_string());
    node.remove_manifest("writer.yaml");
    node.wait_gone("writer").await;
    node.kill9();
    node.restart().await;
    node.manifest(
        "reader.yaml",
        &pod("reader", spec("cat /room/word; sleep 1000")),
    );
    let reader = node.wait_pod("reader", "runs", is_running).await;
    wait_log(&node, &reader, "it finds the word", "hello").await;
    node.remove_manifest("reader.yaml");
    node.wait_gone("reader").await;
    assert!(word.exists(), "what lies on a volume is not the pod's");
    node.stop().await;
}

#[tokio::test]
async fn a_pod_with_users_of_its_own_has_a_range_of_the_hosts_ids() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "hostUsers": false,
        "containers": [{
            "name": "main", "image": image,
            "command": ["sh", "-c", "echo $(cat /proc/self/uid_map); touch /d/f; sleep 1000"],
            "volumeMounts": [{ "name": "d", "mountPath": "/d" }],
        }],
        "volumes": [{ "name": "d", "emptyDir": {} }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("own.yaml", &pod("own", spec));
    let own = node.wait_pod("own", "runs", is_running).await;
    wait_log(
        &node,
        &own,
        "its ids are 65536 from 65536 on",
        "0 65536 65536",
    )
    .await;
    node.stop().await;
}
