//! The client over a real socket.

use std::os::fd::AsRawFd;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;

use super::*;
use crate::cri::{Events, Health, Images};

fn client(socket: &Path) -> Client {
    let deadlines = Deadlines {
        request: Duration::from_secs(20),
    };
    Client::new(socket, deadlines, Metrics::new("node-a"))
}

/// A server that knows no call, on a path that no socket address can hold.
async fn serve_nothing(directory: &TempDir) -> PathBuf {
    let deep = directory.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let opened = std::fs::File::open(&deep).unwrap();
    let short = format!("/proc/self/fd/{}/cri.sock", opened.as_raw_fd());
    let listener = UnixListener::bind(short).unwrap();
    let server = Server::builder().add_routes(Routes::default());
    tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
    deep.join("cri.sock")
}

#[tokio::test]
async fn a_call_that_the_runtime_does_not_have_is_told_from_other_refusals() {
    let directory = TempDir::new().unwrap();
    let client = client(&serve_nothing(&directory).await);
    let error = client.version().await.unwrap_err();
    assert!(error.is_unimplemented(), "{error:?}");
    assert!(!error.is_transient());
    let no_events = client.events().await.err().unwrap();
    assert!(no_events.is_unimplemented(), "{no_events:?}");
    let text = client.metrics.text();
    let counted = "kubelet_runtime_operations_errors_total{operation_type=\"version\"} 1";
    assert!(text.contains(counted), "{text}");
}

#[tokio::test]
async fn images_may_be_asked_for_at_another_socket() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("cri.sock");
    let apart = client(&missing).with_images_at(&serve_nothing(&directory).await);
    let images = apart.list_images().await.unwrap_err();
    assert!(images.is_unimplemented(), "{images:?}");
    let version = apart.version().await.unwrap_err();
    assert!(version.is_transient(), "{version:?}");
}

#[tokio::test]
async fn a_runtime_that_is_not_there_may_come_later() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("cri.sock");
    let error = client(&missing).version().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_does_not_answer_is_not_waited_for_without_end() {
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("cri.sock");
    // Connections are taken by the kernel and never read.
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = client(&socket).version().await.unwrap_err();
    assert!(
        matches!(
            error,
            RuntimeError::TimedOut {
                call: "Version",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn parts_of_a_second_count_as_a_second() {
    let rows = [(0, 0), (1, 1), (1000, 1), (1001, 2), (30_000, 30)];
    for (milliseconds, seconds) in rows {
        assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), seconds);
    }
}
