//! Containers that went while no kubelet looked.

use std::process::{Child, Stdio};

use podling_integration::harness::{Cluster, Cri, DEADLINE, Node, Options, Pod, wait_for};
use podling_proto::runtime::v1::RemoveContainerRequest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{is_running, pod, shell};

const WEB: &str = "/api/v1/namespaces/default/pods/web";

/// The runtime of a node, alone until it goes.
pub(super) struct RuntimeAlone(Child);

impl RuntimeAlone {
    pub(super) fn start(node: &Node) -> Self {
        let (cidr, bridge) = (node.range().pod_cidr(), node.range().bridge());
        let mut runtime = node.command(&["runtime", "--pod-cidr", &cidr, "--bridge", &bridge]);
        runtime.stdin(Stdio::null()).stdout(Stdio::null());
        Self(
            runtime
                .stderr(Stdio::null())
                .spawn()
                .expect("podling starts"),
        )
    }

    /// Sends it a signal.
    pub(super) fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has an id"), signal).expect("a child takes signals");
    }
}

impl Drop for RuntimeAlone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes a container from the runtime while nothing else of the node runs, and its image if it is named.
async fn lose(node: &mut Node, container: &str, image: Option<&str>) {
    node.kill9();
    let runtime = RuntimeAlone::start(node);
    let socket = node.root().join("run/podling/podling.sock");
    let cri = wait_for(DEADLINE, "the runtime answers", async || {
        Cri::connect(&socket).await.ok()
    })
    .await;
    let request = RemoveContainerRequest {
        container_id: container.to_owned(),
    };
    let removed = cri.runtime.clone().remove_container(request).await;
    removed.expect("a container can be removed");
    if let Some(image) = image {
        cri.remove_image(image).await.expect("nobody uses it");
    }
    drop(runtime);
}

/// The id of the container `main`.
fn id(pod: &Pod) -> String {
    pod.main().expect("it is told of").id().to_owned()
}

#[tokio::test]
async fn a_container_that_went_is_made_again_and_counts_on_from_its_log() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    node.manifest("web.yaml", &pod("web", shell(&image, "sleep 1000")));
    let before = node.wait_pod("web", "runs", is_running).await;
    lose(&mut node, &id(&before), None).await;
    node.restart().await;
    let after = node.wait_pod("web", "runs again", is_running).await;
    assert_ne!(id(&after), id(&before));
    assert_eq!(after.main().map(|main| main.restarts()), Some(1));
    node.stop().await;
}

#[tokio::test]
async fn a_container_that_its_cluster_knows_to_run_and_that_went_is_told_as_lost() {
    let cluster = Cluster::start().await;
    let mut node = Node::start_with(Options {
        start: cluster.joining(),
        ..Options::default()
    })
    .await;
    let image = node.import_debian("busybox").await;
    let mut spec = shell(&image, "sleep 1000");
    spec["containers"][0]["imagePullPolicy"] = "Never".into();
    spec["nodeName"] = "node".into();
    spec["automountServiceAccountToken"] = false.into();
    let object =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": spec });
    cluster
        .create("/api/v1/namespaces/default/pods", &object)
        .await;
    let runs = |object: &Value| is_running(&Pod(object.clone()));
    let before = cluster.wait(WEB, "runs", runs).await;
    // Without its image it cannot be made again, which would be the next that is told.
    lose(&mut node, &id(&Pod(before)), Some(&image)).await;
    node.restart_with(&cluster.joining()).await;
    let is_told = |object: &Value| {
        let pod = Pod(object.clone());
        let waits = pod.main().map(|main| main.waiting().to_owned());
        waits.is_some_and(|why| why == "ErrImageNeverPull")
    };
    let after = cluster.wait(WEB, "cannot run again", is_told).await;
    let status = &after["status"]["containerStatuses"][0];
    let last = &status["lastState"]["terminated"];
    assert_eq!(last["reason"], "ContainerStatusUnknown", "{status}");
    assert_eq!(last["exitCode"], 137);
    assert_eq!(status["restartCount"], 1);
    cluster.delete(WEB, Some(1)).await;
    cluster.wait_gone(WEB).await;
    node.stop().await;
}
