//! The daemon and those who look after it: a service manager, Prometheus, and who reads its log.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{DEADLINE, Node, Options, http, wait_for, wait_until};
use podling_proto::runtime::v1::{PodSandboxStatusRequest, StatusRequest};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{one, pod};

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        let limit = Some(Duration::from_millis(100));
        socket.set_read_timeout(limit).expect("a socket waits");
        Self { socket, folder }
    }

    /// How a node is started by it; the watchdog wants to hear every two seconds.
    fn start(&self) -> Start {
        let socket = self.folder.path().join("notify");
        Start {
            wrapper: vec![
                "env".to_owned(),
                format!("NOTIFY_SOCKET={}", socket.display()),
                "WATCHDOG_USEC=2000000".to_owned(),
            ],
            ..Start::default()
        }
    }

    /// What is told next, if anything is.
    fn hear(&self) -> Option<String> {
        let mut told = [0; 512];
        let length = self.socket.recv(&mut told).ok()?;
        Some(String::from_utf8_lossy(&told[..length]).into_owned())
    }

    /// Waits for a state, whatever else is told before.
    async fn hear_of(&self, state: &str) {
        wait_until(DEADLINE, state, || {
            self.hear()
                .is_some_and(|told| told.lines().any(|line| line == state))
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_manager_hears_when_the_node_is_ready_well_reloading_and_ending() {
    let manager = Manager::new();
    let node = Node::start_with(Options {
        start: manager.start(),
        ..Options::default()
    })
    .await;
    manager.hear_of("READY=1").await;
    manager.hear_of("WATCHDOG=1").await;
    manager.hear_of("WATCHDOG=1").await;

    let daemon = i32::try_from(node.daemon_pid())
        .ok()
        .and_then(Pid::from_raw);
    let daemon = daemon.expect("a daemon has an id");
    kill_process(daemon, Signal::HUP).expect("the daemon takes signals");
    manager.hear_of("RELOADING=1").await;
    manager.hear_of("READY=1").await;

    node.stop().await;
    manager.hear_of("STOPPING=1").await;
}

#[tokio::test]
async fn metrics_tell_what_the_runtime_has_and_has_done() {
    let node = Node::start_with(Options {
        start: Start {
            arguments: vec!["--metrics-address".to_owned(), "127.0.0.1:0".to_owned()],
            ..Start::default()
        },
        ..Options::default()
    })
    .await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    node.wait_pod("box", "is ready", |pod| pod.is_ready()).await;

    let status = node
        .cri()
        .await
        .runtime
        .status(StatusRequest { verbose: true })
        .await;
    let info = status.expect("the runtime has a status").into_inner().info;
    let info: Value = serde_json::from_str(&info["info"]).expect("it is JSON");
    let address: SocketAddr = info["metricsAddress"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("metrics are served somewhere");
    let text = http::get(address, "/metrics")
        .expect("metrics are served")
        .text();
    for line in [
        "podling_runtime_pods{state=\"ready\"} 1",
        "podling_runtime_containers{state=\"running\"} 1",
        "podling_runtime_monitors 1",
        "podling_runtime_rpc_duration_seconds_count{service=\"RuntimeService\",method=\"RunPodSandbox\",code=\"OK\"} 1",
        "podling_runtime_rpc_duration_seconds_count{service=\"RuntimeService\",method=\"StartContainer\",code=\"OK\"} 1",
        "podling_runtime_phase_duration_seconds_count{operation=\"RunPodSandbox\",phase=\"network\"} 1",
        "podling_runtime_phase_duration_seconds_count{operation=\"StartContainer\",phase=\"launch\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        !text.contains("podling_runtime_event_subscribers 0"),
        "the kubelet listens:\n{text}"
    );
    node.stop().await;
}

#[tokio::test]
async fn every_line_of_a_call_has_the_id_of_its_trace() {
    let node = Node::start_with(Options {
        start: Start {
            arguments: vec!["--log-format".to_owned(), "json".to_owned()],
            ..Start::default()
        },
        ..Options::default()
    })
    .await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut request = tonic::Request::new(PodSandboxStatusRequest {
        pod_sandbox_id: "nobody".to_owned(),
        verbose: false,
    });
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let parent = parent.parse().expect("it is text");
    request.metadata_mut().insert("traceparent", parent);
    let answer = node.cri().await.runtime.pod_sandbox_status(request).await;
    assert_eq!(
        answer.expect_err("there is no such pod").code(),
        tonic::Code::NotFound
    );

    let line = wait_for(DEADLINE, "the call is logged", async || {
        let log = node.daemon_log();
        log.lines()
            .find(|line| line.contains(trace))
            .map(str::to_owned)
    })
    .await;
    let line: Value = serde_json::from_str(&line).expect("a line is JSON");
    assert_eq!(line["span"]["method"], "PodSandboxStatus", "{line}");
    assert_eq!(line["span"]["request"], trace, "{line}");
    assert_eq!(line["fields"]["code"], "NotFound", "{line}");
    node.stop().await;
}

#[tokio::test]
async fn a_configuration_with_problems_is_told_whole_and_starts_nothing() {
    let node = Node::start().await;
    let file = node.folder().join("config.yaml");
    let header = "apiVersion: podling.dev/v1alpha1\nkind: RuntimeConfiguration\n";
    let check = || {
        let file = file.to_str().expect("paths of tests are text");
        node.podling(&["runtime", "--check-config", "--config", file])
    };

    fs::write(
        &file,
        format!("{header}network: {{brige: a, podCIDR: x}}\n"),
    )
    .expect("it is written");
    let refused = check();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    for problem in [
        "config.yaml:3: network.brige: ",
        "config.yaml:3: network.podCIDR: ",
    ] {
        assert!(told.contains(problem), "{told}");
    }

    fs::write(&file, format!("{header}network: {{bridge: a}}\n")).expect("it is written");
    let accepted = check();
    assert_eq!(String::from_utf8_lossy(&accepted.stdout), "ok\n");
    assert!(accepted.status.success());
    node.stop().await;
}

#[tokio::test]
async fn a_machine_that_runs_a_node_passes_the_doctor() {
    let node = Node::start().await;
    let examined = node.podling(&["doctor", "-o", "json"]);
    let text = String::from_utf8_lossy(&examined.stdout).into_owned();
    let found: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(found["fit"], true, "{text}");
    assert!(examined.status.success(), "{text}");
    let findings = found["findings"].as_array().expect("there are findings");
    assert!(
        findings
            .iter()
            .any(|one| one["check"] == "kernel overlayfs"),
        "{text}"
    );
    node.stop().await;
}
