//! What acts on pods: restart, debug, run, wait, cp.

use std::process::{Command, Output, Stdio};

use podling_integration::harness::programs::program;
use podling_integration::harness::{Following, Node};
use serde_json::json;

use crate::{one, pod, shell};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the command prints, which succeeds.
fn said(node: &Node, arguments: &[&str]) -> String {
    let output = node.podling(arguments);
    let why = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {why}");
    text(&output.stdout)
}

/// The same on a terminal, where this is typed.
fn on_terminal(node: &Node, arguments: &str, typed: &str) -> Output {
    use std::io::Write;
    let command = format!(
        "{} --root {} {arguments}",
        program("podling").display(),
        node.root().display()
    );
    let mut terminal = Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    let mut stdin = terminal.stdin.take().expect("it is a pipe");
    stdin.write_all(typed.as_bytes()).expect("it listens");
    let output = terminal.wait_with_output().expect("it ends");
    drop(stdin);
    output
}

#[tokio::test]
async fn containers_are_restarted_where_they_are() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let mut spec = one(&image, &["sleep"]);
    spec["restartPolicy"] = "Never".into();
    spec["containers"]
        .as_array_mut()
        .expect("a list")
        .push(json!({ "name": "side", "image": image, "args": ["sleep"] }));
    node.manifest("box.yaml", &pod("box", spec));
    let before = node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    for count in 1..3 {
        assert_eq!(
            said(&node, &["restart", "box", "-c", "main"]),
            format!("pod/box-node container main restarted (restarts: {count})\n")
        );
    }
    let after = node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    assert_eq!((after.uid(), after.ip()), (before.uid(), before.ip()));
    let id = |pod: &podling_integration::harness::Pod, name: &str| {
        pod.container(name).expect("it has it").id().to_owned()
    };
    assert_eq!(id(&after, "side"), id(&before, "side"));
    assert_ne!(id(&after, "main"), id(&before, "main"));
    let events = said(&node, &["events", "--for", "box"]);
    assert!(
        events.contains("Container main will be restarted, as was asked for"),
        "{events}"
    );
    let all = said(&node, &["restart", "box"]);
    assert_eq!(all.lines().count(), 2, "{all}");
    let refused = node.podling(&["restart", "box", "-c", "x"]);
    assert!(!refused.status.success());
    node.stop().await;
}

#[tokio::test]
async fn a_debug_container_looks_into_a_pod_and_outlives_the_daemon() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep", "1234"])));
    let before = node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    let image_flag = format!("--image={image}");
    // On a terminal, with the processes of its target.
    let line = format!("debug box -it {image_flag} --target=main -c look -- sh");
    let output = on_terminal(&node, &line, "ps | grep 123[4]; exit 3\r");
    let shown = text(&output.stdout);
    assert!(shown.contains("Targeting container \"main\"."), "{shown}");
    assert!(shown.contains("sleep 1234"), "{shown}");

    // Another that goes on; the pod is the same all the while.
    let output = node.podling(&["debug", "box", &image_flag, "--", "sleep", "1000"]);
    let shown = text(&output.stdout);
    assert!(
        shown.starts_with("Defaulting debug container name to debugger-"),
        "{shown}"
    );
    let runs = |pod: &podling_integration::harness::Pod| {
        let list = pod.0["status"]["ephemeralContainerStatuses"].as_array();
        list.into_iter()
            .flatten()
            .find(|one| one["state"]["running"].is_object())
            .map(|one| one["containerID"].clone())
    };
    let seen = node
        .wait_pod("box", "the second runs", |pod| runs(pod).is_some())
        .await;
    node.kill9();
    node.restart().await;
    let again = node
        .wait_pod("box", "the second still runs", |pod| runs(pod).is_some())
        .await;
    assert_eq!(runs(&again), runs(&seen));
    assert_eq!(again.uid(), before.uid());
    assert_eq!(
        again.main().expect("main").id(),
        before.main().expect("main").id()
    );
    let list = &again.0["spec"]["ephemeralContainers"];
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
    let refused = node.podling(&["debug", "box", &image_flag, "-c", "main"]);
    let why = text(&refused.stderr);
    assert!(why.contains("Duplicate value: \"main\""), "{why}");
    node.stop().await;
}

#[tokio::test]
async fn a_pod_is_run_attached_to_and_deleted() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let image_flag = format!("--image={image}");
    // With its input, its output and its exit code.
    let mut command = node.command(&[
        "run",
        "once",
        &image_flag,
        "-i",
        "--rm",
        "--restart=Never",
        "--env=A=b",
        "--",
        "sh",
        "-c",
        "read line; echo \"$A $line\"; exit 7",
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), b"typed\n")
        .expect("it listens");
    let output = child.wait_with_output().expect("it ends");
    let (out, why) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        out, "b typed\npod \"once\" deleted from default namespace\n",
        "{why}"
    );
    assert_eq!(output.status.code(), Some(7), "{why}");
    node.wait_gone("once").await;

    node.stop().await;
}

