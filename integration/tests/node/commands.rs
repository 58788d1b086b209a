//! The podling command against a running node, as a person uses it.

use std::process::Output;

use podling_integration::harness::{Node, Registry};
use serde_json::Value;

use crate::{one, pod, shell};

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn pods_are_shown_as_a_table_a_list_and_one_by_one() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    let ready = node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;

    let table = stdout(&node.podling(&["get", "pods"]));
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(lines[1][..4], ["box-node", "1/1", "Running", "0"]);

    let wide = stdout(&node.podling(&["get", "pods", "-o", "wide"]));
    assert!(
        wide.contains(&ready.ip().expect("it has one").to_string()),
        "{wide}"
    );

    let list: Value = serde_json::from_str(&stdout(&node.podling(&["get", "pods", "-o", "json"])))
        .expect("the list is JSON");
    assert_eq!(
        (&list["kind"], &list["items"][0]["kind"]),
        (&"List".into(), &"Pod".into())
    );
    let single = stdout(&node.podling(&["get", "pod", "box", "-o", "yaml"]));
    assert!(
        single.starts_with("apiVersion: v1\nkind: Pod\n"),
        "{single}"
    );
    node.stop().await;
}

/// What README and `make run` tell people to do with the pod of the example.
fn told_commands() -> impl Iterator<Item = &'static str> {
    let readme = include_str!("../../../README.md").lines();
    let run = include_str!("../../../scripts/run.sh").lines();
    let on_a_machine = readme.filter_map(|line| line.strip_prefix("podling "));
    let beside_run = run.filter_map(|line| line.trim_start().strip_prefix("$command "));
    on_a_machine.chain(beside_run)
}

#[tokio::test]
async fn what_readme_tells_people_to_do_works() {
    let node = Node::start().await;
    for image in ["busybox", "nginx"] {
        node.import_debian(image).await;
    }
    node.manifest("web.yaml", include_str!("../../../examples/web.yaml"));
    node.wait_pod("web", "is ready", |pod| pod.is_ready()).await;
    let about_pods = |command: &&str| {
        let mut beginnings = ["get ", "logs ", "exec "].into_iter();
        beginnings.any(|beginning| command.starts_with(beginning))
    };
    let mut tried = 0;
    for command in told_commands().filter(about_pods) {
        let words: Vec<&str> = command.split(' ').collect();
        let output = node.podling(&words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podling {command}: {told}");
        tried += 1;
    }
    assert_eq!(tried, 6, "three in README, three of make run");
    node.stop().await;
}

#[tokio::test]
async fn exec_returns_output_and_exit_code_of_the_command() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep", "1000"])));
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    let output = node.podling(&[
        "exec",
        "box",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 5",
    ]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("err\n"));
    assert_eq!(output.status.code(), Some(5));
    node.stop().await;
}

#[tokio::test]
async fn logs_have_times_and_ends_when_they_are_asked_for() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mut spec = shell(&image, "echo one; echo two; echo three");
    spec["restartPolicy"] = "Never".into();
    node.manifest("three.yaml", &pod("three", spec));
    node.wait_pod("three", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    assert_eq!(
        stdout(&node.podling(&["logs", "three", "--tail", "2"])),
        "two\nthree\n"
    );
    // Following a container that has ended ends with its log.
    assert_eq!(
        stdout(&node.podling(&["logs", "three", "-f"])),
        "one\ntwo\nthree\n"
    );
    let timed = stdout(&node.podling(&["logs", "three", "--timestamps", "--tail", "1"]));
    let (time, line) = timed
        .split_once(' ')
        .expect("a time stands before the line");
    assert!(time.contains('T') && line == "three\n", "{timed}");
    node.stop().await;
}

#[tokio::test]
async fn images_are_imported_pulled_and_listed() {
    let registry = Registry::start().await;
    let pushed = registry.push_debian("busybox").await;
    let node = Node::start().await;
    let imported = node.import_testbox().await;
    assert!(stdout(&node.podling(&["pull", &pushed])).contains("@sha256:"));
    let table = stdout(&node.podling(&["images"]));
    for name in [&imported, &pushed] {
        let (name, tag) = name.rsplit_once(':').expect("it has a tag");
        let is_it = |line: &str| line.split_whitespace().take(2).eq([name, tag]);
        assert!(table.lines().any(is_it), "{name}:{tag} is not in\n{table}");
    }
    node.stop().await;
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;
    let table: [(&[&str], &str); 5] = [
        (&["get", "pods", "nobody"], "podling get pods -A"),
        (&["logs", "box", "-c", "nobody"], "it has: main"),
        (
            &["exec", "box", "--", "/no/such/program"],
            "/no/such/program",
        ),
        (&["import", "/no/such/archive"], "/no/such/archive"),
        (&["pull", "localhost:1/none"], "pull localhost:1/none"),
    ];
    for (arguments, advice) in table {
        let output = node.podling(arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?} succeeds");
        assert!(words.contains(advice), "{arguments:?}: {words}");
    }
    let elsewhere = node.folder().join("elsewhere");
    let output = node.podling(&["images", "--root", &elsewhere.to_string_lossy()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("podling up"));
    node.stop().await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_root_is_refused() {
    let node = Node::start().await;
    let output = node.podling(&["up"]);
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("another podling"), "{words}");
    node.stop().await;
}
