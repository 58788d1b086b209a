//! Probes against servers on the loopback, and against the runtime in memory.

mod servers;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::ContainerProber;
use crate::cri::fake::FakeRuntime;
use crate::layout::Layout;
use crate::model::{
    ContainerPort, HttpGet, HttpHeader, Pod, PodUid, PortRef, Probe, ProbeAction, ProbeKind,
    ProbeOutcome, ProbeResults, Protocol, RestartPolicy, Scheme, Target, Verdict,
};
use crate::plan::fixture;
use crate::sync::Prober;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn prober() -> (ContainerProber, TempDir) {
    let root = TempDir::new().unwrap();
    let layout = Layout::new(root.path(), root.path());
    let runtime = Arc::new(FakeRuntime::new());
    (ContainerProber::new(runtime, layout), root)
}

fn pod(port: u16) -> Pod {
    let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
    pod.spec.containers[0].ports.push(ContainerPort {
        name: Some("main".to_owned()),
        protocol: Protocol::Tcp,
        container_port: port,
        host_port: None,
        host_ip: None,
    });
    pod
}

/// What a probe comes to of a pod on the loopback, whose port `main` is this one.
async fn outcome(action: ProbeAction, port: u16) -> ProbeOutcome {
    outcome_within(fixture::probe().timeout, action, port).await
}

async fn outcome_within(timeout: Duration, action: ProbeAction, port: u16) -> ProbeOutcome {
    let (prober, _root) = prober();
    let pod = pod(port);
    let target = Target {
        pod: &pod,
        container: &pod.spec.containers[0],
        id: "web#0".into(),
        pod_ip: Some(LOOPBACK),
    };
    let probe = Probe {
        action,
        timeout,
        ..fixture::probe()
    };
    prober.probe(&target, &probe).await
}

