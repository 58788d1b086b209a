//! What a node asks its cluster for: objects that pods refer to, tokens, services, claims, and who may ask
//! the kubelet.

use podling_integration::apiserver::{ADMIN, VIEWER};
use podling_integration::harness::{Cluster, DEADLINE, Node, wait_until};
use serde_json::{Value, json};

use crate::cluster::{PODS, is_ready, join, path, placed};
use crate::shell;

/// What a command in the pod `web` prints.
fn printed(node: &Node, command: &[&str]) -> String {
    let mut arguments = vec!["exec", "web", "--"];
    arguments.extend(command);
    let output = node.podling(&arguments);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_pod_reads_objects_tokens_and_services_of_its_cluster() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let settings = "/api/v1/namespaces/default/configmaps/settings";
    let secret = "/api/v1/namespaces/default/secrets/word";
    let service = "/api/v1/namespaces/default/services/my-web";
    for path in [settings, secret, service] {
        cluster.delete(path, None).await;
    }
    let spec = json!({
        "containers": [{
            "name": "main", "image": image, "args": ["sh", "-c", "sleep 1000; true"],
            "env": [{ "name": "WORD", "valueFrom": { "secretKeyRef": { "name": "word", "key": "word" } } }],
            "volumeMounts": [
                { "name": "settings", "mountPath": "/settings" },
                { "name": "api", "mountPath": "/api" },
            ],
        }],
        "volumes": [
            { "name": "settings", "configMap": { "name": "settings" } },
            { "name": "api", "projected": { "sources": [
                { "serviceAccountToken": { "path": "token", "expirationSeconds": 3600 } },
                { "configMap": { "name": "kube-root-ca.crt" } },
            ]}},
        ],
    });
    cluster.create(PODS, &placed("web", spec)).await;
    // It waits for what it refers to, and is told when that comes.
    let told = || {
        node.daemon_log()
            .contains("configmap \"settings\" not found")
    };
    wait_until(DEADLINE, "the pod waits for its ConfigMap", told).await;
    let map = json!({ "metadata": { "name": "settings" }, "data": { "colour": "blue" } });
    cluster
        .create("/api/v1/namespaces/default/configmaps", &map)
        .await;
    let word = json!({ "metadata": { "name": "word" }, "data": { "word": "aGVsbG8=" } });
    cluster
        .create("/api/v1/namespaces/default/secrets", &word)
        .await;
    cluster.wait(&path("web"), "is ready", is_ready).await;
    assert_eq!(printed(&node, &["cat", "/settings/colour"]), "blue");
    assert!(
        !printed(&node, &["cat", "/api/token"]).is_empty(),
        "it has a token"
    );
    assert!(
        !printed(&node, &["cat", "/api/ca.crt"]).is_empty(),
        "it knows whom to trust"
    );
    assert!(printed(&node, &["env"]).contains("WORD=hello"));

    cluster
        .patch(settings, &json!({ "data": { "colour": "red" } }))
        .await;
    let is_red = || printed(&node, &["cat", "/settings/colour"]) == "red";
    wait_until(DEADLINE, "the file follows its ConfigMap", is_red).await;

    // Containers are told of services that are there when they start.
    let my_web = json!({ "metadata": { "name": "my-web" }, "spec": {
        "clusterIP": "10.96.0.77", "ports": [{ "port": 80 }],
    }});
    cluster
        .create("/api/v1/namespaces/default/services", &my_web)
        .await;
    let mut ended = false;
    let knows = || {
        if !std::mem::replace(&mut ended, true) {
            printed(&node, &["sh", "-c", "kill -9 $(pidof sleep)"]);
        }
        printed(&node, &["env"]).contains("MY_WEB_SERVICE_HOST=10.96.0.77")
    };
    wait_until(DEADLINE, "a container knows the service", knows).await;
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}

