//! A node of a cluster, and the pods that it is given. Over the small API server of the tests, and over a real one when
//! `PODLING_TEST_CLUSTER` names it (docs/cluster.md).

use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_for, wait_until};
use serde_json::{Value, json};

use crate::{one, pod, shell};

pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";
pub(crate) const NODE: &str = "/api/v1/nodes/node";
pub(crate) const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node";

pub(crate) async fn join(cluster: &Cluster) -> Node {
    Node::start_with(Options {
        start: cluster.joining(),
        ..Options::default()
    })
    .await
}

/// A pod for the node, without the token that only a whole cluster has for it.
pub(crate) fn placed(name: &str, mut spec: Value) -> Value {
    spec["nodeName"] = "node".into();
    spec["automountServiceAccountToken"] = false.into();
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec })
}

pub(crate) fn path(name: &str) -> String {
    format!("{PODS}/{name}")
}

pub(crate) fn is_ready(object: &Value) -> bool {
    let pod = Pod(object.clone());
    pod.phase() == "Running" && pod.is_ready()
}

pub(crate) fn holds(object: &Value, condition: &str) -> bool {
    Pod(object.clone()).has(condition)
}

/// The id and the restarts of the container `main`.
pub(crate) fn main_of(object: &Value) -> (String, i64) {
    let pod = Pod(object.clone());
    let main = pod.main().expect("it has a container");
    (main.id().to_owned(), main.restarts())
}

