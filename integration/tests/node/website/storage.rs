//! emptydir, projected, persistent volumes, image volumes.

use podling_integration::harness::{DEADLINE, http, wait_for};
use serde_json::json;

use super::{Site, described, example, object};

#[tokio::test]
async fn website_sources_of_several_kinds_lie_in_one_volume() {
    let site = Site::start(&["busybox"]).await;
    let secret = object("Secret", "mysecret", json!({ "username": "admin" }));
    let map = object(
        "ConfigMap",
        "myconfigmap",
        json!({ "config": "from the map" }),
    );
    let spec = json!({
        "containers": [{
            "name": "container-test", "image": "busybox:1.28", "command": ["sleep", "3600"],
            "resources": { "limits": { "cpu": "2" } },
            "volumeMounts": [{ "name": "all-in-one", "mountPath": "/projected-volume", "readOnly": true }],
        }],
        "volumes": [{ "name": "all-in-one", "projected": { "sources": [
            { "secret": { "name": "mysecret", "items": [
                { "key": "username", "path": "my-group/my-username", "mode": 511 },
            ] } },
            { "downwardAPI": { "items": [
                { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
                { "path": "cpu_limit", "resourceFieldRef": {
                    "containerName": "container-test", "resource": "limits.cpu",
                } },
            ] } },
            { "configMap": { "name": "myconfigmap", "items": [
                { "key": "config", "path": "my-group/my-config" },
            ] } },
        ] } }],
    });
    let pod = described("volume-test", json!({ "app": "test" }), json!({}), spec);
    site.apply(
        "projected-secret-downwardapi-configmap",
        &[secret, map, pod],
    );
    site.ready("volume-test").await;
    let script = "cd /projected-volume; for f in my-group/my-username my-group/my-config labels cpu_limit; \
                  do echo $(cat $f); done; stat -L -c %a my-group/my-username my-group/my-config; \
                  touch x 2>/dev/null || echo read-only";
    let said = site.shell("volume-test", "container-test", script);
    assert_eq!(
        said,
        "admin\nfrom the map\napp=\"test\"\n2\n777\n644\nread-only\n"
    );
    site.node.stop().await;
}

#[tokio::test]
async fn website_a_claim_serves_what_lies_on_the_host() {
    let site = Site::start(&["nginx"]).await;
    let data = site.node.folder().join("data");
    std::fs::create_dir(&data).expect("there is room");
    std::fs::write(data.join("index.html"), "Hello from Kubernetes storage\n")
        .expect("there is room");
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": "task-pv-volume", "labels": { "type": "local" } },
        "spec": {
            "storageClassName": "manual", "capacity": { "storage": "10Gi" },
            "accessModes": ["ReadWriteOnce"], "hostPath": { "path": data },
        },
    });
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "task-pv-claim" },
        "spec": {
            "storageClassName": "manual", "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "3Gi" } },
        },
    });
    let spec = json!({
        "volumes": [{ "name": "task-pv-storage", "persistentVolumeClaim": { "claimName": "task-pv-claim" } }],
        "containers": [{
            "name": "task-pv-container", "image": "nginx",
            "ports": [{ "containerPort": 80, "name": "http-server" }],
            "volumeMounts": [
                { "mountPath": "/usr/share/nginx/html", "name": "task-pv-storage" },
                { "mountPath": "/one.html", "name": "task-pv-storage", "subPath": "index.html" },
            ],
        }],
    });
    site.apply("pv-pod", &[volume, claim, example("task-pv-pod", spec)]);
    let pod = site.ready("task-pv-pod").await;
    let address = (pod.ip().expect("it has one"), 80).into();
    let served = wait_for(DEADLINE, "the page is served", async || {
        http::get(address, "/").ok()
    })
    .await;
    assert_eq!(served.text(), "Hello from Kubernetes storage\n");
    site.node.stop().await;
}

#[tokio::test]
async fn website_an_empty_directory_in_memory_and_an_image_are_volumes() {
    let site = Site::start(&["busybox", "nginx"]).await;
    let spec = json!({
        "containers": [{
            "name": "shell", "image": "debian", "command": ["sleep", "infinity"],
            "volumeMounts": [
                { "name": "cache-volume", "mountPath": "/cache" },
                { "name": "volume", "mountPath": "/volume" },
                { "name": "volume", "mountPath": "/etc-of-it", "subPath": "etc/nginx" },
            ],
        }],
        "volumes": [
            { "name": "cache-volume", "emptyDir": { "sizeLimit": "8Mi", "medium": "Memory" } },
            { "name": "volume", "image": { "reference": "nginx", "pullPolicy": "IfNotPresent" } },
        ],
    });
    site.apply("image-volumes", &[example("image-volume", spec)]);
    site.ready("image-volume").await;
    let script = "ls /volume/etc/nginx/nginx.conf /etc-of-it/nginx.conf; grep ' /cache ' /proc/mounts | cut -d' ' -f3; \
                  touch /volume/x 2>/dev/null || echo read-only; df -k /cache | tail -1 | awk '{ print $2 }'";
    let said = site.shell("image-volume", "shell", script);
    assert_eq!(
        said,
        "/etc-of-it/nginx.conf\n/volume/etc/nginx/nginx.conf\ntmpfs\nread-only\n8192\n"
    );
    site.node.stop().await;
}
