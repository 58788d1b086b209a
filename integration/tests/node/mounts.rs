//! User namespaces and image volumes, asked for as the kubelet of a cluster does.

use podling_integration::harness::requests::{container, remove_pod, run_pod, sandbox};
use podling_integration::harness::{Cri, Node};
use podling_proto::runtime::v1::{
    ContainerConfig, ContainerStatusRequest, ExecSyncRequest, IdMapping, ImageSpec,
    LinuxSandboxSecurityContext, Mount, NamespaceMode, NamespaceOption, PodSandboxConfig,
    PodSandboxStatusRequest, RemoveImageRequest, StatusRequest, UserNamespace,
};

const IDS: IdMapping = IdMapping {
    host_id: 300_000,
    container_id: 0,
    length: 65_536,
};

fn options() -> NamespaceOption {
    NamespaceOption {
        pid: NamespaceMode::Container.into(),
        userns_options: Some(UserNamespace {
            mode: NamespaceMode::Pod.into(),
            uids: vec![IDS],
            gids: vec![IDS],
        }),
        ..NamespaceOption::default()
    }
}

fn in_user_namespace(name: &str, node: &Node) -> PodSandboxConfig {
    let mut config = sandbox(name, &node.range().cgroup());
    let linux = config.linux.get_or_insert_default();
    linux.security_context = Some(LinuxSandboxSecurityContext {
        namespace_options: Some(options()),
        ..LinuxSandboxSecurityContext::default()
    });
    config
}

fn shell(image: &str) -> ContainerConfig {
    let mut config = container(image, &["sleep", "1000"]);
    let linux = config.linux.get_or_insert_default();
    let security = linux.security_context.get_or_insert_default();
    security.namespace_options = Some(options());
    config
}

async fn exec(cri: &Cri, id: &str, script: &str) -> String {
    let request = ExecSyncRequest {
        container_id: id.to_owned(),
        cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout: 10,
    };
    let answer = cri.runtime.clone().exec_sync(request).await;
    let answer = answer.expect("an exec").into_inner();
    let error = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.exit_code, 0, "{script}: {error}");
    String::from_utf8(answer.stdout).expect("text")
}

#[tokio::test]
async fn a_pod_with_a_user_namespace_has_a_network_and_the_files_of_its_image() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let status = cri.runtime.clone().status(StatusRequest::default()).await;
    let status = status.expect("a status").into_inner();
    let features = status.runtime_handlers[0].features.expect("features");
    assert!(features.user_namespaces, "{}", node.daemon_log());

    let config = in_user_namespace("mapped", &node);
    let running = run_pod(&cri, config, shell(&image)).await.expect("a pod");
    let map = exec(&cri, &running.container, "cat /proc/self/uid_map").await;
    assert!(map.split_whitespace().eq(["0", "300000", "65536"]), "{map}");
    let script = "id -u; stat -c %u /bin /etc/hosts /etc/hostname /etc/resolv.conf /dev/shm; cat /sys/class/net/eth0/operstate";
    let seen = exec(&cri, &running.container, script).await;
    assert_eq!(seen, "0\n0\n0\n0\n0\n0\nup\n");

    let request = PodSandboxStatusRequest {
        pod_sandbox_id: running.sandbox.clone(),
        verbose: false,
    };
    let status = cri.runtime.clone().pod_sandbox_status(request).await;
    let linux = status
        .expect("a status")
        .into_inner()
        .status
        .and_then(|status| status.linux);
    let namespaces = linux.and_then(|linux| linux.namespaces?.options);
    assert_eq!(
        namespaces.and_then(|options| options.userns_options),
        options().userns_options
    );
    remove_pod(&cri, &running.sandbox).await.expect("it goes");
    node.stop().await;
}

#[tokio::test]
async fn an_image_volume_outlives_the_name_of_its_image() {
    let node = Node::start().await;
    let (image, volume) = (
        node.import_debian("busybox").await,
        node.import_testbox().await,
    );
    let cri = node.cri().await;
    let mount = |sub_path: &str| Mount {
        container_path: "/volume".to_owned(),
        readonly: true,
        image: Some(ImageSpec {
            image: volume.clone(),
            user_specified_image: volume.clone(),
            ..ImageSpec::default()
        }),
        image_sub_path: sub_path.to_owned(),
        ..Mount::default()
    };
    let with = |sub_path: &str| {
        let mut config = container(&image, &["sleep", "1000"]);
        config.mounts.push(mount(sub_path));
        config
    };
    let missing = run_pod(
        &cri,
        sandbox("missing", &node.range().cgroup()),
        with("no/such"),
    )
    .await;
    let message = missing.expect_err("no such part").message().to_owned();
    assert!(message.contains("has no \"no/such\""), "{message}");

    let config = sandbox("volume", &node.range().cgroup());
    let running = run_pod(&cri, config, with("")).await.expect("a pod");
    let request = RemoveImageRequest {
        image: mount("").image,
    };
    cri.images
        .clone()
        .remove_image(request)
        .await
        .expect("removed");
    let files = exec(
        &cri,
        &running.container,
        "ls -A /volume && ! touch /volume/x",
    )
    .await;
    assert!(!files.is_empty());
    let request = ContainerStatusRequest {
        container_id: running.container.clone(),
        verbose: false,
    };
    let status = cri.runtime.clone().container_status(request).await;
    let status = status
        .expect("a status")
        .into_inner()
        .status
        .expect("a status");
    let shown = status.mounts[0].image.clone().expect("an image");
    assert!(shown.image_ref.starts_with("sha256:"), "{shown:?}");
    assert_eq!(shown.image, volume);
    for pod in cri.sandboxes().await {
        remove_pod(&cri, &pod.id).await.expect("it goes");
    }
    node.stop().await;
}
