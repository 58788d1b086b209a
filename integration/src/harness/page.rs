//! A page on a loopback port that says what the test wants it to say, with TLS or without.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of one page, whatever path is asked for.
#[derive(Debug)]
pub struct Page {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
    is_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Whom to trust, as PEM, when it speaks TLS.
    authority: Option<String>,
}

#[derive(Debug, Default)]
struct Said {
    status: u16,
    body: String,
    /// The requests so far, each with its headers.
    requests: Vec<String>,
}

impl Page {
    /// Starts one.
    pub fn start(body: &str) -> Self {
        Self::serve(body, None)
    }

    /// Starts one that speaks TLS.
    pub fn start_with_tls(body: &str) -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))
            .expect("the key is the certificate's");
        let mut page = Self::serve(body, Some(Arc::new(tls)));
        page.authority = Some(made.cert.pem());
        page
    }

    fn serve(body: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let address = listener.local_addr().expect("a listener has an address");
        let said = Arc::new(Mutex::new(Said::default()));
        let is_ended = Arc::new(AtomicBool::new(false));
        let (to_thread, end) = (Arc::clone(&said), Arc::clone(&is_ended));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                // A client that leaves in the middle is its own affair.
                let _ = meet(stream, tls.as_ref(), &to_thread);
            }
        });
        let page = Self {
            address,
            said,
            is_ended,
            thread: Some(thread),
            authority: None,
        };
        page.says(200, body);
        page
    }

    /// What it says from now on.
    pub fn says(&self, status: u16, body: &str) {
        let mut said = lock(&self.said);
        said.status = status;
        body.clone_into(&mut said.body);
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let scheme = self.authority.as_ref().map_or("http", |_| "https");
        format!("{scheme}://{}/pods", self.address)
    }

    /// Whom to trust, as PEM, when it speaks TLS.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// The requests so far, each with its headers.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.said).requests.clone()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Relaxed);
        // Wakes the thread; if nobody listens any more it has ended.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(said: &Mutex<Said>) -> std::sync::MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

fn meet(stream: TcpStream, tls: Option<&Arc<ServerConfig>>, said: &Mutex<Said>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    match tls {
        None => answer(stream, said),
        Some(tls) => {
            let connection = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            answer(&mut stream, said)?;
            stream.conn.send_close_notify();
            stream.flush()
        }
    }
}

fn answer(mut stream: impl Read + Write, said: &Mutex<Said>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let answer = {
        let mut said = lock(said);
        said.requests
            .push(String::from_utf8_lossy(&head).into_owned());
        let (status, length, body) = (said.status, said.body.len(), &said.body);
        format!(
            "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    stream.write_all(answer.as_bytes())?;
    stream.flush()
}
