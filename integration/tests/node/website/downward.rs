//! dapi-*, envars, dependent-envars, envars-file-container: what containers learn of their pod.

use podling_integration::harness::{DEADLINE, wait_for};
use serde_json::{Value, json};

use super::{Site, described, example};

const SMALL: &str = "registry.k8s.io/busybox:1.27.2";

fn field(name: &str, path: &str) -> Value {
    json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } })
}

fn limits() -> Value {
    json!({
        "requests": { "memory": "32Mi", "cpu": "125m" },
        "limits": { "memory": "64Mi", "cpu": "250m" },
    })
}

#[tokio::test]
async fn website_variables_tell_of_the_pod_and_its_containers() {
    let site = Site::start(&["busybox"]).await;
    let spec = json!({
        "containers": [{
            "name": "test-container", "image": SMALL,
            "command": ["sh", "-c"],
            "args": ["for v in \"$MY_NODE_NAME\" \"$MY_POD_NAME\" \"$MY_POD_NAMESPACE\" \"$MY_POD_IP\" \"$MY_POD_SERVICE_ACCOUNT\"; do echo $v; done"],
            "env": [
                field("MY_NODE_NAME", "spec.nodeName"),
                field("MY_POD_NAME", "metadata.name"),
                field("MY_POD_NAMESPACE", "metadata.namespace"),
                field("MY_POD_IP", "status.podIP"),
                field("MY_POD_SERVICE_ACCOUNT", "spec.serviceAccountName"),
            ],
        }],
        "restartPolicy": "Never",
    });
    site.apply("dapi-envars-pod", &[example("dapi-envars-fieldref", spec)]);
    let pod = site.succeeded("dapi-envars-fieldref").await;
    let said = site.node.logs(&pod, "test-container");
    let ip = pod.ip().expect("it has one");
    assert_eq!(
        said,
        format!("node\ndapi-envars-fieldref-node\ndefault\n{ip}\n\n")
    );

    let of = |name: &str, resource: &str| {
        let resource = json!({ "containerName": "test-container", "resource": resource });
        json!({ "name": name, "valueFrom": { "resourceFieldRef": resource } })
    };
    let spec = json!({
        "containers": [{
            "name": "test-container", "image": SMALL, "resources": limits(),
            "command": ["sh", "-c", "for v in $MY_CPU_REQUEST $MY_CPU_LIMIT $MY_MEM_REQUEST $MY_MEM_LIMIT; do echo $v; done"],
            "env": [
                of("MY_CPU_REQUEST", "requests.cpu"), of("MY_CPU_LIMIT", "limits.cpu"),
                of("MY_MEM_REQUEST", "requests.memory"), of("MY_MEM_LIMIT", "limits.memory"),
            ],
        }],
        "restartPolicy": "Never",
    });
    site.apply(
        "dapi-envars-container",
        &[example("dapi-envars-resourcefieldref", spec)],
    );
    let said = site
        .output("dapi-envars-resourcefieldref", "test-container")
        .await;
    assert_eq!(said, "1\n1\n33554432\n67108864\n");
    site.node.stop().await;
}

