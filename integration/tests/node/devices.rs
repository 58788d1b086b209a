//! Devices of plugins: registered, handed out once, kept over a new daemon, free when their pod ends.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use podling_integration::harness::device_plugin::{Plugin, RESOURCE, lister};
use podling_integration::harness::{DEADLINE, Node, Pod, wait_until};
use podling_proto::podresources;
use serde_json::{Value, json};

use crate::{is_running, one, pod};

fn directory(node: &Node, name: &str) -> PathBuf {
    node.root().join("var/lib/podling/kubelet").join(name)
}

/// Waits until plugins can register, and serves one.
async fn registered(node: &Node) -> Plugin {
    let devices = directory(node, "device-plugins");
    // The socket is a file before somebody listens there.
    wait_until(DEADLINE, "plugins can register", || {
        UnixStream::connect(devices.join("kubelet.sock")).is_ok()
    })
    .await;
    let plugin = Plugin::serve(&devices, "toy.sock");
    plugin.register("v1beta1").await.expect("it is known");
    plugin
}

/// Daemon and plugin die; another daemon and then another plugin begin.
async fn crashed(node: &mut Node, plugin: Plugin) -> Plugin {
    node.kill9();
    drop(plugin);
    let socket = directory(node, "device-plugins").join("kubelet.sock");
    fs::remove_file(socket).expect("a killed daemon leaves it behind");
    node.restart().await;
    registered(node).await
}

/// A pod that asks for so many devices.
fn asking(image: &str, count: u32) -> Value {
    let mut spec = one(image, &["sleep"]);
    spec["containers"][0]["resources"] = json!({ "limits": { RESOURCE: count } });
    spec
}

fn counted(node: &Node) -> [String; 2] {
    let shown = node.podling(&["get", "nodes", "-o", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
    let shown = shown.pointer("/items/0").unwrap_or(&shown);
    ["capacity", "allocatable"].map(|list| {
        let count = &shown["status"][list][RESOURCE];
        count.as_str().unwrap_or_default().to_owned()
    })
}

async fn wait_counted(node: &Node, expected: [&str; 2]) {
    wait_until(DEADLINE, "the node has the devices", || {
        counted(node) == expected
    })
    .await;
}

/// How the devices of a pod's container are, as its status tells it.
fn health_of(pod: &Pod) -> Value {
    let path = "/status/containerStatuses/0/allocatedResourcesStatus/0/resources";
    pod.0.pointer(path).cloned().unwrap_or_default()
}

fn failed_for(reason: &str) -> impl Fn(&Pod) -> bool {
    move |pod| pod.phase() == "Failed" && pod.text("/status/reason") == reason
}

/// Programs of the machine can ask which pods have which devices.
async fn who_has_what_is_told(node: &Node, runs: &Pod) {
    let socket = directory(node, "pod-resources").join("kubelet.sock");
    let mut lister = lister(socket).await.expect("it answers");
    let asked = lister.list(podresources::ListPodResourcesRequest {}).await;
    let listed = asked.expect("it is told").into_inner().pod_resources;
    let [pod] = &listed[..] else {
        panic!("one pod is there: {listed:?}");
    };
    assert_eq!(pod.name, runs.text("/metadata/name"));
    assert_eq!(pod.containers[0].name, "main");
    let ids = |devices: &[podresources::ContainerDevices]| {
        let ids = devices.iter().flat_map(|one| one.device_ids.clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&pod.containers[0].devices), ["one", "two"]);
    assert_eq!(pod.containers[0].devices[0].resource_name, RESOURCE);

    let of = |name: &str| podresources::GetPodResourcesRequest {
        pod_name: name.to_owned(),
        pod_namespace: pod.namespace.clone(),
    };
    let asked = lister.get(of(&pod.name)).await.expect("it is told");
    assert_eq!(asked.into_inner().pod_resources.as_ref(), Some(pod));
    let unknown = lister.get(of("nobody")).await.expect_err("nobody is there");
    assert_eq!(
        unknown.message(),
        format!("pod nobody in namespace {} not found", pod.namespace)
    );
    let asked = lister
        .get_allocatable_resources(podresources::AllocatableResourcesRequest {})
        .await;
    let offered = asked.expect("it is told").into_inner().devices;
    assert_eq!(ids(&offered), ["one", "two"]);
}

#[tokio::test]
async fn devices_are_handed_out_once_and_kept_over_a_crash_of_the_daemon() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let plugin = registered(&node).await;
    let refused = plugin.register("v1alpha1").await;
    let refused = refused.expect_err("an old version");
    assert!(refused.message().contains("is not supported by kubelet"));
    wait_counted(&node, ["3", "2"]).await;

    node.manifest("a.yaml", &pod("a", asking(&image, 1)));
    node.wait_pod("a", "runs", is_running).await;
    assert_eq!(plugin.told(), ["allocate two", "start two"]);
    node.manifest("b.yaml", &pod("b", asking(&image, 2)));
    let reason = format!("OutOf{RESOURCE}");
    node.wait_pod("b", "is refused", failed_for(&reason)).await;

    let plugin = crashed(&mut node, plugin).await;
    node.wait_pod("a", "still runs", is_running).await;
    wait_counted(&node, ["3", "2"]).await;
    node.manifest("c.yaml", &pod("c", asking(&image, 1)));
    node.wait_pod("c", "runs", is_running).await;
    assert_eq!(plugin.told(), ["allocate one", "start one"]);
    node.stop().await;
}

#[tokio::test]
async fn a_daemon_that_dies_while_a_plugin_is_asked_asks_again_for_the_same_devices() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let plugin = registered(&node).await;
    wait_counted(&node, ["3", "2"]).await;
    plugin.hang();
    node.manifest("a.yaml", &pod("a", asking(&image, 1)));
    wait_until(DEADLINE, "the plugin is asked", || {
        plugin.told() == ["allocate two"]
    })
    .await;
    let plugin = crashed(&mut node, plugin).await;
    node.wait_pod("a", "runs", is_running).await;
    assert_eq!(plugin.told(), ["allocate two", "start two"]);
    node.stop().await;
}