#[tokio::test]
async fn a_pod_in_the_background_is_waited_for_in_each_way() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let image_flag = format!("--image={image}");
    let created = said(
        &node,
        &[
            "run",
            "box",
            &image_flag,
            "--labels=app=box",
            "--port=80",
            "--",
            "sleep",
            "1000",
        ],
    );
    assert_eq!(created, "pod/box created\n");
    let waited = said(
        &node,
        &["wait", "--for=condition=Ready", "pod/box", "--timeout=2m"],
    );
    // The kubelet has seen it before the command ended.
    assert_eq!(waited, "pod/box-node condition met\n");
    let path = "--for=jsonpath={.status.phase}=Running";
    assert_eq!(
        said(&node, &["wait", path, "pods", "-l", "app=box"]),
        "pod/box-node condition met\n"
    );
    let output = node.podling(&["wait", "--for=condition=Ready=false", "box", "--timeout=0"]);
    assert_eq!(
        text(&output.stderr),
        "podling: condition not met for pods/box-node\n"
    );
    let output = node.podling(&["run", "box", &image_flag]);
    assert!(
        text(&output.stderr).contains("already exists"),
        "{output:?}"
    );
    let mut deletion =
        Following::start(node.command(&["wait", "--for=delete", "pod/box", "--timeout=2m"]));
    node.remove_manifest("box.yaml");
    assert!(deletion.wait_ended().await, "{}", deletion.said());
    node.wait_gone("box").await;
    node.stop().await;
}

#[tokio::test]
async fn a_shell_completes_names_of_pods_and_containers() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    let complete = |words: &[&str]| {
        let line = [
            &["podling", "--root", node.root().to_str().expect("text")],
            words,
        ]
        .concat();
        let output = Command::new(program("podling"))
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", (line.len() - 1).to_string())
            .env("_CLAP_IFS", "\n")
            .arg("--")
            .args(line)
            .output()
            .expect("it starts");
        text(&output.stdout)
    };
    assert_eq!(complete(&["logs", "bo"]), "box-node");
    assert_eq!(complete(&["exec", "box", "-c", "ma"]), "main");
    assert_eq!(complete(&["get", "pods", "-n", "def"]), "default");
    assert!(complete(&["rest"]).contains("restart"));
    let script = said(&node, &["completion", "bash"]);
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .spawn()
        .expect("bash starts");
    std::io::Write::write_all(&mut bash.stdin.take().expect("a pipe"), script.as_bytes())
        .expect("it reads");
    assert!(bash.wait().expect("it ends").success());
    node.stop().await;
}

#[tokio::test]
async fn files_are_copied_into_a_container_and_out_of_it() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let script =
        "mkdir -p /data/deep; echo out > /data/deep/file; ln -s /etc /data/link; sleep 1000";
    node.manifest("box.yaml", &pod("box", shell(&image, script)));
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    said(
        &node,
        &[
            "exec",
            "box",
            "--",
            "sh",
            "-c",
            "while [ ! -e /data/link ]; do sleep 0.1; done",
        ],
    );
    let here = node.folder().join("here");
    std::fs::create_dir_all(here.join("sub/empty")).expect("there is room");
    let large = "0123456789abcdef".repeat(100_000);
    std::fs::write(here.join("sub/large"), &large).expect("there is room");
    let path = |name: &str| node.folder().join(name).display().to_string();

    said(&node, &["cp", &path("here"), "box:/tmp/there"]);
    let counted = said(
        &node,
        &[
            "exec",
            "box",
            "--",
            "sh",
            "-c",
            "wc -c < /tmp/there/sub/large; ls -d /tmp/there/sub/empty",
        ],
    );
    assert_eq!(
        counted.trim(),
        format!("{}\n/tmp/there/sub/empty", large.len())
    );
    // Into a directory that is there, and back.
    said(&node, &["cp", &path("here/sub/large"), "default/box:/data"]);
    said(&node, &["cp", "box:/data/large", &path("back")]);
    assert_eq!(
        std::fs::read_to_string(path("back")).expect("it is there"),
        large
    );

    let output = node.podling(&["cp", "box:/data", &path("all")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("skipping symlink"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(
        std::fs::read_to_string(path("all/deep/file")).expect("it is there"),
        "out\n"
    );
    assert!(!node.folder().join("all/link").exists());

    for (from, to, words) in [
        ("box:/nothing", path("x"), "nothing"),
        (
            "/nothing",
            "box:/x".to_owned(),
            "doesn't exist in local filesystem",
        ),
        ("box:/a", "box:/b".to_owned(), "must be a local file"),
    ] {
        let output = node.podling(&["cp", from, &to]);
        let why = text(&output.stderr);
        assert!(!output.status.success() && why.contains(words), "{why}");
    }
    node.stop().await;
}
