//! The doors as clients find them: who is let in, and what is streamed through.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::tests::Stage;
use super::{
    Addresses, Admission, Debugging, Doors, Reviews, Settings, TlsSettings, TlsWords, serve,
};

/// A server at all its doors.
struct Served {
    root: TempDir,
    secure: SocketAddr,
    read_only: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(stage: &Stage, admission: Admission) -> Self {
        let root = TempDir::new().unwrap();
        let loopback = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let settings = Settings {
            addresses: Addresses {
                secure: loopback,
                read_only: loopback,
                healthz: None,
                socket: Some(root.path().join("kubelet.sock")),
            },
            tls: TlsSettings {
                pki: root.path().join("pki"),
                signed: None,
                identity: None,
                client_ca: None,
                words: TlsWords::default(),
                names: vec!["localhost".to_owned()],
            },
            admission,
            reviews: Reviews::default(),
            debugging: Debugging::On,
        };
        let doors = Doors::open(&settings.addresses, &settings.tls)
            .await
            .unwrap();
        let [secure, read_only, _] = doors.addresses();
        let shutdown = CancellationToken::new();
        let (exhibits, told) = (stage.shown.exhibits.clone(), shutdown.clone());
        let task = tokio::spawn(async move {
            serve(doors, &settings, exhibits, told).await.unwrap();
        });
        Self {
            root,
            secure: secure.unwrap(),
            read_only: read_only.unwrap(),
            shutdown,
            task,
        }
    }

    async fn root_door(&self) -> UnixStream {
        UnixStream::connect(self.root.path().join("kubelet.sock"))
            .await
            .unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    /// A connection with TLS, with this machine's client certificate or without any.
    async fn secure_door(&self, pki: Option<&Path>) -> impl AsyncRead + AsyncWrite + Unpin {
        let own = self.root.path().join("pki");
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(own.join("kubelet.crt")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match pki {
            None => builder.with_no_client_auth(),
            Some(pki) => {
                let chain = vec![CertificateDer::from_pem_file(pki.join("client.crt")).unwrap()];
                let key = PrivateKeyDer::from_pem_file(pki.join("client.key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let stream = TcpStream::connect(self.secure).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }
}

/// The answer to a GET, head and body.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A TLS peer that closes without saying so is no matter here.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn only_clients_with_a_certificate_are_let_in() {
    let stage = Stage::new();
    let served = Served::start(&stage, Admission::Known).await;
    let own = served.root.path().join("pki");
    let known = get(served.secure_door(Some(&own)).await, "/pods").await;
    assert_eq!(code(&known), "200", "{known}");
    let nobody = get(served.secure_door(None).await, "/pods").await;
    assert_eq!(code(&nobody), "401", "{nobody}");
    assert!(nobody.ends_with("\r\n\r\nUnauthorized"), "{nobody}");

    let other = Served::start(&stage, Admission::Known).await;
    let foreign = other.root.path().join("pki");
    let impostor = get(served.secure_door(Some(&foreign)).await, "/healthz").await;
    assert_eq!(code(&impostor), "401", "{impostor}");
    other.stop().await;
    served.stop().await;
}

#[tokio::test]
async fn anybody_is_let_in_when_that_is_configured() {
    let stage = Stage::new();
    let served = Served::start(&stage, Admission::Anonymous).await;
    let nobody = get(served.secure_door(None).await, "/pods").await;
    assert_eq!(code(&nobody), "200", "{nobody}");
    served.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_shown_to_the_next_client() {
    let stage = Stage::new();
    let served = Served::start(&stage, Admission::Anonymous).await;
    let other = Served::start(&stage, Admission::Anonymous).await;
    let (own, new) = (
        served.root.path().join("pki"),
        other.root.path().join("pki"),
    );
    for file in ["kubelet.key", "kubelet.crt"] {
        std::fs::copy(new.join(file), own.join(file)).unwrap();
    }
    // The client trusts what lies in the file now, and nothing else.
    let answer = get(served.secure_door(None).await, "/healthz").await;
    assert_eq!(code(&answer), "200", "{answer}");
    other.stop().await;
    served.stop().await;
}

#[tokio::test]
async fn the_read_only_port_lets_nobody_into_pods() {
    let stage = Stage::new();
    let served = Served::start(&stage, Admission::Known).await;
    let door = || TcpStream::connect(served.read_only);
    assert_eq!(code(&get(door().await.unwrap(), "/pods").await), "200");
    for path in [
        "/exec/default/web-node/web",
        "/containerLogs/default/web-node/web",
        "/runningpods/",
        "/logs/",
    ] {
        let answer = get(door().await.unwrap(), path).await;
        assert_eq!(code(&answer), "405", "{path}");
        assert!(answer.contains("Debug endpoints are disabled."), "{answer}");
    }
    served.stop().await;
}

/// A runtime's streaming server that agrees to any upgrade, says for what it was asked, and echoes.
async fn echoing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: \
                              SPDY/3.1\r\nX-Agreed: yes\r\n\r\n";
                let first = head.lines().next().unwrap();
                let said = format!("{agreed}{first}\n");
                stream.write_all(said.as_bytes()).await.unwrap();
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    url
}

async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        text.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn streams_are_tied_to_the_runtimes() {
    let stage = Stage::new();
    stage.run_web().await;
    stage.runtime.stream_at(&echoing().await);
    let served = Served::start(&stage, Admission::Known).await;
    let rows = [
        (
            "/exec/default/web-node/web?command=ls&command=-l&output=1&error=1",
            "/exec/container-",
            "/ls--l?oe ",
        ),
        (
            "/attach/default/web-node/web?input=1&output=1&tty=1",
            "/attach/container-",
            "?iot ",
        ),
        (
            "/portForward/default/web-node",
            "/portforward/sandbox-",
            "?[] ",
        ),
    ];
    for (path, start, end) in rows {
        let mut stream = served.root_door().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("x-agreed: yes"), "{answer}");
        let asked = read_until(&mut stream, "\n").await;
        assert!(
            asked.starts_with(&format!("POST {start}")) && asked.contains(end),
            "{asked}"
        );
        stream.write_all(b"there and back").await.unwrap();
        assert_eq!(read_until(&mut stream, "back").await, "there and back");
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
    served.stop().await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_is_refused_in_upstreams_words() {
    let stage = Stage::new();
    stage.run_web().await;
    let rows = [
        (
            "/exec/default/web-node/web?command=ls",
            400,
            "you must specify at least 1 of stdin, stdout, stderr",
        ),
        (
            "/exec/default/nobody/web?output=1",
            404,
            "pod does not exist",
        ),
        (
            "/exec/default/web-node/x?output=1",
            500,
            "container not found (\"x\")",
        ),
        (
            "/exec/default/web-node/other-uid/web?output=1",
            500,
            "container not found (\"web\")",
        ),
        ("/exec/default/web-node/web?output=1", 500, "no streams"),
        (
            "/portForward/default/web-node/other-uid",
            404,
            "pod not found",
        ),
    ];
    for (path, code, words) in rows {
        let (found, text) = stage.get(path).await;
        assert_eq!((found.as_u16(), text.as_str()), (code, words), "{path}");
    }
    stage.runtime.stream_at("http://127.0.0.1:1");
    let (found, text) = stage.get("/exec/default/web-node/web?output=1").await;
    assert_eq!(
        (found.as_u16(), text.as_str()),
        (400, "Upgrade request required")
    );
}