#[tokio::test]
async fn a_plugin_says_which_devices_it_likes_best_beside_those_of_a_step() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let plugin = registered(&node).await;
    let healthy = ["one", "two", "three", "four"].map(|id| (id, "Healthy"));
    plugin.list(&healthy);
    wait_counted(&node, ["4", "4"]).await;
    let mut spec = asking(&image, 2);
    let step = &mut spec["containers"][0].clone();
    step["name"] = json!("step");
    step["args"] = json!(["true"]);
    step["resources"] = json!({ "limits": { RESOURCE: 1 } });
    spec["initContainers"] = json!([step]);
    spec["containers"][0]["args"] = json!(["sleep", "1000"]);
    spec["terminationGracePeriodSeconds"] = json!(1);
    node.manifest("a.yaml", &pod("a", spec));
    node.wait_pod("a", "runs", is_running).await;
    // The step has given its device back by then, and its pod goes on with it.
    assert_eq!(
        plugin.asked(),
        [
            "1 of four,one,three,two with ",
            "2 of four,one,three,two with two"
        ]
    );
    let told = plugin.told().join("; ");
    let sets = told.replace("three,two", "two,three");
    assert_eq!(
        sets,
        "allocate two; allocate two,three; start two; start two,three"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_device_that_fails_is_given_to_nobody_and_its_pod_goes_on() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let plugin = registered(&node).await;
    wait_counted(&node, ["3", "2"]).await;
    node.manifest("a.yaml", &pod("a", asking(&image, 1)));
    let runs = node.wait_pod("a", "runs", is_running).await;
    assert_eq!(
        health_of(&runs),
        json!([{ "resourceID": "two", "health": "Healthy" }])
    );
    plugin.list(&[("one", "Unhealthy"), ("two", "Unhealthy")]);
    wait_counted(&node, ["2", "0"]).await;
    let sick = json!([{ "resourceID": "two", "health": "Unhealthy" }]);
    node.wait_pod("a", "tells that its device is not well", |pod| {
        health_of(pod) == sick
    })
    .await;
    node.manifest("b.yaml", &pod("b", asking(&image, 1)));
    let reason = format!("OutOf{RESOURCE}");
    node.wait_pod("b", "is refused", failed_for(&reason)).await;

    plugin.refuse("it smokes");
    plugin.list(&[("one", "Healthy"), ("three", "Healthy")]);
    wait_counted(&node, ["2", "2"]).await;
    node.manifest("c.yaml", &pod("c", asking(&image, 1)));
    let reason = "UnexpectedAdmissionError";
    let failed = node.wait_pod("c", "is refused", failed_for(reason)).await;
    assert_eq!(
        failed.text("/status/message"),
        "Pod was rejected: Allocate failed due to rpc error: code = Unknown desc = it smokes, \
         which is unexpected"
    );
    let still = node.wait_pod("a", "still runs", is_running).await;
    assert_eq!(still.uid(), runs.uid());
    node.stop().await;
}

#[tokio::test]
async fn a_container_gets_what_its_devices_come_with_and_gives_them_back_at_its_end() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let registry = directory(&node, "plugins_registry");
    let plugin = Plugin::serve(&registry, "toy.sock");
    wait_counted(&node, ["3", "2"]).await;
    wait_until(DEADLINE, "it is told", || {
        plugin.told() == ["registered true "]
    })
    .await;

    let script = "echo $TOYS; test -c /dev/toy && cat /toys/what; sleep 1000";
    let mut spec = asking(&image, 2);
    spec["containers"][0]["args"] = json!(["sh", "-c", script]);
    spec["terminationGracePeriodSeconds"] = json!(1);
    fs::write(registry.join("what"), "there\n").expect("it can be written");
    node.manifest("a.yaml", &pod("a", spec));
    let runs = node.wait_pod("a", "runs", is_running).await;
    wait_until(DEADLINE, "it says what it sees", || {
        node.logs(&runs, "main").contains("there")
    })
    .await;
    assert!(node.logs(&runs, "main").contains("two,one"));

    who_has_what_is_told(&node, &runs).await;

    drop(plugin);
    wait_counted(&node, ["3", "0"]).await;
    node.wait_pod("a", "still runs", is_running).await;
    let plugin = Plugin::serve(&registry, "toy.sock");
    wait_counted(&node, ["3", "2"]).await;
    node.remove_manifest("a.yaml");
    let mut spec = asking(&image, 2);
    spec["containers"][0]["args"] = json!(["sleep", "1000"]);
    spec["terminationGracePeriodSeconds"] = json!(1);
    node.manifest("b.yaml", &pod("b", spec));
    node.wait_pod("b", "waits for them and runs", is_running)
        .await;
    let told = plugin.told();
    assert!(told.contains(&"allocate two,one".to_owned()), "{told:?}");
    node.stop().await;
}
