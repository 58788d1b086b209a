//! Runtime handlers: pods whose containers runc makes, with everything else as always.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use podling_integration::harness::daemon::Start;
use podling_integration::harness::requests::{container, remove_pod, run_pod_of, sandbox};
use podling_integration::harness::{Cri, DEADLINE, Node, Options, processes, wait_for, wait_until};
use podling_proto::runtime::v1::{
    ContainerConfig, ContainerState, ContainerStatus, ContainerStatusRequest, ExecSyncRequest,
    ExecSyncResponse, IdMapping, LinuxContainerResources, NamespaceMode, NamespaceOption,
    PodSandboxConfig, StartContainerRequest, StatusRequest, StopContainerRequest,
    UpdateContainerResourcesRequest, UserNamespace,
};

const RUNC: &str = "/usr/sbin/runc";

/// How a daemon with these handlers is started.
fn with(handlers: &[&str]) -> Start {
    let arguments = handlers
        .iter()
        .map(|handler| format!("--runtime-handler={handler}"));
    Start {
        arguments: arguments.collect(),
        ..Start::default()
    }
}

async fn node_with(handlers: &[&str]) -> Node {
    let options = Options {
        start: with(handlers),
        ..Options::default()
    };
    Node::start_with(options).await
}

/// A pod whose container logs.
fn pod(node: &Node, name: &str) -> PodSandboxConfig {
    PodSandboxConfig {
        log_directory: node.folder().display().to_string(),
        ..sandbox(name, &node.range().cgroup())
    }
}

fn script(image: &str, name: &str, script: &str) -> ContainerConfig {
    ContainerConfig {
        log_path: format!("{name}.log"),
        ..container(image, &["sh", "-c", script])
    }
}

/// What a container has printed, without the stamps.
fn log(node: &Node, name: &str) -> String {
    let text = fs::read_to_string(node.folder().join(format!("{name}.log"))).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.splitn(4, ' ').nth(3));
    lines.map(|line| format!("{line}\n")).collect()
}

async fn status(cri: &Cri, id: &str) -> ContainerStatus {
    let request = ContainerStatusRequest {
        container_id: id.to_owned(),
        verbose: false,
    };
    let answer = cri.runtime.clone().container_status(request).await;
    answer.expect("a status").into_inner().status.expect("it")
}

/// Waits until a container has ended.
async fn ended(cri: &Cri, id: &str) -> ContainerStatus {
    wait_for(DEADLINE, "the container ends", async || {
        let status = status(cri, id).await;
        (status.state() == ContainerState::ContainerExited).then_some(status)
    })
    .await
}

async fn exec(cri: &Cri, id: &str, script: &str) -> ExecSyncResponse {
    let request = ExecSyncRequest {
        container_id: id.to_owned(),
        cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout: 10,
    };
    let answer = cri.runtime.clone().exec_sync(request).await;
    answer.expect("an exec").into_inner()
}

/// The limit of memory that a container sees in its own cgroup.
async fn memory_limit(cri: &Cri, id: &str) -> i64 {
    let files = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max";
    let answer = exec(cri, id, &format!("cat {files} 2>/dev/null; true")).await;
    let text = String::from_utf8(answer.stdout).expect("text");
    text.trim().parse().expect("a number")
}

/// What OCI runtimes keep of the node's containers.
fn kept(node: &Node) -> Vec<PathBuf> {
    let entries = |dir: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    };
    let pods = entries(&node.root().join("run/podling/sandboxes"));
    pods.iter()
        .flat_map(|pod| entries(&pod.join("oci")))
        .collect()
}

