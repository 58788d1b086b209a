//! Exec, attach and port-forward through the CRI, as kubectl and crictl do them.

#[path = "../../../runtime/tests/streaming/http.rs"]
mod http;
#[expect(dead_code, reason = "the tests of the runtime use the rest")]
#[path = "../../../runtime/tests/streaming/spdy.rs"]
pub(crate) mod spdy;

use podling_integration::harness::requests::{self, Running};
use podling_integration::harness::wait::{DEADLINE, try_for, wait_for};
use podling_integration::harness::{Census, Cri, Node, processes};
use podling_proto::runtime::v1 as cri;
use serde_json::Value;
use spdy::{Frame, Spdy};
use tonic::Code;

pub(crate) const V4: &str = "v4.channel.k8s.io";

/// A node with one pod whose container echoes what it is told.
pub(crate) async fn node_with_pod() -> (Node, Cri, Running) {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let client = node.cri().await;
    let mut container = requests::container(&image, &["cat"]);
    container.stdin = true;
    // Pause reaps what a command leaves behind; `cat` as a first process would not.
    let linux = container.linux.as_mut();
    let security = linux.and_then(|linux| linux.security_context.as_mut());
    let namespaces = security.and_then(|security| security.namespace_options.as_mut());
    namespaces.expect("they are given").pid = cri::NamespaceMode::Pod.into();
    let sandbox = requests::sandbox("pod", &node.range().cgroup());
    let pod = requests::run_pod(&client, sandbox, container).await;
    (node, client, pod.expect("a pod"))
}

/// Asks for an exec with all streams but a terminal's, or with a terminal.
pub(crate) async fn exec(client: &Cri, pod: &Running, script: &str, tty: bool) -> Spdy {
    let request = cri::ExecRequest {
        container_id: pod.container.clone(),
        cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
        tty,
        stdin: true,
        stdout: true,
        stderr: !tty,
    };
    let answer = client.runtime.clone().exec(request).await;
    let mut streams = Spdy::connect(&answer.expect("a URL").into_inner().url, V4).await;
    let last = if tty { "resize" } else { "stderr" };
    streams.open_command(&["stdin", "stdout", last]).await;
    streams
}

pub(crate) fn exit_code(status: &str) -> String {
    let status: Value = serde_json::from_str(status).expect("a status");
    match status["status"].as_str() {
        Some("Success") => "0".to_owned(),
        _ => status["details"]["causes"][0]["message"]
            .as_str()
            .expect("a code")
            .to_owned(),
    }
}

/// Whether a process of the node has this word on its command line.
fn runs(node: &Node, word: &str) -> bool {
    let of_node = processes::of_node(node.root(), &node.range().cgroup());
    of_node.iter().any(|process| process.command.contains(word))
}

