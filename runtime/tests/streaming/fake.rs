//! A runtime in memory, and a server over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use podling_runtime::streaming::{
    AttachCall, Call, Duplex, ExecCall, Limits, PortForwardCall, Ports, Process, Server,
    SessionError, Sessions, Urls, Wanted,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the fake has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Processes that were begun and not left yet.
    pub(crate) processes: AtomicUsize,
    /// Connections into the pod that are open.
    pub(crate) connections: AtomicUsize,
    /// Bytes that the process `flood` could write.
    pub(crate) flooded: AtomicUsize,
}

/// A runtime whose commands are words.
#[derive(Debug)]
pub(crate) struct Fake {
    seen: Arc<Seen>,
    pod: watch::Receiver<bool>,
}

/// Counts something for as long as it lives.
struct Counted<F: Fn(&Seen) -> &AtomicUsize>(Arc<Seen>, F);

impl<F: Fn(&Seen) -> &AtomicUsize> Counted<F> {
    fn new(seen: &Arc<Seen>, what: F) -> Self {
        what(seen).fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen), what)
    }
}

impl<F: Fn(&Seen) -> &AtomicUsize> Drop for Counted<F> {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fake {
    fn process(&self, word: &str, wanted: Wanted) -> Process {
        let (stdin, in_end) = duplex(1024);
        let (stdout, out_end) = duplex(1024);
        let (stderr, err_end) = duplex(1024);
        let (sizes, sizes_end) = mpsc::unbounded_channel();
        let counted = Counted::new(&self.seen, |seen| &seen.processes);
        let seen = Arc::clone(&self.seen);
        let word = word.to_owned();
        let body = async move {
            let _counted = counted;
            behave(&word, in_end, out_end, err_end, sizes_end, &seen).await
        };
        Process {
            stdin: wanted.stdin.then(|| Box::new(stdin) as _),
            stdout: wanted.stdout.then(|| Box::new(stdout) as _),
            stderr: wanted.stderr.then(|| Box::new(stderr) as _),
            resize: wanted.tty.then(|| {
                Box::new(move |size| {
                    // The process may have ended.
                    let _ = sizes.send(size);
                }) as _
            }),
            ended: body.boxed(),
        }
    }
}

/// What each command does; its code.
async fn behave(
    word: &str,
    mut stdin: DuplexStream,
    mut stdout: DuplexStream,
    mut stderr: DuplexStream,
    mut sizes: mpsc::UnboundedReceiver<podling_runtime::streaming::TerminalSize>,
    seen: &Seen,
) -> Result<i32, SessionError> {
    match word {
        "cat" => {
            let _ = tokio::io::copy(&mut stdin, &mut stdout).await;
            Ok(0)
        }
        "both" => {
            let _ = stdout.write_all(b"out").await;
            let _ = stderr.write_all(b"err").await;
            Ok(3)
        }
        "size" => {
            let size = sizes.recv().await.expect("a size");
            let text = format!("{}x{}", size.width, size.height);
            let _ = stdout.write_all(text.as_bytes()).await;
            Ok(0)
        }
        "flood" => loop {
            match stdout.write(&[b'x'; 512]).await {
                Ok(count) => seen.flooded.fetch_add(count, Ordering::SeqCst),
                Err(_) => return Ok(0),
            };
        },
        "deaf" => {
            // Holds its streams, and never reads.
            let _held = (stdin, stdout, stderr);
            std::future::pending().await
        }
        "ignores-input" => {
            drop(stdin);
            let _ = stdout.write_all(b"done").await;
            Ok(0)
        }
        "lost" => Err(SessionError("the monitor is gone".to_owned())),
        other => panic!("no such command: {other}"),
    }
}

impl Sessions for Fake {
    fn exec(&self, call: ExecCall) -> BoxFuture<'_, Result<Process, SessionError>> {
        let begun = match call.command[0].as_str() {
            "missing" => Err(SessionError("executable file not found".to_owned())),
            word => Ok(self.process(word, call.wanted)),
        };
        std::future::ready(begun).boxed()
    }

