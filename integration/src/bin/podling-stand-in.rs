//! Stands for the programs of images that examples on the web name: called as one of them, with the
//! arguments of the example, it does what the example shows of it.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use podling_integration::health;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// How long agnhost's `liveness` is well.
const WELL_FOR: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let arguments: Vec<String> = words.collect();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = behave(&name, &arguments) => ended.map(|()| ExitCode::SUCCESS),
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
    }
}

async fn behave(name: &str, arguments: &[String]) -> io::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (name, words.as_slice()) {
        ("agnhost", ["liveness"]) => serve(8080, Page::WellFor(WELL_FOR)).await,
        ("etcd", words) => health::serve(client_port(words)?, None).await,
        ("http-echo", [text]) => {
            let text = text.strip_prefix("-text=").unwrap_or_default();
            serve(5678, Page::Says(text.to_owned())).await
        }
        ("hello-app", []) => serve(8080, Page::Says("Hello, world!".to_owned())).await,
        ("node-hello", []) => serve(8080, Page::Says("Hello Kubernetes!".to_owned())).await,
        ("goproxy", []) => serve(8080, Page::Says(String::new())).await,
        ("pause", []) => std::future::pending().await,
        ("socat", [listen, _]) => {
            let port = listen.strip_prefix("tcp-listen:");
            let port = port.and_then(|rest| rest.split(',').next());
            serve(number(port)?, Page::Says(String::new())).await
        }
        ("stress", ["-cpus", count]) => burn(number(Some(count))?).await,
        ("stress", ["--vm", "1", "--vm-bytes", size, ..]) => {
            hold(number(size.strip_suffix('M'))?).await
        }
        (name, words) => Err(io::Error::other(format!("{name}: not known: {words:?}"))),
    }
}

/// What a page says.
enum Page {
    Says(String),
    WellFor(Duration),
}

fn number<N: std::str::FromStr>(text: Option<&str>) -> io::Result<N> {
    let text = text.unwrap_or_default();
    let number = text.parse().ok();
    number.ok_or_else(|| io::Error::other(format!("{text:?} is not a number")))
}

fn client_port(words: &[&str]) -> io::Result<u16> {
    let at = words
        .iter()
        .position(|word| *word == "--listen-client-urls");
    let url = at.and_then(|at| words.get(at + 1));
    number(url.and_then(|url| url.rsplit(':').next()))
}

async fn serve(port: u16, page: Page) -> io::Result<()> {
    let began = Instant::now();
    let listener = TcpListener::bind(("::", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (status, body) = match &page {
            Page::Says(text) => ("200 OK", text.as_str()),
            Page::WellFor(time) if began.elapsed() < *time => ("200 OK", "ok"),
            Page::WellFor(_) => ("500 Internal Server Error", "error"),
        };
        // A probe of TCP says nothing and goes.
        let _ = answer(stream, status, body).await;
    }
}

/// Reads one request's head and answers it; the connection ends there.
async fn answer(mut stream: TcpStream, status: &str, body: &str) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}

async fn burn(threads: u32) -> io::Result<()> {
    for _ in 0..threads {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    std::future::pending().await
}

async fn hold(megabytes: usize) -> io::Result<()> {
    let memory = std::hint::black_box(vec![1_u8; megabytes * 1_000_000]);
    println!("holding {} bytes", memory.len());
    std::future::pending().await
}