async fn wait_runs(node: &Node, word: &str, expected: bool) {
    let what = format!("{word} runs: {expected}");
    wait_for(DEADLINE, &what, async || {
        (runs(node, word) == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn commands_are_streamed_and_end_with_their_clients() {
    let (node, client, pod) = node_with_pod().await;
    // Both ways, up to the end of the input, and the exit code.
    let mut streams = exec(&client, &pod, "cat; echo bad >&2; exit 7", false).await;
    streams.send(3, b"hello\n").await;
    streams.expect(5, b"hello\n").await;
    streams.finish(3).await;
    let said = streams.rest().await;
    assert_eq!(
        (said[&7].as_str(), exit_code(&said[&1]).as_str()),
        ("bad\n", "7")
    );

    // A terminal, of the size that the client tells.
    let mut streams = exec(&client, &pod, "read line; tty; stty size; echo $TERM", true).await;
    streams.send(7, b"{\"Width\":97,\"Height\":31}\n").await;
    streams.send(3, b"go\n").await;
    let said = streams.rest().await;
    assert_eq!(said[&5], "go\r\n/dev/pts/0\r\n31 97\r\nxterm\r\n");
    assert_eq!(exit_code(&said[&1]), "0");

    // Whoever leaves ends what he has started.
    for tty in [false, true] {
        let mut streams = exec(&client, &pod, "echo on; sleep 12345; true", tty).await;
        let Some(Frame::Data { id: 5, .. }) = streams.next_said().await else {
            panic!("nothing was said");
        };
        assert!(runs(&node, "12345"));
        drop(streams);
        wait_runs(&node, "12345", false).await;
    }
    requests::remove_pod(&client, &pod.sandbox)
        .await
        .expect("a removal");
    node.stop().await;
}

#[tokio::test]
async fn any_number_of_clients_attach_and_all_end_with_the_container() {
    let (node, client, pod) = node_with_pod().await;
    let mut attached = Vec::new();
    for _ in 0..3 {
        let request = cri::AttachRequest {
            container_id: pod.container.clone(),
            stdin: true,
            tty: false,
            stdout: true,
            stderr: true,
        };
        let answer = client.runtime.clone().attach(request).await;
        let url = answer.expect("a URL").into_inner().url;
        let mut streams = Spdy::connect(&url, V4).await;
        streams.open_command(&["stdin", "stdout", "stderr"]).await;
        // Its echo shows that it is attached.
        streams.send(3, b"here\n").await;
        streams.expect(5, b"here\n").await;
        attached.push(streams);
    }
    requests::remove_pod(&client, &pod.sandbox)
        .await
        .expect("a removal");
    for mut streams in attached {
        assert_eq!(exit_code(&streams.rest().await[&1]), "0");
    }
    node.stop().await;
}

#[tokio::test]
async fn ports_of_a_pod_are_reached_until_it_ends() {
    let (node, client, pod) = node_with_pod().await;
    let request = cri::PortForwardRequest {
        pod_sandbox_id: pod.sandbox.clone(),
        port: vec![],
    };
    let answer = client.runtime.clone().port_forward(request.clone()).await;
    let url = answer.expect("a URL").into_inner().url;
    let mut session = Spdy::connect(&url, "portforward.k8s.io").await;
    let listen = "echo on; exec nc -ll -p 4000 -e cat";
    let mut listener = exec(&client, &pod, listen, false).await;
    listener.expect(5, b"on\n").await;
    // It may not listen yet: then the connection is refused, and the session goes on.
    let mut next = 1;
    wait_for(DEADLINE, "the listener answers", async || {
        let (error, data) = (next, next + 2);
        next += 4;
        for (id, kind) in [(error, "error"), (data, "data")] {
            let request = error.to_string();
            let headers = [
                ("port", "4000"),
                ("requestid", &request),
                ("streamtype", kind),
            ];
            session.open(id, &headers).await;
        }
        session.send(data, b"hello").await;
        loop {
            match session.next_said().await.expect("the session goes on") {
                Frame::Data { id, bytes, .. } if id == data => {
                    assert_eq!(bytes, b"hello");
                    return Some(());
                }
                Frame::Control { words, .. } if words[0] == data => return None,
                Frame::Data { .. } | Frame::Control { .. } => {}
            }
        }
    })
    .await;
    requests::remove_pod(&client, &pod.sandbox)
        .await
        .expect("a removal");
    while session.next().await.is_some() {}
    let refused = client.runtime.clone().port_forward(request).await;
    assert_eq!(refused.expect_err("a refusal").code(), Code::NotFound);
    node.stop().await;
}

/// Waits for output of a command, or for what its terminal echoes.
pub(crate) async fn hear_anything(streams: &mut Spdy) {
    loop {
        match streams.next_said().await {
            Some(Frame::Data { id: 5, .. }) => return,
            Some(_) => {}
            None => panic!("the command said nothing"),
        }
    }
}

/// What a client that broke off leaves takes a moment to be closed, so two looks in a row must agree.
pub(crate) async fn settled(node: &Node) -> Census {
    let mut last = Census::of(node);
    let settled = wait_for(DEADLINE, "the node is at rest", async || {
        let census = Census::of(node);
        let is_settled = census == last;
        last = census.clone();
        is_settled.then_some(census)
    });
    settled.await
}

#[tokio::test]
async fn clients_that_break_off_anywhere_leave_nothing() {
    let (node, client, pod) = node_with_pod().await;
    let round = async || {
        for steps in 0..6 {
            let tty = steps % 2 == 1;
            let mut streams = exec(&client, &pod, "cat; sleep 54321", tty).await;
            for step in 0..steps {
                match step {
                    0 => streams.send(3, b"hello\n").await,
                    1 => hear_anything(&mut streams).await,
                    2 => streams.raw(&[0, 0, 0, 3, 0, 0, 1, 0, b'x']).await,
                    3 => streams.raw(&[b'x'; 100]).await,
                    _ => streams.raw(&[0xff; 64]).await,
                }
            }
        }
        wait_runs(&node, "54321", false).await;
    };
    round().await;
    let before = settled(&node).await;
    round().await;
    round().await;
    let is_back = try_for(DEADLINE, async || {
        // Less is possible: the group of a command is removed when the kernel lets go of it.
        Census::of(&node).is_within(&before).then_some(())
    });
    assert!(
        is_back.await.is_some(),
        "before {before:?}, after {:?}",
        Census::of(&node)
    );
    requests::remove_pod(&client, &pod.sandbox)
        .await
        .expect("a removal");
    node.stop().await;
}