/// A server that gives each request the next answer, and the requests it had.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = vec![0; 4096];
                let length = stream.read(&mut bytes).await.unwrap();
                let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
                noted.lock().unwrap().push(request);
                let answer = answer.replace("PORT", &port.to_string());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            // Whoever comes now waits for ever.
            std::future::pending::<()>().await;
        });
        Self { port, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

fn get() -> HttpGet {
    HttpGet {
        scheme: Scheme::Http,
        host: None,
        port: PortRef::Name("main".to_owned()),
        path: "/healthz".to_owned(),
        headers: Vec::new(),
    }
}

async fn fetched(get: HttpGet, answers: Vec<String>) -> (ProbeOutcome, Vec<String>) {
    let server = Server::start(answers).await;
    let outcome = outcome(ProbeAction::HttpGet(get), server.port).await;
    (outcome, server.requests())
}

#[tokio::test]
async fn a_page_is_good_from_200_to_399_and_says_so_as_other_kubelets_do() {
    let rows = [
        ("200 OK", "", ProbeOutcome::Success),
        ("204 No Content", "", ProbeOutcome::Success),
        ("304 Not Modified", "", warned("")),
        (
            "302 Found",
            "location: http://elsewhere.test/\r\n",
            warned("moved"),
        ),
        (
            "404 Not Found",
            "",
            failed("HTTP probe failed with statuscode: 404"),
        ),
        (
            "500 Oops",
            "",
            failed("HTTP probe failed with statuscode: 500"),
        ),
    ];
    for (status, headers, expected) in rows {
        let body = if status.starts_with("302") {
            "moved"
        } else {
            ""
        };
        let (outcome, _) = fetched(get(), vec![answer(status, headers, body)]).await;
        assert_eq!(outcome, expected, "{status}");
    }
}

fn warned(body: &str) -> ProbeOutcome {
    ProbeOutcome::Warning(format!("Probe terminated redirects, Response body: {body}"))
}

fn failed(why: &str) -> ProbeOutcome {
    ProbeOutcome::Failure(why.to_owned())
}

#[tokio::test]
async fn a_request_says_who_asks_and_what_the_manifest_says() {
    let header = |name: &str, value: &str| HttpHeader {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let plain = fetched(get(), vec![answer("200 OK", "", "")])
        .await
        .1
        .remove(0);
    assert!(plain.starts_with("GET /healthz HTTP/1.1\r\n"), "{plain}");
    assert!(plain.contains("user-agent: kube-probe/1.36\r\n"), "{plain}");
    assert!(plain.contains("accept: */*\r\n"), "{plain}");
    let own = HttpGet {
        path: "deep?a=1".to_owned(),
        headers: vec![
            header("Host", "web.test"),
            header("X-Twice", "1"),
            header("X-Twice", "2"),
            header("User-Agent", "mine"),
        ],
        ..get()
    };
    let own = fetched(own, vec![answer("200 OK", "", "")])
        .await
        .1
        .remove(0);
    assert!(own.starts_with("GET /deep?a=1 HTTP/1.1\r\n"), "{own}");
    for line in [
        "host: web.test",
        "x-twice: 1",
        "x-twice: 2",
        "user-agent: mine",
    ] {
        assert!(
            own.to_lowercase().contains(&format!("{line}\r\n")),
            "{line}: {own}"
        );
    }
    assert!(!own.contains("kube-probe"), "{own}");
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let moved = answer("301 Moved", "location: /new\r\n", "");
    let (outcome, requests) = fetched(get(), vec![moved, answer("200 OK", "", "")]).await;
    assert_eq!(outcome, ProbeOutcome::Success);
    assert!(requests[1].starts_with("GET /new "), "{requests:?}");
}

#[tokio::test]
async fn a_server_that_redirects_for_ever_is_not_good() {
    let round = answer("302 Found", "location: /round\r\n", "");
    let (outcome, requests) = fetched(get(), vec![round; 12]).await;
    let ProbeOutcome::Failure(why) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.ends_with("stopped after 10 redirects"), "{why}");
    assert_eq!(requests.len(), 10);
}

/// A port that nobody listens on.
async fn deserted() -> u16 {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn nobody_there_is_told_as_other_kubelets_tell_it() {
    let port = deserted().await;
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    let page = outcome(ProbeAction::HttpGet(get()), port).await;
    let address = format!("http://127.0.0.1:{port}/healthz");
    assert_eq!(page, failed(&format!("Get {address:?}: {refused}")));
    let socket = ProbeAction::TcpSocket {
        host: None,
        port: PortRef::Number(port),
    };
    assert_eq!(outcome(socket, port).await, failed(&refused));
    let grpc = ProbeAction::Grpc {
        port,
        service: String::new(),
    };
    let unreachable = format!(
        "timeout: failed to connect service \"127.0.0.1:{port}\" within 1s: context deadline exceeded"
    );
    assert_eq!(outcome(grpc, port).await, failed(&unreachable));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_bad() {
    let (outcome, _) = fetched(get(), vec![]).await;
    let ProbeOutcome::Failure(why) = outcome else {
        panic!("{outcome:?}");
    };
    let expected = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert!(why.ends_with(expected), "{why}");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let secure = HttpGet {
        scheme: Scheme::Https,
        ..get()
    };
    let (outcome, _) = fetched(secure, vec![answer("400 Bad Request", "", "")]).await;
    let ProbeOutcome::Failure(why) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        why.ends_with("http: server gave HTTP response to HTTPS client"),
        "{why}"
    );
}

#[tokio::test]
async fn an_open_port_is_good_and_an_unknown_name_cannot_be_asked() {
    let server = Server::start(vec![String::new()]).await;
    let socket = |name: &str| ProbeAction::TcpSocket {
        host: None,
        port: PortRef::Name(name.to_owned()),
    };
    assert_eq!(
        outcome(socket("main"), server.port).await,
        ProbeOutcome::Success
    );
    let unknown = ProbeOutcome::Error("port other not found".to_owned());
    assert_eq!(outcome(socket("other"), server.port).await, unknown);
}

#[tokio::test]
async fn a_container_that_the_runtime_does_not_have_cannot_be_asked() {
    let exec = ProbeAction::Exec(vec!["true".to_owned()]);
    let unknown = ProbeOutcome::Error("web#0 not found".to_owned());
    assert_eq!(outcome(exec, 1).await, unknown);
}

#[tokio::test]
async fn verdicts_are_kept_for_the_next_kubelet_and_go_with_the_pod() {
    let (prober, root) = prober();
    let uid = PodUid::from("uid-1");
    let mut results = ProbeResults::default();
    results.set(
        "web".into(),
        ProbeKind::Readiness,
        "1".into(),
        Verdict::Success,
    );
    results.set(
        "web".into(),
        ProbeKind::Liveness,
        "1".into(),
        Verdict::Failure,
    );
    prober.remember(&uid, &results).await;
    assert_eq!(
        prober.recall(&uid).await,
        ProbeResults::default(),
        "the pod has no directory"
    );
    let directory = root.path().join("pods/uid-1");
    std::fs::create_dir_all(&directory).unwrap();
    prober.remember(&uid, &results).await;
    assert_eq!(prober.recall(&uid).await, results);
    std::fs::write(directory.join("probes.json"), "broken").unwrap();
    assert_eq!(prober.recall(&uid).await, ProbeResults::default());
}