#[tokio::test]
async fn a_node_registers_tells_its_status_and_renews_its_lease() {
    let cluster = Cluster::start().await;
    let mut start = cluster.joining();
    let more = [
        "--node-labels=team=mine",
        "--register-with-taints=dedicated=mine:NoSchedule",
        "--provider-id=machines://1",
    ];
    start.arguments.extend(more.map(str::to_owned));
    let mut node = Node::start_with(Options {
        start: start.clone(),
        ..Options::default()
    })
    .await;
    let object = cluster
        .wait(NODE, "is ready", |node| holds(node, "Ready"))
        .await;
    assert_eq!(object["metadata"]["labels"]["team"], "mine");
    assert_eq!(
        object["metadata"]["labels"]["kubernetes.io/hostname"],
        "node"
    );
    assert_eq!(object["spec"]["providerID"], "machines://1");
    let taints = object["spec"]["taints"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(
        taints.iter().any(|taint| taint["key"] == "dedicated"),
        "{taints:?}"
    );
    for field in [
        "capacity",
        "allocatable",
        "addresses",
        "nodeInfo",
        "daemonEndpoints",
    ] {
        assert!(!object["status"][field].is_null(), "{field}: {object:#}");
    }
    let lease = cluster.wait(LEASE, "is there", |_| true).await;
    assert_eq!(lease["spec"]["holderIdentity"], "node");
    assert_eq!(
        lease["metadata"]["ownerReferences"][0]["uid"],
        object["metadata"]["uid"]
    );

    // Labels of others and conditions of others stay, and the kubelet's own come back.
    let change =
        json!({ "metadata": { "labels": { "theirs": "x", "kubernetes.io/hostname": "wrong" } } });
    cluster.patch(NODE, &change).await;
    let theirs = json!({ "status": { "conditions": [
        { "type": "NetworkUnavailable", "status": "False", "reason": "theirs", "message": "" },
    ]}});
    cluster.merge(&format!("{NODE}/status"), &theirs).await;
    node.kill9();
    node.restart_with(&start).await;
    let renewed = |again: &Value| again["spec"]["renewTime"] != lease["spec"]["renewTime"];
    cluster.wait(LEASE, "is renewed", renewed).await;
    let again = cluster
        .wait(NODE, "is reconciled", |node| {
            node["metadata"]["labels"]["kubernetes.io/hostname"] == "node"
        })
        .await;
    assert_eq!(again["metadata"]["uid"], object["metadata"]["uid"]);
    assert_eq!(again["metadata"]["labels"]["theirs"], "x");
    let conditions = again["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(
        conditions.iter().any(|one| one["reason"] == "theirs"),
        "{conditions:?}"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_pod_of_the_cluster_runs_and_its_object_goes_last() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let script = "trap 'echo bye; exit 0' TERM; echo hello; while true; do sleep 0.1; done";
    cluster
        .create(PODS, &placed("web", shell(&image, script)))
        .await;
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    assert!(Pod(web.clone()).ip().is_some(), "{web:#}");
    assert_eq!(web["status"]["qosClass"], "BestEffort");

    cluster.delete(&path("web"), None).await;
    cluster.wait_gone(&path("web")).await;
    let left = node.cri().await.sandboxes().await;
    assert!(left.is_empty(), "the object goes last: {left:?}");
    let uid = web["metadata"]["uid"].as_str().expect("it has one");
    let directory = node.root().join("var/lib/podling/kubelet/pods").join(uid);
    assert!(!directory.exists(), "the object goes last");
    node.stop().await;
}

#[tokio::test]
async fn a_pod_that_has_done_its_work_is_not_run_again_by_the_next_kubelet() {
    let cluster = Cluster::start().await;
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["true"]);
    spec["restartPolicy"] = "Never".into();
    cluster.create(PODS, &placed("job", spec)).await;
    let done = cluster
        .wait(&path("job"), "succeeds", |pod| {
            pod["status"]["phase"] == "Succeeded"
        })
        .await;
    node.kill9();
    node.restart_with(&cluster.joining()).await;
    cluster
        .create(PODS, &placed("later", one(&image, &["sleep", "1000"])))
        .await;
    cluster.wait(&path("later"), "is ready", is_ready).await;
    let still = cluster.get(&path("job")).await.expect("it is there");
    assert_eq!(still["status"]["phase"], "Succeeded");
    assert_eq!(main_of(&still), main_of(&done));
    cluster.delete(&path("job"), None).await;
    cluster.delete(&path("later"), Some(1)).await;
    cluster.wait_gone(&path("job")).await;
    cluster.wait_gone(&path("later")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_whose_dead_container_has_gone_is_still_known_to_have_ended() {
    let cluster = Cluster::start().await;
    let mut start = cluster.joining();
    let none = "--maximum-dead-containers=0".to_owned();
    start.arguments.push(none);
    let mut node = Node::start_with(Options {
        start: start.clone(),
        ..Options::default()
    })
    .await;
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["true"]);
    spec["restartPolicy"] = "Never".into();
    cluster.create(PODS, &placed("job", spec)).await;
    let done = cluster
        .wait(&path("job"), "succeeds", |pod| {
            pod["status"]["phase"] == "Succeeded"
        })
        .await;
    let cri = node.cri().await;
    wait_for(DEADLINE, "its container is gone", async || {
        cri.containers().await.is_empty().then_some(())
    })
    .await;
    node.kill9();
    node.restart_with(&start).await;
    cluster
        .create(PODS, &placed("later", one(&image, &["sleep", "1000"])))
        .await;
    cluster.wait(&path("later"), "is ready", is_ready).await;
    let still = cluster.get(&path("job")).await.expect("it is there");
    assert_eq!(still["status"]["phase"], "Succeeded");
    assert_eq!(main_of(&still), main_of(&done));
    cluster.delete(&path("job"), None).await;
    cluster.delete(&path("later"), Some(1)).await;
    cluster.wait_gone(&path("job")).await;
    cluster.wait_gone(&path("later")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_static_pod_is_mirrored_again_when_its_mirror_is_deleted() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["sleep", "1000"]);
    spec["terminationGracePeriodSeconds"] = 1.into();
    node.manifest("web.yaml", &pod("web", spec));
    let mirror = cluster.wait(&path("web-node"), "is ready", is_ready).await;
    let annotations = &mirror["metadata"]["annotations"];
    assert_eq!(
        annotations["kubernetes.io/config.mirror"],
        annotations["kubernetes.io/config.hash"]
    );
    let owner = &mirror["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["name"]),
        (&json!("Node"), &json!("node"))
    );

    cluster.delete(&path("web-node"), None).await;
    let is_new = |pod: &Value| is_ready(pod) && pod["metadata"]["uid"] != mirror["metadata"]["uid"];
    let again = cluster
        .wait(&path("web-node"), "is made anew", is_new)
        .await;
    assert_eq!(main_of(&again), main_of(&mirror), "nothing was restarted");

    node.remove_manifest("web.yaml");
    cluster.wait_gone(&path("web-node")).await;
    node.stop().await;
}

#[tokio::test]
async fn while_the_api_server_is_away_pods_go_on_and_statuses_catch_up() {
    let mut cluster = Cluster::breakable();
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let script = "until [ -e /end ]; do sleep 0.05; done; exit 3";
    cluster
        .create(PODS, &placed("web", shell(&image, script)))
        .await;
    let before = cluster.wait(&path("web"), "is ready", is_ready).await;
    cluster.server().pause();
    let ended = node.podling(&["exec", "web", "--", "touch", "/end"]);
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let restarted = || {
        let pods = node.pods();
        let web = pods.iter().find(|pod| pod.name() == "web").cloned();
        web.is_some_and(|pod| pod.main().is_some_and(|main| main.restarts() == 1))
    };
    wait_until(DEADLINE, "the container is restarted", restarted).await;
    cluster.server().resume();
    // What the watch would go on from is forgotten as well.
    cluster.server().compact();
    let caught_up = |pod: &Value| is_ready(pod) && main_of(pod).1 == 1;
    let after = cluster.wait(&path("web"), "is told", caught_up).await;
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);

    cluster
        .create(PODS, &placed("late", one(&image, &["sleep", "1000"])))
        .await;
    cluster.wait(&path("late"), "is ready", is_ready).await;
    for name in ["web", "late"] {
        cluster.delete(&path(name), Some(1)).await;
        cluster.wait_gone(&path(name)).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_kubelet_that_is_killed_makes_no_pod_unready_and_restarts_no_container() {
    let mut cluster = Cluster::breakable();
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["sleep", "1000"]);
    spec["containers"][0]["readinessProbe"] =
        json!({ "exec": { "command": ["true"] }, "periodSeconds": 1 });
    cluster.create(PODS, &placed("web", spec)).await;
    let before = cluster.wait(&path("web"), "is ready", is_ready).await;
    let mut asked = 0;
    for _ in 0..2 {
        // What the first kubelet had not told when it was killed, the second one tells.
        asked = cluster.server().requests().len();
        node.kill9();
        node.restart_with(&cluster.joining()).await;
        let pods = || {
            node.pods()
                .iter()
                .any(|pod| pod.name() == "web" && pod.is_ready())
        };
        wait_until(DEADLINE, "the kubelet knows its pod", pods).await;
    }
    let after = cluster.get(&path("web")).await.expect("it is there");
    assert_eq!(main_of(&after), main_of(&before));
    let since = |pod: &Value| Pod(pod.clone()).0["status"]["conditions"].clone();
    assert_eq!(since(&after), since(&before), "it was ready all the time");
    let requests = cluster.server().requests();
    let patches = requests[asked..]
        .iter()
        .filter(|one| one.contains("PATCH") && one.contains("pods/web"));
    assert_eq!(patches.count(), 0, "{requests:#?}");
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_readiness_gate_of_somebody_else_opens_a_pod() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["sleep", "1000"]);
    spec["readinessGates"] = json!([{ "conditionType": "example.com/open" }]);
    cluster.create(PODS, &placed("web", spec)).await;
    let waits = |pod: &Value| holds(pod, "ContainersReady") && !holds(pod, "Ready");
    cluster
        .wait(&path("web"), "waits for its gate", waits)
        .await;
    let open =
        json!({ "status": { "conditions": [{ "type": "example.com/open", "status": "True" }] } });
    cluster
        .merge(&format!("{}/status", path("web")), &open)
        .await;
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    assert!(holds(&web, "example.com/open"), "{web:#}");
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}

#[tokio::test]
async fn what_happens_to_a_pod_is_an_event_of_the_cluster() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let spec = one("localhost/not/there:1", &[]);
    cluster.create(PODS, &placed("web", spec)).await;
    let uid = cluster.get(&path("web")).await.expect("it is there")["metadata"]["uid"].clone();
    let again = |events: &Value| {
        let mut all = events["items"].as_array().into_iter().flatten();
        all.any(|event| {
            event["reason"] == "BackOff"
                && event["involvedObject"]["uid"] == uid
                && event["source"]["component"] == "kubelet"
        })
    };
    let events = "/api/v1/namespaces/default/events";
    cluster
        .wait(events, "tells why the pod does not run", again)
        .await;
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_that_cannot_be_run_here_fails_and_its_object_can_be_deleted() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let mut spec = one("localhost/any:1", &[]);
    spec["resourceClaims"] = json!([{ "name": "gpu", "resourceClaimName": "mine" }]);
    cluster.create(PODS, &placed("web", spec)).await;
    let failed = |pod: &Value| pod["status"]["phase"] == "Failed";
    let web = cluster.wait(&path("web"), "has failed", failed).await;
    let why = web["status"]["message"].as_str().unwrap_or_default();
    assert!(why.contains("ResourceClaims are not handled yet"), "{why}");
    cluster.delete(&path("web"), None).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}
