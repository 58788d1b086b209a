//! Pods that end although they would go on: past their deadline, or removed while their images come.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use podling_integration::harness::{DEADLINE, Node, Pod, wait_until};
use serde_json::json;

use crate::{configured, one, pod, shell};

/// A registry that takes connections and says nothing.
struct Silent {
    listener: TcpListener,
    clients: Vec<TcpStream>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let asks = listener.set_nonblocking(true);
        asks.expect("a listener can be asked");
        Self {
            listener,
            clients: Vec::new(),
        }
    }

    fn image(&self, name: &str) -> String {
        let address = self.listener.local_addr();
        let address = address.expect("a listener has an address");
        format!("{address}/{name}:1")
    }

    /// How many wait for an answer now.
    fn waiting(&mut self) -> usize {
        while let Ok((client, _)) = self.listener.accept() {
            let asks = client.set_nonblocking(true);
            asks.expect("a connection can be asked");
            self.clients.push(client);
        }
        self.clients.retain_mut(is_open);
        self.clients.len()
    }
}

/// Whether a client has not left; what it says is thrown away.
fn is_open(client: &mut TcpStream) -> bool {
    loop {
        match client.read(&mut [0; 1024]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

#[tokio::test]
async fn a_pod_past_its_deadline_has_failed_and_its_container_ends_as_it_likes() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let script = "trap 'exit 7' TERM; while :; do sleep 0.1; done";
    let mut spec = shell(&image, script);
    spec["activeDeadlineSeconds"] = json!(3);
    node.manifest("late.yaml", &pod("late", spec));
    let has_ended = |pod: &Pod| {
        let code = pod.main().and_then(|main| main.exit_code());
        pod.phase() == "Failed" && code.is_some()
    };
    let late = node
        .wait_pod("late", "is past its deadline", has_ended)
        .await;
    assert_eq!(late.text("/status/reason"), "DeadlineExceeded");
    assert_eq!(
        late.text("/status/message"),
        "Pod was active on the node longer than the specified deadline"
    );
    let main = late.main().expect("its container is told of");
    assert_eq!((main.exit_code(), main.restarts()), (Some(7), 0));
    node.remove_manifest("late.yaml");
    node.wait_gone("late").await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_whose_image_does_not_come_goes_as_soon_as_it_is_removed() {
    let mut registry = Silent::start();
    let node = Node::start().await;
    let image = registry.image("never");
    node.manifest("waits.yaml", &pod("waits", one(&image, &[])));
    let asked = "the image is asked for";
    wait_until(DEADLINE, asked, || registry.waiting() == 1).await;
    let waits = node.pod("waits").expect("it is there");
    let main = waits.main().expect("its container is told of");
    assert_eq!(main.waiting(), "ContainerCreating");
    node.remove_manifest("waits.yaml");
    node.wait_gone("waits").await;
    let left = "nobody asks any more";
    wait_until(DEADLINE, left, || registry.waiting() == 0).await;
    node.stop().await;
}

#[tokio::test]
async fn no_more_images_are_pulled_at_once_than_is_configured() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let mut registry = Silent::start();
    let fields = "serializeImagePulls: false\nmaxParallelImagePulls: 2\n";
    let node = configured(root.path(), fields).await;
    let names = ["one", "two", "three"];
    let images = names.map(|name| registry.image(name));
    for (name, image) in names.iter().zip(&images) {
        node.manifest(&format!("{name}.yaml"), &pod(name, one(image, &[])));
    }
    // Each pull is told before it waits for its place.
    let are_told = || {
        let events = node.kubelet("/events").map(|answer| answer.text());
        let events = events.unwrap_or_default();
        let is_told = |image: &String| events.contains(&format!("Pulling image \\\"{image}\\\""));
        images.iter().all(is_told)
    };
    wait_until(DEADLINE, "all are to be pulled", are_told).await;
    wait_until(DEADLINE, "two are pulled", || registry.waiting() >= 2).await;
    assert_eq!(registry.waiting(), 2);
    for name in names {
        node.remove_manifest(&format!("{name}.yaml"));
        node.wait_gone(name).await;
    }
    node.stop().await;
}