#[tokio::test]
async fn website_files_tell_of_the_pod_and_follow_it() {
    let site = Site::start(&["busybox"]).await;
    let labels = json!({ "zone": "us-est-coast", "cluster": "test-cluster1", "rack": "rack-22" });
    let annotations = json!({ "build": "two", "builder": "john-doe" });
    let amount = |path: &str, resource: &str, divisor: &str| {
        json!({ "path": path, "resourceFieldRef": {
            "containerName": "client-container", "resource": resource, "divisor": divisor,
        } })
    };
    let spec = json!({
        "containers": [{
            "name": "client-container", "image": SMALL, "command": ["sleep", "3600"],
            "resources": limits(),
            "volumeMounts": [{ "name": "podinfo", "mountPath": "/etc/podinfo" }],
        }],
        "volumes": [{ "name": "podinfo", "downwardAPI": { "items": [
            { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
            { "path": "annotations", "fieldRef": { "fieldPath": "metadata.annotations" } },
            amount("cpu_limit", "limits.cpu", "1m"), amount("cpu_request", "requests.cpu", "1m"),
            amount("mem_limit", "limits.memory", "1Mi"), amount("mem_request", "requests.memory", "1Mi"),
        ] } }],
    });
    let name = "kubernetes-downwardapi-volume-example";
    site.apply("dapi-volume", &[described(name, labels, annotations, spec)]);
    site.ready(name).await;
    let read = |file: &str| {
        site.shell(
            name,
            "client-container",
            &format!("cat /etc/podinfo/{file}"),
        )
    };
    assert_eq!(
        read("labels"),
        "cluster=\"test-cluster1\"\nrack=\"rack-22\"\nzone=\"us-est-coast\""
    );
    assert!(read("annotations").contains("build=\"two\"\nbuilder=\"john-doe\"\n"));
    let amounts = "cd /etc/podinfo; for f in cpu_limit cpu_request mem_limit mem_request; do cat $f; echo; done";
    assert_eq!(
        site.shell(name, "client-container", amounts),
        "250\n125\n64\n32\n"
    );
    site.node.stop().await;
}

#[tokio::test]
async fn website_variables_depend_on_others_and_on_files() {
    let site = Site::start(&["busybox"]).await;
    let value = |name: &str, value: &str| json!({ "name": name, "value": value });
    let spec = json!({
        "containers": [{
            "name": "dependent-envars-demo", "image": "busybox:1.28",
            "command": ["sh", "-c", "printf \"$UNCHANGED_REFERENCE\\n$SERVICE_ADDRESS\\n$ESCAPED_REFERENCE\\n\"; sleep 3600"],
            "env": [
                value("SERVICE_PORT", "80"), value("SERVICE_IP", "172.17.0.1"),
                value("UNCHANGED_REFERENCE", "$(PROTOCOL)://$(SERVICE_IP):$(SERVICE_PORT)"),
                value("PROTOCOL", "https"),
                value("SERVICE_ADDRESS", "$(PROTOCOL)://$(SERVICE_IP):$(SERVICE_PORT)"),
                value("ESCAPED_REFERENCE", "$$(PROTOCOL)://$(SERVICE_IP):$(SERVICE_PORT)"),
            ],
        }],
    });
    site.apply(
        "dependent-envars",
        &[example("dependent-envars-demo", spec)],
    );
    let pod = site.ready("dependent-envars-demo").await;
    let expected =
        "$(PROTOCOL)://172.17.0.1:80\nhttps://172.17.0.1:80\n$(PROTOCOL)://172.17.0.1:80\n";
    wait_for(DEADLINE, "its lines are there", async || {
        (site.node.logs(&pod, "dependent-envars-demo") == expected).then_some(())
    })
    .await;

    let spec = json!({
        "initContainers": [{
            "name": "setup-envfile", "image": "busybox",
            "command": ["sh", "-c", "printf \"DB_ADDRESS='address'\\nREST_ENDPOINT='endpoint'\\n\" > /data/config.env"],
            "volumeMounts": [{ "name": "config", "mountPath": "/data" }],
        }],
        "containers": [{
            "name": "use-envfile", "image": "busybox", "command": ["/bin/sh", "-c", "env"],
            "env": [{ "name": "DB_ADDRESS", "valueFrom": { "fileKeyRef": {
                "path": "config.env", "volumeName": "config", "key": "DB_ADDRESS", "optional": false,
            } } }],
        }],
        "restartPolicy": "Never",
        "volumes": [{ "name": "config", "emptyDir": {} }],
    });
    site.apply(
        "envars-file-container",
        &[example("envfile-test-pod", spec)],
    );
    let said = site.output("envfile-test-pod", "use-envfile").await;
    assert!(
        said.lines().any(|line| line == "DB_ADDRESS=address"),
        "{said}"
    );
    assert!(!said.contains("REST_ENDPOINT"), "{said}");
    site.node.stop().await;
}
