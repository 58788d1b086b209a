//! Images that a registry gives only to whoever shows something.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::registry::{PASSWORD, USERNAME};
use podling_integration::harness::{Node, Options, Pod, Registry};
use serde_json::{Value, json};

use crate::{is_running, pod};

/// A registry with one image that nobody gets without a login, and the image's name.
async fn private_registry() -> (Registry, String) {
    let mut registry = Registry::start().await;
    let image = registry.push_debian("busybox").await;
    registry.protect().await;
    (registry, image)
}

/// The manifest of a Secret with one login.
fn secret(name: &str, registry: &str, password: &str) -> String {
    let login = json!({ "username": USERNAME, "password": password });
    let config = json!({ "auths": { registry: login } });
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": { "name": name },
        "stringData": { ".dockerconfigjson": config.to_string() },
    })
    .to_string()
}

/// The spec of a pod that may show these Secrets.
fn guest(image: &str, secrets: &[&str]) -> Value {
    let secrets: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "containers": [{
            "name": "main", "image": image, "command": ["sleep", "1000"],
            "imagePullPolicy": "IfNotPresent",
        }],
        "imagePullSecrets": secrets,
        "terminationGracePeriodSeconds": 1,
    })
}

fn is_refused(pod: &Pod) -> bool {
    pod.main()
        .is_some_and(|main| ["ErrImagePull", "ImagePullBackOff"].contains(&main.waiting()))
}

#[tokio::test]
async fn a_pod_gets_a_private_image_with_its_secrets_and_only_whoever_has_one_gets_it_then() {
    let (registry, image) = private_registry().await;
    let node = Node::start().await;
    node.manifest("stranger.yaml", &pod("stranger", guest(&image, &[])));
    node.wait_pod("stranger", "is refused", is_refused).await;

    node.manifest("old.yaml", &secret("old", &registry.host(), "old"));
    node.manifest("web.yaml", &pod("web", guest(&image, &["gone", "old"])));
    node.wait_pod("web", "is refused", is_refused).await;
    // Who mends the Secret need not wait for the back-off.
    node.manifest("old.yaml", &secret("old", &registry.host(), PASSWORD));
    node.wait_pod("web", "runs", is_running).await;
    let events = node.kubelet("/events").expect("an answer").text();
    assert!(
        events.contains("Unable to retrieve some image pull secrets (gone)"),
        "{events}"
    );

    // The image is here now: for who shows the same, and not for others.
    node.manifest("late.yaml", &pod("late", guest(&image, &[])));
    node.wait_pod("late", "is refused", is_refused).await;
    node.manifest("new.yaml", &secret("new", &registry.host(), PASSWORD));
    node.manifest("friend.yaml", &pod("friend", guest(&image, &["new"])));
    node.wait_pod("friend", "runs", is_running).await;
    node.stop().await;
}

#[tokio::test]
async fn every_pod_may_use_the_logins_of_the_node() {
    let (registry, image) = private_registry().await;
    let node = Node::start().await;
    let login = json!({ "username": USERNAME, "password": PASSWORD });
    let config = json!({ "auths": { format!("https://{}/v2/", registry.host()): login } });
    let file = node.root().join("var/lib/podling/kubelet/config.json");
    fs::write(file, config.to_string()).expect("there is room");
    for name in ["web", "other"] {
        node.manifest(&format!("{name}.yaml"), &pod(name, guest(&image, &[])));
        node.wait_pod(name, "runs", is_running).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_program_of_the_node_gives_logins() {
    let (registry, image) = private_registry().await;
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let (program, config) = (
        folder.path().join("helper"),
        folder.path().join("config.yaml"),
    );
    let version = "credentialprovider.kubelet.k8s.io/v1";
    let answer = json!({
        "apiVersion": version, "kind": "CredentialProviderResponse", "cacheKeyType": "Registry",
        "auth": { registry.host(): { "username": USERNAME, "password": PASSWORD } },
    });
    let asked = folder.path().join("asked");
    let script = format!("#!/bin/sh\ncat >> {}\necho '{answer}'\n", asked.display());
    fs::write(&program, script).expect("there is room");
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("it is ours");
    let provider = json!({
        "name": "helper", "matchImages": ["127.0.0.*:*", registry.host()],
        "defaultCacheDuration": "1h", "apiVersion": version,
    });
    let provider = json!({
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig",
        "providers": [provider],
    });
    fs::write(&config, provider.to_string()).expect("there is room");
    let node = Node::start_with(Options {
        start: Start {
            arguments: vec![
                format!("--image-credential-provider-config={}", config.display()),
                format!(
                    "--image-credential-provider-bin-dir={}",
                    folder.path().display()
                ),
            ],
            ..Start::default()
        },
        ..Options::default()
    })
    .await;
    node.manifest("web.yaml", &pod("web", guest(&image, &[])));
    node.wait_pod("web", "runs", is_running).await;
    let asked = fs::read_to_string(asked).expect("it was asked");
    assert!(asked.contains(&registry.host()), "{asked}");
    let metrics = node.kubelet("/metrics").expect("an answer").text();
    let line = "kubelet_credential_provider_plugin_duration_count{plugin_name=\"helper\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    node.stop().await;
}
