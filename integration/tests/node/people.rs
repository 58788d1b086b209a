//! Streams into pods as a person has them: pipes, terminals, ports.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use podling_integration::harness::programs::program;
use podling_integration::harness::wait::{DEADLINE, wait_for};
use podling_integration::harness::{Node, http};
use serde_json::json;

use crate::{one, pod};

fn podling(node: &Node, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("podling"));
    command.arg("--root").arg(node.root()).args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end with this input.
fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let input = input.to_owned();
    // Written while the output is read: what echoes it would stop once every buffer between is full.
    let writer = thread::spawn(move || {
        // Whoever does not read it need not get it.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it has written or given up");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn commands_have_the_pipes_and_the_terminal_of_who_runs_them() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep", "1000"])));
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;

    // Input to its end, and what does not fit into one frame.
    let long = "a line of the input\n".repeat(20_000);
    let output = with_input(podling(&node, &["exec", "-i", "box", "--", "cat"]), &long);
    assert_eq!(output.stdout.len(), long.len(), "{}", text(&output.stderr));
    assert!(output.status.success());

    // Without -i nothing is read; both outputs come, and the code.
    let script = "cat; echo out; echo err >&2; exit 7";
    let output = with_input(
        podling(&node, &["exec", "box", "--", "sh", "-c", script]),
        "no\n",
    );
    assert_eq!(text(&output.stdout), "out\n");
    assert_eq!(
        text(&output.stderr),
        "err\ncommand terminated with exit code 7\n"
    );
    assert_eq!(output.status.code(), Some(7));

    // A terminal, with its keys, its code, and its size: upstream's runtimes set that beside the
    // input, so what was typed may be read first.
    let sized = "read line; n=0; until [ \"$(stty size 2>/dev/null)\" = \"31 97\" ] || [ $n -gt 500 ]; \
                 do n=$((n + 1)); usleep 20000; done; stty size; echo \"<$line>\"; exit 3";
    let command = format!(
        "stty rows 31 cols 97; {} --root {} exec -it box -- sh -c '{sized}'",
        program("podling").display(),
        node.root().display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["-q", "-e", "-c", &command, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    let output = with_input(terminal, "typed\r");
    let said = text(&output.stdout);
    assert!(said.contains("31 97\r\n<typed>\r\n"), "{said}");
    assert_eq!(output.status.code(), Some(3), "{said}");

    // What is not a terminal cannot be one.
    let output = with_input(
        podling(&node, &["exec", "-it", "box", "--", "echo", "on"]),
        "",
    );
    assert_eq!(text(&output.stdout), "on\n");
    assert!(
        text(&output.stderr).starts_with("Unable to use a TTY"),
        "{}",
        text(&output.stderr)
    );
    node.stop().await;
}

#[tokio::test]
async fn who_attaches_talks_to_the_container_until_it_ends() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["cat"]);
    spec["restartPolicy"] = "Never".into();
    spec["containers"][0]["stdin"] = true.into();
    spec["containers"][0]["stdinOnce"] = true.into();
    node.manifest("cat.yaml", &pod("cat", spec));
    node.wait_pod("cat", "is ready", |pod| pod.is_ready()).await;
    let output = with_input(podling(&node, &["attach", "-i", "cat"]), "hello\n");
    assert_eq!(text(&output.stdout), "hello\n", "{}", text(&output.stderr));
    node.wait_pod("cat", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    let output = with_input(podling(&node, &["attach", "-i", "cat"]), "");
    assert!(
        text(&output.stderr).contains("does not run"),
        "{}",
        text(&output.stderr)
    );
    node.stop().await;
}

/// A child that is ended with its test.
struct Forwarding(Child);

impl Drop for Forwarding {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_port_of_this_machine_leads_into_a_pod() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    node.manifest(
        "echo.yaml",
        &pod(
            "echo",
            one(&image, &["nc", "-ll", "-p", "4000", "-e", "cat"]),
        ),
    );
    node.wait_pod("echo", "is ready", |pod| pod.is_ready())
        .await;
    let mut child = podling(&node, &["port-forward", "echo", ":4000"])
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let child = Forwarding(child);
    let mut line = String::new();
    said.read_line(&mut line).expect("it says where");
    let port = line
        .strip_prefix("Forwarding from ")
        .and_then(|line| line.strip_suffix(" -> 4000\n"));
    let address = port.unwrap_or_else(|| panic!("{line:?}")).to_owned();
    // The pod may not listen yet: then the connection ends, and the next one finds it.
    wait_for(DEADLINE, "the pod echoes", async || {
        let mut stream = TcpStream::connect(&address).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.write_all(b"through").ok()?;
        let mut heard = [0; 7];
        stream.read_exact(&mut heard).ok()?;
        (&heard == b"through").then_some(())
    })
    .await;
    drop(child);
    node.stop().await;
}

#[tokio::test]
async fn the_read_only_port_shows_pods_and_lets_nobody_in() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    let port = node.kubelet_port("address");
    assert_eq!(http::get(port, "/pods").expect("an answer").status, 200);
    let refused = http::get(port, "/containerLogs/default/box-node/main").expect("an answer");
    assert_eq!(refused.status, 405);
    assert_eq!(refused.text(), "Debug endpoints are disabled.\n");
    let configz = node.kubelet("/configz").expect("an answer");
    let configz: serde_json::Value = serde_json::from_slice(&configz.body).expect("JSON");
    assert_eq!(configz["kubeletconfig"]["maxPods"], json!(110));
    node.stop().await;
}

fn said(node: &Node, arguments: &[&str]) -> String {
    let output = node.podling(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[tokio::test]
async fn a_pod_is_applied_looked_at_and_deleted() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let file = node.folder().join("box.yaml");
    std::fs::write(&file, pod("box", one(&image, &["sleep"]))).expect("there is room");
    let file = file.to_str().expect("paths of tests are text").to_owned();
    assert_eq!(said(&node, &["apply", "-f", &file]), "pod/box created\n");
    assert_eq!(said(&node, &["apply", "-f", &file]), "pod/box unchanged\n");
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;

    assert_eq!(
        said(&node, &["get", "pods", "-o", "name"]),
        "pod/box-node\n"
    );
    let events = said(&node, &["events", "--for", "box"]);
    let lines: Vec<_> = events.lines().collect();
    assert!(lines[0].starts_with("LAST SEEN"), "{events}");
    assert!(
        lines.iter().any(|line| line.contains("Pod/box-node")),
        "{events}"
    );

    let nodes = said(&node, &["get", "nodes"]);
    let words: Vec<Vec<_>> = nodes
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[0], ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]);
    assert_eq!(words[1][..3], ["node", "Ready", "<none>"]);

    let top = said(&node, &["top", "pods", "--containers"]);
    let words: Vec<Vec<_>> = top
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[0], ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]);
    assert_eq!(words[1][..2], ["box-node", "main"]);
    assert!(words[1][3].ends_with("Mi"), "{top}");
    assert!(said(&node, &["top", "node"]).contains('%'));
    let summary = node.kubelet("/stats/summary").expect("an answer").text();
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    let container = &summary["pods"][0]["containers"][0];
    assert!(container["memory"]["workingSetBytes"].is_u64(), "{summary}");
    assert!(
        summary["node"]["runtime"]["imageFs"]["capacityBytes"].is_u64(),
        "{summary}"
    );
    let cadvisor = node.kubelet("/metrics/cadvisor").expect("an answer").text();
    assert!(
        cadvisor.contains("container_cpu_usage_seconds_total{"),
        "{cadvisor}"
    );

    let deleted = "pod \"box\" deleted from default namespace\n";
    assert_eq!(said(&node, &["delete", "-f", &file]), deleted);
    assert!(node.pods().is_empty(), "it was waited for");
    said(
        &node,
        &["run", "box", "--image", &image, "--", "sleep", "1000"],
    );
    assert_eq!(said(&node, &["delete", "pod", "box-node"]), deleted);
    assert!(node.pods().is_empty(), "it was waited for");
    node.stop().await;
}