#[tokio::test]
async fn runc_makes_the_containers_of_pods_that_name_its_handler() {
    let node = node_with(&[&format!("runc={RUNC}")]).await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let answer = cri.runtime.clone().status(StatusRequest::default()).await;
    let handlers = answer.expect("a status").into_inner().runtime_handlers;
    let names: Vec<_> = handlers.iter().map(|handler| &handler.name[..]).collect();
    assert_eq!(names, ["", "podling", "runc"]);
    assert_eq!(
        handlers[0].features, handlers[2].features,
        "runc can do what the machine can"
    );

    let work =
        "hostname; echo to-stderr >&2; trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done";
    let mut config = script(&image, "main", work);
    config.linux.get_or_insert_default().resources = Some(LinuxContainerResources {
        memory_limit_in_bytes: 64 << 20,
        ..LinuxContainerResources::default()
    });
    let running = run_pod_of(&cri, "runc", pod(&node, "worker"), config).await;
    let running = running.expect("a pod");
    assert_eq!(kept(&node).len(), 1, "runc has made it");
    wait_until(DEADLINE, "it is up", || log(&node, "main").contains("up")).await;
    let said = log(&node, "main");
    assert!(
        said.contains("worker\n") && said.contains("to-stderr\n"),
        "{said}"
    );

    // An exec of ours sees what the container sees, is confined as it is, and has its exit code.
    let look = "readlink /proc/self/ns/mnt; readlink /proc/1/ns/mnt; exit 3";
    let answer = exec(&cri, &running.container, look).await;
    assert_eq!(answer.exit_code, 3);
    let seen = String::from_utf8(answer.stdout).expect("text");
    let seen: Vec<_> = seen.lines().collect();
    assert_eq!(seen[0], seen[1]);

    // The limits are the daemon's, whoever has made the container, and can be changed.
    let request = UpdateContainerResourcesRequest {
        container_id: running.container.clone(),
        linux: Some(LinuxContainerResources {
            memory_limit_in_bytes: 32 << 20,
            ..LinuxContainerResources::default()
        }),
        ..UpdateContainerResourcesRequest::default()
    };
    assert_eq!(memory_limit(&cri, &running.container).await, 64 << 20);
    let updated = cri
        .runtime
        .clone()
        .update_container_resources(request)
        .await;
    updated.expect("an update");
    assert_eq!(memory_limit(&cri, &running.container).await, 32 << 20);

    let request = StopContainerRequest {
        container_id: running.container.clone(),
        timeout: 10,
    };
    let stopped = cri.runtime.clone().stop_container(request).await;
    stopped.expect("a stop");
    assert_eq!(status(&cri, &running.container).await.exit_code, 7);
    remove_pod(&cri, &running.sandbox).await.expect("a removal");
    assert_eq!(kept(&node), <[PathBuf; 0]>::default());
    node.stop().await;
}

#[tokio::test]
async fn a_terminal_of_a_container_of_runc_works() {
    let node = node_with(&[&format!("runc={RUNC}")]).await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let mut config = script(&image, "main", "tty; [ -t 0 ] && [ -t 2 ] && echo yes >&2");
    config.tty = true;
    let running = run_pod_of(&cri, "runc", pod(&node, "tty"), config).await;
    let running = running.expect("a pod");
    assert_eq!(ended(&cri, &running.container).await.exit_code, 0);
    assert_eq!(log(&node, "main"), "/dev/pts/0\nyes\n");
    remove_pod(&cri, &running.sandbox).await.expect("a removal");
    node.stop().await;
}

#[tokio::test]
async fn a_pod_with_a_user_namespace_is_made_by_runc_too() {
    let node = node_with(&[&format!("runc={RUNC}")]).await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let ids = || {
        vec![IdMapping {
            host_id: 400_000,
            container_id: 0,
            length: 65_536,
        }]
    };
    let options = || NamespaceOption {
        pid: NamespaceMode::Container.into(),
        userns_options: Some(UserNamespace {
            mode: NamespaceMode::Pod.into(),
            uids: ids(),
            gids: ids(),
        }),
        ..NamespaceOption::default()
    };
    let mut sandbox = pod(&node, "ids");
    let linux = sandbox.linux.get_or_insert_default();
    linux
        .security_context
        .get_or_insert_default()
        .namespace_options = Some(options());
    let mut config = script(
        &image,
        "main",
        "cat /proc/self/uid_map; touch /made; ls -ln /made",
    );
    let linux = config.linux.get_or_insert_default();
    linux
        .security_context
        .get_or_insert_default()
        .namespace_options = Some(options());
    let running = run_pod_of(&cri, "runc", sandbox, config).await;
    let running = running.expect("a pod");
    assert_eq!(ended(&cri, &running.container).await.exit_code, 0);
    let said = log(&node, "main");
    let words: Vec<_> = said.split_whitespace().collect();
    assert_eq!(words[..3], ["0", "400000", "65536"], "{said}");
    assert_eq!(words[5..7], ["0", "0"], "{said}");
    remove_pod(&cri, &running.sandbox).await.expect("a removal");
    node.stop().await;
}

