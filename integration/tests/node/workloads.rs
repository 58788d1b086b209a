//! A node of a whole cluster: what controllers, the scheduler and kubectl make of it.
//!
//! These stories need a real cluster (docs/cluster.md); `make cluster-test CLUSTER=DIR` tells them.

mod volumes;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Output, Stdio};

use podling_integration::harness::{Cluster, Node, Options, Pod};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const NODE: &str = "/api/v1/nodes/node";
const APPS: &str = "/apis/apps/v1/namespaces/default";

/// Obeys SIGTERM at once, and says who it is.
const SERVE: &str = "trap 'exit 0' TERM; echo version $VERSION; sleep 1000000 & wait";

/// A node that has joined, and is Ready.
async fn join(cluster: &Cluster) -> (Node, String) {
    let node = Node::start_with(Options {
        start: cluster.joining(),
        ..Options::default()
    })
    .await;
    let image = node.import_debian("busybox").await;
    let is_ready = |node: &Value| Pod(node.clone()).has("Ready");
    cluster.wait(NODE, "is ready", is_ready).await;
    (node, image)
}

/// The template of pods with one container, which is ready when a command in it says so.
fn template(image: &str, version: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{
            "name": "main",
            "image": image,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", SERVE],
            "env": [{"name": "VERSION", "value": version}],
            "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
        }]},
    })
}

/// An object of the group apps whose pods are those of a template.
fn app(kind: &str, more: Value, template: Value) -> Value {
    let mut spec = more;
    spec["selector"] = json!({"matchLabels": {"app": "web"}});
    spec["template"] = template;
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec})
}

/// The pods that are there, as an admin sees them.
async fn pods(cluster: &Cluster) -> Vec<Pod> {
    let list = cluster.get(PODS).await.unwrap_or_default();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().map(Pod).collect()
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What kubectl says.
fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    said(&cluster.kubectl(arguments).output().expect("kubectl runs"))
}