    fn attach(&self, call: AttachCall) -> BoxFuture<'_, Result<Process, SessionError>> {
        std::future::ready(Ok(self.process(&call.container, call.wanted))).boxed()
    }

    fn ports(&self, _: &str) -> Result<Box<dyn Ports>, SessionError> {
        Ok(Box::new(FakePorts {
            seen: Arc::clone(&self.seen),
            pod: self.pod.clone(),
        }))
    }
}

struct FakePorts {
    seen: Arc<Seen>,
    pod: watch::Receiver<bool>,
}

impl Ports for FakePorts {
    /// 7 echoes, 9 swallows, 11 breaks at the first byte, 13 says something and ends its side.
    fn connect(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Duplex>, SessionError>> {
        let (client, mut pod) = duplex(1024);
        let counted = Counted::new(&self.seen, |seen| &seen.connections);
        let work = async move {
            let _counted = counted;
            match port {
                7 => {
                    let (mut read, mut write) = tokio::io::split(pod);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                }
                9 => {
                    let _ = tokio::io::copy(&mut pod, &mut tokio::io::sink()).await;
                }
                11 => {
                    let _ = pod.read_u8().await;
                }
                _ => {
                    let _ = pod.write_all(b"hello").await;
                    let _ = pod.shutdown().await;
                    let _ = tokio::io::copy(&mut pod, &mut tokio::io::sink()).await;
                }
            }
        };
        let answer = match port {
            7 | 9 | 11 | 13 => {
                tokio::spawn(work);
                Ok(Box::new(client) as Box<dyn Duplex>)
            }
            _ => Err(SessionError("connection refused".to_owned())),
        };
        std::future::ready(answer).boxed()
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        let mut pod = self.pod.clone();
        async move {
            // Without its sender the pod lives as long as the test.
            if pod.wait_for(|has_ended| *has_ended).await.is_err() {
                std::future::pending().await
            }
        }
        .boxed()
    }
}

/// A server that is stopped, with all its tasks, at the end of its test.
pub(crate) struct Running {
    pub(crate) urls: Urls,
    pub(crate) seen: Arc<Seen>,
    pub(crate) pod: watch::Sender<bool>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

pub(crate) async fn start() -> Running {
    start_with(Limits {
        leave: Duration::from_secs(30),
        ..Limits::default()
    })
    .await
}

pub(crate) async fn start_with(limits: Limits) -> Running {
    let address = ([127, 0, 0, 1], 0).into();
    let server = Server::listen(address).await.expect("a free port");
    let seen = Arc::new(Seen::default());
    let (pod, pod_end) = watch::channel(false);
    let fake = Fake {
        seen: Arc::clone(&seen),
        pod: pod_end,
    };
    let shutdown = CancellationToken::new();
    Running {
        urls: server.urls(),
        seen,
        pod,
        shutdown: shutdown.clone(),
        server: tokio::spawn(server.serve(Arc::new(fake), limits, shutdown)),
    }
}

/// Streams by their letters: `i`, `o`, `e`, and `t` for a terminal.
pub(crate) fn wanted(letters: &str) -> Wanted {
    Wanted {
        stdin: letters.contains('i'),
        stdout: letters.contains('o'),
        stderr: letters.contains('e'),
        tty: letters.contains('t'),
    }
}

impl Running {
    pub(crate) fn exec(&self, word: &str, letters: &str) -> String {
        self.url(Call::Exec(ExecCall {
            container: "c".to_owned(),
            command: vec![word.to_owned()],
            wanted: wanted(letters),
        }))
    }

    pub(crate) fn attach(&self, word: &str, letters: &str) -> String {
        self.url(Call::Attach(AttachCall {
            container: word.to_owned(),
            wanted: wanted(letters),
        }))
    }

    pub(crate) fn port_forward(&self, ports: &[u16]) -> String {
        self.url(Call::PortForward(PortForwardCall {
            sandbox: "s".to_owned(),
            ports: ports.to_vec(),
        }))
    }

    fn url(&self, call: Call) -> String {
        self.urls.issue(call).expect("room for a token")
    }

    /// Ends the server; every task of it has ended when this returns.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.expect("the server ends");
    }

    pub(crate) async fn wait_for(&self, what: impl Fn(&Seen) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !what(&self.seen) {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", self.seen);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
