//! `get` in all its forms: once, and as things change.

use podling_integration::harness::{DEADLINE, Following, Node, wait_for};
use serde_json::{Value, json};

use crate::{one, pod};

/// What the command prints, which succeeds.
fn said(node: &Node, arguments: &[&str]) -> String {
    let output = node.podling(arguments);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn labelled(name: &str, label: &str, spec: Value) -> String {
    let mut manifest: Value = serde_json::from_str(&pod(name, spec)).expect("it is JSON");
    manifest["metadata"]["labels"] = json!({ "app": label });
    manifest.to_string()
}

#[tokio::test]
async fn pods_events_and_the_node_are_watched_a_row_for_each_change() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let spec = || one(&image, &["sleep"]);
    node.manifest("first.yaml", &labelled("first", "db", spec()));
    node.wait_pod("first", "is ready", |pod| pod.is_ready())
        .await;
    let rows = Following::start(node.command(&["get", "pods", "--watch", "--show-labels"]));
    let running = Following::start(node.command(&[
        "get",
        "pods",
        "-w",
        "--output-watch-events",
        "--field-selector=status.phase=Running",
    ]));
    let events = Following::start(node.command(&["events", "--watch", "--for", "pod/box"]));
    let nodes = Following::start(node.command(&["get", "nodes", "-w", "--output-watch-events"]));
    nodes
        .wait("the node is shown", |said| said.contains("ADDED   node"))
        .await;
    for watch in [&rows, &running] {
        watch
            .wait("what is there is shown", |said| said.contains("first-node"))
            .await;
    }

    node.manifest("box.yaml", &labelled("box", "web", spec()));
    let said = rows
        .wait("the pod becomes ready", |said| {
            said.lines()
                .any(|line| line.contains("box-node") && line.contains("1/1"))
        })
        .await;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("NAME "), "{said}");
    assert!(lines[0].ends_with(" LABELS"), "{said}");
    let first = lines.iter().find(|line| line.starts_with("box-node"));
    assert!(first.is_some_and(|line| line.contains("0/1")), "{said}");
    assert!(said.ends_with("app=web\n"), "{said}");
    assert_eq!(said.matches("NAME ").count(), 1, "{said}");
    events
        .wait("it is told that the container runs", |said| {
            said.starts_with("LAST SEEN")
                && said.contains("Started")
                && said.contains("Pod/box-node")
        })
        .await;

    node.remove_manifest("box.yaml");
    node.wait_gone("box").await;
    let said = running
        .wait("the pod is deleted", |said| said.contains("DELETED"))
        .await;
    let of_box: Vec<_> = said
        .lines()
        .filter(|line| line.contains("box-node"))
        .map(|line| line.split_whitespace().next().expect("a word"))
        .collect();
    assert_eq!(of_box.first(), Some(&"ADDED"), "{said}");
    assert_eq!(of_box.last(), Some(&"DELETED"), "{said}");
    drop((rows, running, events, nodes));
    node.stop().await;
}

#[tokio::test]
async fn what_is_there_already_is_no_news_to_who_watches_only() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("first.yaml", &pod("first", one(&image, &["sleep"])));
    node.wait_pod("first", "is ready", |pod| pod.is_ready())
        .await;
    let news = Following::start(node.command(&["get", "pods", "--watch-only", "-o", "name"]));
    // When it has begun to watch cannot be seen from outside: pods come until it tells of one.
    let mut number = 0;
    wait_for(DEADLINE, "a pod is told", async || {
        number += 1;
        let name = format!("late-{number}");
        node.manifest(
            &format!("{name}.yaml"),
            &pod(&name, one(&image, &["sleep"])),
        );
        node.wait_pod(&name, "is ready", |pod| pod.is_ready()).await;
        (!news.said().is_empty()).then_some(())
    })
    .await;
    let said = news.said();
    assert!(said.starts_with("pod/late-"), "{said}");
    assert!(!said.contains("first"), "{said}");
    drop(news);
    node.stop().await;
}

/// A node with two pods, `a` and `b`, which are ready.
async fn node_with_two() -> (Node, String) {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("a.yaml", &labelled("a", "web", one(&image, &["sleep"])));
    node.manifest("b.yaml", &labelled("b", "db", one(&image, &["sleep"])));
    for name in ["a", "b"] {
        node.wait_pod(name, "is ready", |pod| pod.is_ready()).await;
    }
    (node, image)
}

#[tokio::test]
async fn objects_are_chosen_as_kubectl_chooses_them() {
    let (node, _) = node_with_two().await;
    let (a, b) = ("pod/a-node\n", "pod/b-node\n");
    let rows: &[(&[&str], String)] = &[
        (&[], format!("{a}{b}")),
        (&["-l", "app in (web)"], a.to_owned()),
        (&["-l", "app!=web"], b.to_owned()),
        (&["-l", "!app"], String::new()),
        (
            &["--field-selector=status.phase=Running,metadata.name!=a-node"],
            b.to_owned(),
        ),
        (&["--sort-by=.metadata.labels.app"], format!("{b}{a}")),
        (&["b", "a-node"], format!("{b}{a}")),
        (&["x", "--ignore-not-found"], String::new()),
    ];
    for (arguments, expected) in rows {
        let command = [&["get", "pods", "-o", "name"], *arguments].concat();
        assert_eq!(said(&node, &command), *expected, "{arguments:?}");
    }
    for (arguments, words) in [
        (["get", "pods", "x"], "there is no pod \"x\""),
        (
            ["get", "nodes", "--field-selector=a=b"],
            "field label not supported: a",
        ),
        (
            ["get", "pods", "-oxml"],
            "unable to match a printer suitable for the output format",
        ),
    ] {
        let output = node.podling(&arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(words), "{error}");
    }
    node.stop().await;
}

#[tokio::test]
async fn objects_are_printed_as_kubectl_prints_them() {
    let (node, image) = node_with_two().await;
    let rows: &[(&[&str], String)] = &[
        (
            &[
                "-o",
                "jsonpath={range .items[*]}{.metadata.name}{'\\t'}{.metadata.labels.app}{'\\n'}{end}",
            ],
            "a-node\tweb\nb-node\tdb\n".to_owned(),
        ),
        (
            &[
                "b",
                "-o",
                "jsonpath={.status.conditions[?(@.type=='Ready')].status} {.spec..image}",
            ],
            format!("True {image}"),
        ),
        (
            &[
                "-o",
                "custom-columns=NAME:.metadata.name,APP:.metadata.labels.app",
            ],
            "NAME     APP\na-node   web\nb-node   db\n".to_owned(),
        ),
    ];
    for (arguments, expected) in rows {
        let command = [&["get", "pods"], *arguments].concat();
        assert_eq!(said(&node, &command), *expected, "{arguments:?}");
    }
    let looks = ["-L", "app", "--no-headers", "--show-kind", "-A"];
    let table = said(&node, &[&["get", "pods"], &looks[..]].concat());
    let first: Vec<_> = table
        .lines()
        .next()
        .expect("a row")
        .split_whitespace()
        .collect();
    assert_eq!(
        (first[0], first[1], first.last().copied()),
        ("default", "pod/a-node", Some("web"))
    );
    let file = node.folder().join("columns");
    std::fs::write(&file, "NODE\n.metadata.name\n").expect("there is room");
    let form = format!("custom-columns-file={}", file.display());
    assert_eq!(said(&node, &["get", "nodes", "-o", &form]), "NODE\nnode\n");
    node.stop().await;
}