#[tokio::test]
async fn tokens_and_rights_of_the_cluster_count_at_the_kubelets_port() {
    let mut cluster = Cluster::breakable();
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let script = "echo hello; sleep 1000";
    cluster
        .create(PODS, &placed("web", shell(&image, script)))
        .await;
    cluster.wait(&path("web"), "is ready", is_ready).await;
    let port = node.kubelet_port("secure").port();
    let client = cluster.unsuspecting();
    let ask = async |token: Option<&str>, path: &str| {
        let mut request = client.get(format!("https://127.0.0.1:{port}{path}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("the kubelet answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap_or_default())
    };
    let logs = "/containerLogs/default/web/main";
    for (token, path, expected) in [
        (None, "/pods", 401),
        (Some("nobodys"), "/pods", 401),
        (Some(VIEWER), "/pods", 403),
        (Some(VIEWER), logs, 403),
        (Some(VIEWER), "/metrics", 200),
        (Some(ADMIN), "/pods", 200),
        (Some(ADMIN), logs, 200),
    ] {
        let (status, text) = ask(token, path).await;
        assert_eq!(status, expected, "{token:?} {path}: {text}");
    }
    let (_, refused) = ask(Some(VIEWER), "/pods").await;
    let words = "Forbidden (user=viewer, verb=get, resource=nodes, subresource(s)=[pods proxy])";
    assert_eq!(refused.trim(), words);
    assert_eq!(ask(Some(ADMIN), logs).await.1, "hello\n");
    let run = client.post(format!(
        "https://127.0.0.1:{port}/run/default/web/main?cmd=hostname"
    ));
    let run = run
        .bearer_auth(ADMIN)
        .send()
        .await
        .expect("the kubelet answers");
    assert_eq!(run.text().await.unwrap_or_default().trim(), "web");

    // Answers hold for a while, and root on the machine asks nobody.
    let asked = cluster.server().requests();
    let reviews = asked.iter().filter(|one| one.contains("tokenreviews"));
    assert_eq!(reviews.count(), 3, "{asked:#?}");
    cluster.server().pause();
    assert_eq!(ask(Some(ADMIN), logs).await.0, 200);
    assert_eq!(ask(Some("another"), logs).await.0, 401);
    assert!(node.podling(&["get", "pods"]).status.success());
    cluster.server().resume();
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_waits_until_its_claim_is_bound_to_a_volume() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let data = node.folder().join("data");
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    // Of a class that nobody provides, so that the test binds it.
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "mine" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
            "resources": { "requests": { "storage": "1Mi" } },
        },
    });
    cluster.create(claims, &claim).await;
    let mut spec = shell(&image, "echo kept > /data/file; sleep 1000000");
    spec["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "mine" } }]);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
    spec["terminationGracePeriodSeconds"] = 1.into();
    cluster.create(PODS, &placed("web", spec)).await;
    let events = "/api/v1/namespaces/default/events";
    let waits = |list: &Value| {
        let events = list["items"].as_array().cloned().unwrap_or_default();
        events.iter().any(|event| event["reason"] == "FailedMount")
    };
    cluster.wait(events, "tell that the pod waits", waits).await;

    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "data" },
        "spec": {
            "capacity": { "storage": "1Mi" }, "accessModes": ["ReadWriteOnce"],
            "storageClassName": "by-hand", "claimRef": { "namespace": "default", "name": "mine" },
            "hostPath": { "path": data, "type": "DirectoryOrCreate" },
        },
    });
    cluster.create("/api/v1/persistentvolumes", &volume).await;
    // In a whole cluster a controller does this.
    let mine = format!("{claims}/mine");
    let bind = json!({ "spec": { "volumeName": "data" } });
    cluster.patch(&mine, &bind).await;
    let bound = json!({ "status": { "phase": "Bound" } });
    cluster.patch(&format!("{mine}/status"), &bound).await;
    cluster.wait(&path("web"), "is ready", is_ready).await;
    // A pod is ready before its shell has done anything.
    wait_until(DEADLINE, "the volume has what was written", || {
        std::fs::read_to_string(data.join("file")).is_ok_and(|text| text == "kept\n")
    })
    .await;
    cluster.delete(&path("web"), None).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}
