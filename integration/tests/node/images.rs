//! Images over the CRI, as clients see them.

use std::time::Duration;

use podling_integration::harness::requests::{container, remove_pod, sandbox};
use podling_integration::harness::{Cri, Node, Registry};
use podling_integration::images::{Content, Entry, Image, Layer, Settings};
use podling_proto::runtime::v1::{
    ContainerConfig, ContainerStatusRequest, CreateContainerRequest, ImageSpec, ImageStatusRequest,
    PodSandboxConfig, PullImageRequest, RemoveContainerRequest, RunPodSandboxRequest,
};
use tokio::net::TcpListener;
use tonic::{Code, Request};

fn image() -> Content {
    let layers = ["one", "two", "three"].map(|name| Layer::of([Entry::file(name, name)]));
    let settings = Settings::default().entrypoint(["/one"]);
    Image::new(settings, layers).build().content()
}

async fn run_sandbox(cri: &Cri, config: &PodSandboxConfig) -> String {
    let request = RunPodSandboxRequest {
        config: Some(config.clone()),
        ..RunPodSandboxRequest::default()
    };
    let answer = cri.runtime.clone().run_pod_sandbox(request).await;
    answer
        .expect("the sandbox runs")
        .into_inner()
        .pod_sandbox_id
}

async fn create(
    cri: &Cri,
    sandbox: &str,
    (config, container): (&PodSandboxConfig, ContainerConfig),
) -> Result<String, tonic::Status> {
    let request = CreateContainerRequest {
        pod_sandbox_id: sandbox.to_owned(),
        config: Some(container),
        sandbox_config: Some(config.clone()),
    };
    let answer = cri.runtime.clone().create_container(request).await?;
    Ok(answer.into_inner().container_id)
}

#[tokio::test]
async fn an_image_that_is_removed_while_a_container_is_made_of_it_is_there_or_not_but_never_in_part()
 {
    let registry = Registry::start().await;
    let name = registry.push("app:1", &image()).await;
    let node = Node::start().await;
    let cri = node.cri().await;
    let config = sandbox("racing", &node.range().cgroup());
    let sandbox = run_sandbox(&cri, &config).await;
    for attempt in 0..20 {
        cri.pull(&name).await.expect("the image is pulled");
        let mut wanted = container(&name, &[]);
        wanted.metadata.as_mut().expect("it has one").attempt = attempt;
        let making = create(&cri, &sandbox, (&config, wanted));
        let (made, removed) = tokio::join!(making, cri.remove_image(&name));
        removed.expect("an image can be removed at any time");
        match made {
            Ok(container_id) => {
                let request = RemoveContainerRequest { container_id };
                let removed = cri.runtime.clone().remove_container(request).await;
                removed.expect("the container can be removed");
            }
            Err(status) => assert_eq!(status.code(), Code::NotFound, "{status}"),
        }
    }
    remove_pod(&cri, &sandbox)
        .await
        .expect("the pod can be removed");
    node.stop().await;
}

#[tokio::test]
async fn an_image_has_one_id_in_every_answer() {
    let registry = Registry::start().await;
    let name = registry.push("app:1", &image()).await;
    let node = Node::start().await;
    let cri = node.cri().await;
    let pulled = cri.pull(&name).await.expect("the image is pulled");
    let config = sandbox("same", &node.range().cgroup());
    let sandbox = run_sandbox(&cri, &config).await;
    let mut wanted = container(&pulled, &[]);
    let spec = wanted.image.as_mut().expect("it has one");
    spec.user_specified_image = name.clone();
    let made = create(&cri, &sandbox, (&config, wanted)).await;
    let container_id = made.expect("the container is made");

    let listed = cri.containers().await.remove(0);
    let request = ContainerStatusRequest {
        container_id,
        verbose: false,
    };
    let status = cri.runtime.clone().container_status(request).await;
    let status = status.expect("it is there").into_inner().status;
    let status = status.expect("it has one");
    for id in [
        &listed.image_id,
        &status.image_id,
        &cri.image(&name).await.expect("it is here").id,
    ] {
        assert_eq!(*id, pulled);
    }
    let spec = status.image.expect("it has one");
    assert_eq!(spec.user_specified_image, name);
    remove_pod(&cri, &sandbox)
        .await
        .expect("the pod can be removed");
    node.stop().await;
}

#[tokio::test]
async fn a_pull_ends_with_its_deadline_and_leaves_nothing() {
    // A registry that takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = silent.local_addr().expect("it has one");
    let node = Node::start().await;
    let cri = node.cri().await;
    let mut request = Request::new(PullImageRequest {
        image: Some(ImageSpec {
            image: format!("{address}/app:1"),
            ..ImageSpec::default()
        }),
        ..PullImageRequest::default()
    });
    request.set_timeout(Duration::from_millis(500));
    let status = cri.images.clone().pull_image(request).await;
    let status = status.expect_err("nobody answers");
    let is_late = matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
    assert!(is_late, "{status}");
    assert!(cri.image(&format!("{address}/app:1")).await.is_none());
    node.stop().await;
}

#[tokio::test]
async fn a_registry_that_is_away_is_told_from_an_image_that_is() {
    let registry = Registry::start().await;
    let node = Node::start().await;
    let cri = node.cri().await;
    let absent = cri.pull(&format!("{}/app:1", registry.host())).await;
    assert_eq!(absent.expect_err("there is none").code(), Code::NotFound);
    let away = cri.pull("127.0.0.1:1/app:1").await;
    let away = away.expect_err("there is none");
    assert!(
        away.message().starts_with("RegistryUnavailable: "),
        "{away}"
    );
    node.stop().await;
}

#[tokio::test]
async fn what_people_ask_about_an_image_is_answered_in_full() {
    let registry = Registry::start().await;
    let name = registry.push("app:1", &image()).await;
    let node = Node::start().await;
    let cri = node.cri().await;
    cri.pull(&name).await.expect("the image is pulled");
    let request = ImageStatusRequest {
        image: Some(ImageSpec {
            image: name.clone(),
            ..ImageSpec::default()
        }),
        verbose: true,
    };
    let answer = cri.images.clone().image_status(request).await;
    let info = answer.expect("it is here").into_inner().info;
    let info: serde_json::Value = serde_json::from_str(&info["info"]).expect("it is JSON");
    assert!(
        info["chainID"]
            .as_str()
            .is_some_and(|id| id.starts_with("sha256:"))
    );
    assert_eq!(info["imageSpec"]["config"]["Entrypoint"][0], "/one");
    let layers = info["imageSpec"]["rootfs"]["diff_ids"].as_array();
    assert_eq!(layers.map(Vec::len), Some(3));

    let removed = node.podling(&["rmi", &name]);
    assert!(removed.status.success(), "{removed:?}");
    assert!(String::from_utf8_lossy(&removed.stdout).contains(&name));
    let again = node.podling(&["rmi", &name]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("no such image"));
    assert!(!again.status.success());
    node.stop().await;
}