/// kubectl as it runs, with pipes.
fn spawn(cluster: &Cluster, arguments: &[&str]) -> Child {
    let mut command = cluster.kubectl(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl runs")
}

/// A command with its input, output and exit code.
fn runs_a_command(cluster: &Cluster) {
    let mut cat = spawn(
        cluster,
        &["exec", "-i", "web", "--", "sh", "-c", "cat; exit 3"],
    );
    let mut input = cat.stdin.take().expect("it has a pipe");
    input.write_all(b"both ways").expect("it reads");
    drop(input);
    let output = cat.wait_with_output().expect("it ends");
    assert_eq!(
        (&*output.stdout, output.status.code()),
        (&b"both ways"[..], Some(3))
    );
}

/// The container's own input and output.
fn attaches(cluster: &Cluster) {
    let mut attached = spawn(cluster, &["attach", "-i", "web"]);
    let mut input = attached.stdin.take().expect("it has a pipe");
    let mut lines = BufReader::new(attached.stdout.take().expect("it has a pipe"));
    input.write_all(b"hello\n").expect("it reads");
    let mut line = String::new();
    lines.read_line(&mut line).expect("it answers");
    assert_eq!(line, "heard hello\n");
    attached.kill().expect("it runs");
    attached.wait().expect("it ends");
    assert_eq!(
        kubectl(cluster, &["logs", "web", "--tail=1"]),
        "heard hello\n"
    );
}

/// A port of the pod.
fn forwards_a_port(cluster: &Cluster) {
    let mut forward = spawn(cluster, &["port-forward", "web", ":8080"]);
    let mut lines = BufReader::new(forward.stdout.take().expect("it has a pipe"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("it tells its port");
    let address = line.split_whitespace().nth(2).expect("it tells its port");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .expect("it takes requests");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("it answers");
    assert!(page.ends_with("page\n"), "{page}");
    forward.kill().expect("it runs");
    forward.wait().expect("it ends");
}

/// Files, there and back by a folder of this machine.
fn copies(cluster: &Cluster, folder: &Path) {
    let (there, back) = (folder.join("there"), folder.join("back"));
    fs::write(&there, "a file").expect("there is room");
    let path_of = |path: &Path| path.display().to_string();
    kubectl(cluster, &["cp", &path_of(&there), "web:/tmp/file"]);
    kubectl(cluster, &["cp", "web:/tmp/file", &path_of(&back)]);
    assert_eq!(fs::read_to_string(&back).expect("it came"), "a file");
}

/// Another container that sees the first one's processes.
async fn debugs(cluster: &Cluster, image: &str, path: &str) {
    let debug = [
        "debug",
        "web",
        "--target=main",
        "--image-pull-policy=Never",
        "-q",
    ];
    let command = [
        "--image",
        image,
        "-c",
        "look",
        "--",
        "sh",
        "-c",
        "tr '\\0' ' ' < /proc/1/cmdline",
    ];
    kubectl(cluster, &[&debug[..], &command[..]].concat());
    let has_looked = |pod: &Value| {
        let looked = &pod["status"]["ephemeralContainerStatuses"][0]["state"];
        looked["terminated"]["exitCode"] == 0
    };
    cluster.wait(path, "was looked into", has_looked).await;
    let seen = kubectl(cluster, &["logs", "web", "-c", "look"]);
    assert!(seen.contains("httpd -p 8080"), "{seen}");
}

/// Deletes what a story made, and waits until its pods are gone.
async fn end(cluster: &Cluster, node: Node, path: &str) {
    cluster.delete(path, None).await;
    let none = |list: &Value| list["items"].as_array().is_some_and(Vec::is_empty);
    cluster.wait(PODS, "is empty", none).await;
    node.stop().await;
}

#[tokio::test]
#[ignore = "needs controllers and a scheduler: make cluster-test CLUSTER=DIR"]
async fn a_deployment_is_rolled_to_its_next_version() {
    let cluster = Cluster::start().await;
    let (node, image) = join(&cluster).await;
    let object = app(
        "Deployment",
        json!({"replicas": 2}),
        template(&image, "one"),
    );
    cluster
        .create(&format!("{APPS}/deployments"), &object)
        .await;
    let path = format!("{APPS}/deployments/web");
    let is_rolled = |object: &Value| {
        let status = &object["status"];
        status["observedGeneration"] == object["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "availableReplicas"]
                .iter()
                .all(|field| status[field] == 2)
    };
    cluster.wait(&path, "has two pods", is_rolled).await;
    let change = json!({"spec": {"template": template(&image, "two")}});
    cluster.patch(&path, &change).await;
    cluster.wait(&path, "is rolled", is_rolled).await;
    let ending = |pod: &Pod| !pod.text("/metadata/deletionTimestamp").is_empty();
    let now = pods(&cluster).await;
    for pod in now.iter().filter(|pod| !ending(pod)) {
        assert_eq!(kubectl(&cluster, &["logs", pod.name()]), "version two\n");
    }
    end(&cluster, node, &path).await;
}

#[tokio::test]
#[ignore = "needs controllers and a scheduler: make cluster-test CLUSTER=DIR"]
async fn a_job_is_complete_when_its_pods_are() {
    let cluster = Cluster::start().await;
    let (node, image) = join(&cluster).await;
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "sum"},
        "spec": {"completions": 3, "parallelism": 2, "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "main",
                "image": image,
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", "echo $((20 + 22))"],
            }],
        }}},
    });
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    cluster.create(jobs, &job).await;
    let path = format!("{jobs}/sum");
    let is_complete = |job: &Value| job["status"]["succeeded"] == 3;
    cluster.wait(&path, "is complete", is_complete).await;
    for pod in pods(&cluster).await {
        assert_eq!(pod.phase(), "Succeeded");
        assert_eq!(kubectl(&cluster, &["logs", pod.name()]), "42\n");
    }
    for pod in pods(&cluster).await {
        cluster
            .delete(&format!("{PODS}/{}", pod.name()), None)
            .await;
    }
    end(&cluster, node, &path).await;
}

#[tokio::test]
#[ignore = "needs controllers and a scheduler: make cluster-test CLUSTER=DIR"]
async fn a_daemon_set_has_its_pod_on_the_node() {
    let cluster = Cluster::start().await;
    let (node, image) = join(&cluster).await;
    let object = app("DaemonSet", json!({}), template(&image, "one"));
    cluster.create(&format!("{APPS}/daemonsets"), &object).await;
    let path = format!("{APPS}/daemonsets/web");
    let is_there = |set: &Value| set["status"]["numberAvailable"] == 1;
    cluster.wait(&path, "has a pod", is_there).await;
    let all = pods(&cluster).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].text("/spec/nodeName"), "node");
    end(&cluster, node, &path).await;
}

#[tokio::test]
#[ignore = "needs controllers and a scheduler: make cluster-test CLUSTER=DIR"]
async fn a_pod_of_a_stateful_set_finds_its_volume_again() {
    let cluster = Cluster::start().await;
    let (node, image) = join(&cluster).await;
    let data = node.folder().join("data");
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "data"},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "by-hand",
            "hostPath": {"path": data, "type": "DirectoryOrCreate"},
        },
    });
    cluster.create("/api/v1/persistentvolumes", &volume).await;
    let mut template = template(&image, "one");
    let main = &mut template["spec"]["containers"][0];
    main["command"] = json!([
        "sh",
        "-c",
        format!("echo run >> /data/runs; cat /data/runs; {SERVE}")
    ]);
    main["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    let more = json!({
        "replicas": 1,
        "serviceName": "web",
        "volumeClaimTemplates": [{
            "metadata": {"name": "data"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "by-hand",
                "resources": {"requests": {"storage": "1Mi"}},
            },
        }],
    });
    let object = app("StatefulSet", more, template);
    cluster
        .create(&format!("{APPS}/statefulsets"), &object)
        .await;
    let web = format!("{PODS}/web-0");
    let is_ready = |pod: &Value| Pod(pod.clone()).is_ready();
    let first = cluster.wait(&web, "is ready", is_ready).await;
    cluster.delete(&web, None).await;
    let is_another = |pod: &Value| {
        pod["metadata"]["uid"] != first["metadata"]["uid"] && Pod(pod.clone()).is_ready()
    };
    cluster.wait(&web, "came back", is_another).await;
    assert_eq!(
        kubectl(&cluster, &["logs", "web-0"]),
        "run\nrun\nversion one\n"
    );
    end(&cluster, node, &format!("{APPS}/statefulsets/web")).await;
}