#[tokio::test]
async fn kill_9_of_the_daemon_leaves_a_container_of_runc_alone() {
    let handler = format!("runc={RUNC}");
    let mut node = node_with(&[&handler]).await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let config = script(
        &image,
        "main",
        "until [ -e /go ]; do sleep 0.1; done; echo gone; exit 5",
    );
    let running = run_pod_of(&cri, "runc", pod(&node, "survivor"), config).await;
    let running = running.expect("a pod");
    let before = status(&cri, &running.container).await;

    node.kill9();
    node.restart_with(&with(&[&handler])).await;
    let cri = node.cri().await;
    let after = status(&cri, &running.container).await;
    assert_eq!(after.state(), ContainerState::ContainerRunning);
    assert_eq!(after.started_at, before.started_at);
    exec(&cri, &running.container, "touch /go").await;
    assert_eq!(ended(&cri, &running.container).await.exit_code, 5);
    assert_eq!(log(&node, "main"), "gone\n");

    // It ends and is removed although its handler is not there any more, and by the tear-down alone.
    node.kill9();
    node.restart().await;
    let cri = node.cri().await;
    remove_pod(&cri, &running.sandbox).await.expect("a removal");
    assert_eq!(kept(&node), <[PathBuf; 0]>::default());
    node.stop().await;
}

