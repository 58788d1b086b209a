//! A small API server for tests, where no real one can be had: objects with resourceVersions, lists and
//! watches, patches, preconditions and subresources, honestly kept. It knows nothing of kinds but what
//! a kubelet needs, and asks nobody whether a request is allowed.
//!
//! ```text
//! serve (HTTP) ─► address (path ─► which object, which verb) ─► verbs ─► Store (one lock, one log)
//!                                                                 └── patch, select (pure)
//! ```
//!
//! It runs in threads of its own, so that a test may wait for a node that waits for it. Stories that
//! run over it run over a real one as well (`harness::Cluster`).

mod address;
mod patch;
mod select;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod verbs;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use store::Store;

/// The token of who may do everything.
pub const ADMIN: &str = "admin-token";

/// The token of who may look at the metrics of nodes.
pub const VIEWER: &str = "viewer-token";

/// The token of the node named `node`.
pub const NODE: &str = "node-token";

/// A running server.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

/// What outlives its threads.
#[derive(Debug, Default)]
struct Shared {
    store: Mutex<Store>,
    /// Method and path of each request, with its user.
    requests: Mutex<Vec<String>>,
}

impl Shared {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, request: String) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request);
    }
}

impl ApiServer {
    /// Starts one on a free port of loopback.
    pub fn start() -> Self {
        let mut server = Self {
            shared: Arc::default(),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            runtime: None,
        };
        for namespace in ["default", "kube-system", "kube-node-lease"] {
            verbs::make_namespace(&mut server.shared.store(), namespace);
        }
        server.resume();
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes every connection and takes no more.
    pub fn pause(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Answers again, with all that it has.
    pub fn resume(&mut self) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread can be started");
        let wanted = self.address;
        // Nobody else takes the port, but the last listener may take a moment to go.
        let (tell, told) = std::sync::mpsc::channel();
        let shared = Arc::clone(&self.shared);
        runtime.spawn(async move {
            let listener = loop {
                match TcpListener::bind(wanted).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            let _ = tell.send(listener.local_addr().expect("a listener has an address"));
            serve::serve(listener, shared).await;
        });
        self.address = told.recv().expect("the server listens");
        self.runtime = Some(runtime);
    }

    /// Forgets all changes: who watches from an old version has to list again.
    pub fn compact(&self) {
        self.shared.store().compact();
    }

    /// The requests so far: `user GET /api/v1/pods?watch=true`.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.shared.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.pause();
    }
}