#[tokio::test]
#[ignore = "needs controllers and a scheduler: make cluster-test CLUSTER=DIR"]
async fn a_drained_node_takes_pods_again_when_it_is_uncordoned() {
    let cluster = Cluster::start().await;
    let (node, image) = join(&cluster).await;
    let object = app(
        "Deployment",
        json!({"replicas": 1}),
        template(&image, "one"),
    );
    cluster
        .create(&format!("{APPS}/deployments"), &object)
        .await;
    let path = format!("{APPS}/deployments/web");
    let has = |count: u64| {
        move |object: &Value| object["status"]["availableReplicas"].as_u64().unwrap_or(0) == count
    };
    cluster.wait(&path, "has a pod", has(1)).await;
    let before = pods(&cluster).await;
    kubectl(
        &cluster,
        &["drain", "node", "--ignore-daemonsets", "--timeout=100s"],
    );
    cluster.wait(&path, "has none", has(0)).await;
    let after = pods(&cluster).await;
    assert!(
        after
            .iter()
            .all(|pod| pod.uid() != before[0].uid() && pod.phase() == "Pending"),
        "{after:?}"
    );
    kubectl(&cluster, &["uncordon", "node"]);
    cluster.wait(&path, "has a pod again", has(1)).await;
    end(&cluster, node, &path).await;
}

#[tokio::test]
#[ignore = "needs controllers and a scheduler: make cluster-test CLUSTER=DIR"]
async fn a_node_that_was_away_comes_back_with_its_pods() {
    let cluster = Cluster::start().await;
    let (mut node, image) = join(&cluster).await;
    let object = app(
        "Deployment",
        json!({"replicas": 1}),
        template(&image, "one"),
    );
    cluster
        .create(&format!("{APPS}/deployments"), &object)
        .await;
    let path = format!("{APPS}/deployments/web");
    let is_there = |object: &Value| object["status"]["availableReplicas"] == 1;
    cluster.wait(&path, "has a pod", is_there).await;
    let before = pods(&cluster).await;
    node.kill9();
    // The node's controller waits for its lease.
    let is_unknown = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|one| one["type"] == "Ready" && one["status"] == "Unknown")
    };
    cluster.wait(NODE, "is away", is_unknown).await;
    node.restart_with(&cluster.joining()).await;
    let is_ready = |node: &Value| Pod(node.clone()).has("Ready");
    cluster.wait(NODE, "is back", is_ready).await;
    cluster.wait(&path, "has its pod", is_there).await;
    let after = pods(&cluster).await;
    let main = |pods: &[Pod]| {
        let main = pods[0].main().expect("it runs");
        (pods.len(), main.id().to_owned(), main.restarts())
    };
    assert_eq!(main(&before), main(&after));
    end(&cluster, node, &path).await;
}

#[tokio::test]
#[ignore = "needs the kubelet's port open to an API server: make cluster-test CLUSTER=DIR"]
async fn kubectl_does_with_a_pod_what_it_does_elsewhere() {
    let cluster = Cluster::start().await;
    let (node, image) = join(&cluster).await;
    let script = "mkdir /www; echo page > /www/index.html; httpd -p 8080 -h /www; \
                  trap 'exit 0' TERM; while read line; do echo heard $line; done; sleep 1000000 & wait";
    let web = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{
            "name": "main",
            "image": image,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", script],
            "stdin": true,
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        }]},
    });
    cluster.create(PODS, &web).await;
    let path = format!("{PODS}/web");
    let is_ready = |pod: &Value| Pod(pod.clone()).is_ready();
    cluster.wait(&path, "is ready", is_ready).await;

    runs_a_command(&cluster);
    attaches(&cluster);
    forwards_a_port(&cluster);
    copies(&cluster, node.folder());
    debugs(&cluster, &image, &path).await;
    let described = kubectl(&cluster, &["describe", "pod", "web"]);
    assert!(described.contains("Started"), "{described}");
    end(&cluster, node, &path).await;
}
