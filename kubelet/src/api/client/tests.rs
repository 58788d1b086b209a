//! What connections show, when it becomes something else.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::api::kubeconfig::{Material, User};

/// Puts a certificate that nobody has had before into a file, with its key.
fn put_certificate(file: &Path) {
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::default().self_signed(&key).unwrap();
    std::fs::write(file, signed.pem() + &key.serialize_pem()).unwrap();
}

/// A server that answers each request with a stream that tells of one change and stays open.
async fn streaming() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let line = "{\"type\":\"ADDED\"}\n";
            let answer = format!("{head}{:x}\r\n{line}\r\n", line.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            open.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn streams_end_when_another_certificate_is_to_be_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.pem");
    put_certificate(&file);
    let kubeconfig = Kubeconfig {
        server: streaming().await,
        authority: None,
        insecure: false,
        user: User {
            certificate: Some((Material::File(file.clone()), Material::File(file.clone()))),
            ..User::default()
        },
    };
    let client = Client::new(kubeconfig, Pace::new(0, 0));
    let mut changes = client.watch("/api/v1/pods?watch=true").await.unwrap();
    assert!(changes.next().await.unwrap().is_some());
    client.look().await.unwrap();
    let patience = Duration::from_millis(50);
    let quiet = tokio::time::timeout(patience, changes.next()).await;
    assert!(quiet.is_err(), "nothing has changed");

    put_certificate(&file);
    client.look().await.unwrap();
    assert_eq!(changes.next().await.unwrap(), None);
    let mut changes = client.watch("/api/v1/pods?watch=true").await.unwrap();
    assert!(changes.next().await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_tells_events_or_that_the_node_lives_does_not_wait_for_others() {
    let kubeconfig = Kubeconfig {
        server: "http://127.0.0.1:1".to_owned(),
        authority: None,
        insecure: false,
        user: User::default(),
    };
    let client = Client::new(kubeconfig, Pace::new(1, 1));
    let (events, lease) = (client.paced(Pace::new(1, 1)), client.unpaced());
    let begin = tokio::time::Instant::now();
    for (who, expected) in [
        (&client, 0),
        (&events, 0),
        (&lease, 0),
        (&lease, 0),
        (&client, 1),
    ] {
        who.turn(&Method::GET).await;
        assert_eq!(begin.elapsed().as_secs(), expected);
    }
}