#[tokio::test]
async fn a_crash_while_runc_starts_a_container_loses_and_leaves_nothing() {
    let handler = format!("runc={RUNC}");
    for point in ["start_container.cgroup", "start_container.launched"] {
        let mut node = node_with(&[&handler]).await;
        let image = node.import_debian("busybox").await;
        node.kill9();
        let dies = Start {
            failpoint: Some(point.to_owned()),
            ..with(&[&handler])
        };
        node.restart_with(&dies).await;
        let cri = node.cri().await;
        let config = script(&image, "main", "sleep 1000");
        let lost = run_pod_of(&cri, "runc", pod(&node, "crash"), config).await;
        lost.expect_err("the daemon died meanwhile");
        node.wait_killed().await;

        node.restart_with(&with(&[&handler])).await;
        let cri = node.cri().await;
        let all = cri.containers().await;
        let [container] = &all[..] else {
            panic!("{point}: one container: {all:?}");
        };
        // Begun before the crash, or to be begun again; never twice, and never half.
        let request = StartContainerRequest {
            container_id: container.id.clone(),
        };
        let started = cri.runtime.clone().start_container(request).await;
        started.expect("a start, or one that was made already");
        assert_eq!(exec(&cri, &container.id, "exit 4").await.exit_code, 4);
        assert_eq!(kept(&node).len(), 1, "{point}");
        let sandbox = container.pod_sandbox_id.clone();
        remove_pod(&cri, &sandbox).await.expect("a removal");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_container_of_runc_ends_with_its_monitor() {
    let node = node_with(&[&format!("runc={RUNC}")]).await;
    let image = node.import_debian("busybox").await;
    let cri = node.cri().await;
    let config = script(&image, "main", "sleep 98765");
    let running = run_pod_of(&cri, "runc", pod(&node, "orphan"), config).await;
    let running = running.expect("a pod");
    let of_node = || processes::of_node(node.root(), &node.range().cgroup());
    let monitors = of_node().into_iter();
    processes::kill(
        &monitors
            .filter(|it| it.command.contains("podling-monitor"))
            .collect(),
    );
    wait_until(DEADLINE, "what ran in the pod is ended", || {
        !of_node().iter().any(|it| it.command.contains("98765"))
    })
    .await;
    ended(&cri, &running.container).await;
    remove_pod(&cri, &running.sandbox).await.expect("a removal");
    assert_eq!(kept(&node), <[PathBuf; 0]>::default());
    node.stop().await;
}

#[tokio::test]
async fn an_unknown_handler_is_refused_before_anything_is_made() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let cri = node.cri().await;
    let config = container(&image, &["sleep"]);
    let refused = run_pod_of(&cri, "kata", pod(&node, "none"), config).await;
    let message = refused.expect_err("no handler").message().to_owned();
    assert_eq!(
        message,
        r#"failed to get sandbox runtime: no runtime for "kata" is configured"#
    );
    assert!(cri.sandboxes().await.is_empty());
    // The default handler has a name too.
    let config = container(&image, &["sleep"]);
    let running = run_pod_of(&cri, "podling", pod(&node, "own"), config).await;
    let running = running.expect("a pod");
    remove_pod(&cri, &running.sandbox).await.expect("a removal");
    node.stop().await;
}

/// Writes a runtime that is a shell script; the flag that makes it a handler.
fn scripted(folder: &Path, name: &str, script: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("there is room");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    format!("{name}={},timeout=2", file.display())
}

#[tokio::test]
async fn a_runtime_that_is_missing_fails_or_hangs_fails_the_start_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a directory");
    let fails = scripted(folder.path(), "fails", "exit 9");
    // It leaves a child in a session of its own, and would wait for ever.
    let hangs = "[ \"$1\" = features ] && exit 1; setsid sleep 54321 & sleep 54321";
    let hangs = scripted(folder.path(), "hangs", hangs);
    let lies = "for word; do [ \"$last\" = --pid-file ] && echo 1 > \"$word\"; last=$word; done";
    let lies = scripted(folder.path(), "lies", lies);
    let node = node_with(&["missing=/no/such/runtime", &fails, &hangs, &lies]).await;
    let image = node.import_testbox().await;
    let cri = node.cri().await;
    for (handler, expected) in [
        (
            "missing",
            "running /no/such/runtime: No such file or directory",
        ),
        ("fails", "ended with exit status: 9 and logged nothing"),
        ("hangs", "was killed: it had not ended within 2s"),
        ("lies", "made a process that is not podling's child"),
    ] {
        let config = container(&image, &["sleep"]);
        let failed = run_pod_of(&cri, handler, pod(&node, handler), config).await;
        let message = failed.expect_err(handler).message().to_owned();
        assert!(message.contains(expected), "{handler}: {message}");
    }
    for container in cri.containers().await {
        let status = status(&cri, &container.id).await;
        assert_eq!((status.exit_code, &status.reason[..]), (128, "StartError"));
    }
    wait_until(DEADLINE, "what the runtime has forked is gone", || {
        let cgroup = node.range().cgroup();
        let left = processes::of_node(node.root(), &cgroup);
        !left.iter().any(|process| process.command.contains("54321"))
    })
    .await;
    assert_eq!(kept(&node), <[PathBuf; 0]>::default());
    for sandbox in cri.sandboxes().await {
        remove_pod(&cri, &sandbox.id).await.expect("a removal");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_in_the_image_is_named_by_runc() {
    let node = node_with(&[&format!("runc={RUNC}")]).await;
    let image = node.import_testbox().await;
    let cri = node.cri().await;
    let mut config = container(&image, &[]);
    config.command = vec!["/no-such-program".to_owned()];
    let failed = run_pod_of(&cri, "runc", pod(&node, "lost"), config).await;
    let message = failed.expect_err("no program").message().to_owned();
    assert!(
        message.contains("OCI runtime create failed") && message.contains("/no-such-program"),
        "{message}"
    );
    assert_eq!(kept(&node), <[PathBuf; 0]>::default());
    for sandbox in cri.sandboxes().await {
        remove_pod(&cri, &sandbox.id).await.expect("a removal");
    }
    node.stop().await;
}
