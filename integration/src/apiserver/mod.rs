//! A small API server for tests, where no real one can be had: objects with resourceVersions, lists and
//! watches, patches, preconditions and subresources, honestly kept. It knows nothing of kinds but what
//! a kubelet needs, and asks nobody whether a request is allowed.
//!
//! ```text
//! serve (HTTP) ─► address (path ─► which object, which verb) ─► verbs ─► Store (one lock, one log)
//!                                                                 └── patch, resize, select (pure)
//! ```
//!
//! It runs in threads of its own, so that a test may wait for a node that waits for it. Stories that
//! run over it run over a real one as well (`harness::Cluster`).

mod address;
mod der;
mod discovery;
mod invitation;
mod patch;
mod pod_certificates;
mod resize;
mod secure;
mod select;
mod serve;
mod signing;
mod store;
#[cfg(test)]
mod tests;
mod verbs;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use der::Subject;
pub use pod_certificates::{Validity, issued};
use signing::Authority;
pub use signing::Signing;
use store::Store;

/// The token of who may do everything.
pub const ADMIN: &str = "admin-token";

/// The token of who may look at the metrics of nodes.
pub const VIEWER: &str = "viewer-token";

/// The token of the node named `node`.
pub const NODE: &str = "node-token";

/// The token of who may ask for the certificate of a node, where there is TLS.
pub const BOOTSTRAP: &str = "abcdef.0123456789abcdef";

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
    /// Who signs certificates; without it the server speaks plain HTTP.
    authority: Option<Authority>,
    signing: Mutex<Option<Signing>>,
}

impl Shared {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signing(&self) -> Signing {
        let signing = self.signing.lock();
        let signing = *signing.unwrap_or_else(PoisonError::into_inner);
        signing.unwrap_or(Signing::Issues(Duration::from_secs(365 * 24 * 3600)))
    }

    fn note(&self, request: String) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request);
    }
}

impl ApiServer {
    /// Starts one on a free port of loopback.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one that speaks TLS, and signs certificates.
    pub fn start_secure() -> Self {
        let server = Self::start_with(Some(Authority::new()));
        invitation::post(
            &mut server.shared.store(),
            &server.url(),
            server.authority(),
        );
        server
    }

    /// The digest of the public key of who signs, where there is TLS.
    pub fn pin(&self) -> String {
        let authority = self.shared.authority.as_ref();
        authority.map_or_else(String::new, Authority::pin)
    }

    fn start_with(authority: Option<Authority>) -> Self {
        let shared = Shared {
            authority,
            ..Shared::default()
        };
        let mut server = Self {
            shared: Arc::new(shared),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            runtime: None,
        };
        for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            verbs::make_namespace(&mut server.shared.store(), namespace);
        }
        server.resume();
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        match self.shared.authority {
            Some(_) => format!("https://{}", self.address),
            None => format!("http://{}", self.address),
        }
    }

    /// The certificate of who signs, where there is TLS.
    pub fn authority(&self) -> &str {
        let authority = self.shared.authority.as_ref();
        authority.map_or("", |authority| &authority.pem)
    }

    /// What becomes of requests for certificates from now on, of those too that wait.
    pub fn sign(&self, signing: Signing) {
        let known = self.shared.signing.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = Some(signing);
        if let Some(authority) = &self.shared.authority {
            authority.attend(&mut self.shared.store(), signing);
        }
    }

    /// A client certificate of a node with its key, which ends then.
    pub fn certificate_of_node(&self, node: &str, ends: SystemTime) -> String {
        let authority = self.shared.authority.as_ref();
        let subject = Subject {
            name: format!("system:node:{node}"),
            groups: vec!["system:nodes".to_owned()],
        };
        authority.map_or_else(String::new, |authority| authority.client(&subject, ends))
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

    /// Sets its clock so many seconds before the machine's, or behind it.
    pub fn set_clock(&self, ahead: i64) {
        let ahead = SignedDuration::from_secs(ahead);
        self.shared.store().set_ahead(ahead);
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
