//! Asks a page for pods, again and again.
//!
//! A page that does not come, or that nobody understands, changes nothing and is told of once; while
//! it has never been understood its source has not spoken. An empty page has no pods.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, StatusCode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::{PodOrigin, PodSource};
use crate::sync::{Clock, EventRecorder};

use super::gather::Saying;
use super::tell::{warn, warn_of};
use super::{Contents, NodeIdentity, Page, Scan, read_manifest};

/// How long a page may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a page may be.
const LONGEST: usize = 10 << 20;

/// What an HTTP source is made of.
pub struct HttpParts<E, C> {
    /// What is asked for.
    pub page: Page,
    /// What of the node goes into its static pods.
    pub node: NodeIdentity,
    /// Takes down what is wrong with the page.
    pub events: Arc<E>,
    /// Tells the time.
    pub clock: Arc<C>,
}

/// Whether something is as it should be, or what is wrong with it.
type Verdict = Result<(), String>;

/// The source of pods, and of the objects that they refer to, on a page.
pub struct HttpSource<E, C> {
    parts: HttpParts<E, C>,
    origin: PodOrigin,
    /// Made when it is first needed, and again while that fails: authorities may come later.
    client: Option<Client>,
    /// The page as it was read last, and what came of it.
    read: Option<(Vec<u8>, Verdict)>,
    /// What was told last.
    told: Verdict,
}

impl<E: EventRecorder, C: Clock> HttpSource<E, C> {
    /// A source that has not looked yet.
    pub fn new(parts: HttpParts<E, C>) -> Self {
        Self {
            origin: PodOrigin::Url(parts.page.url.clone()),
            parts,
            client: None,
            read: None,
            told: Ok(()),
        }
    }

    /// Says what the page describes until `shutdown`.
    pub async fn run(mut self, says: mpsc::Sender<Saying>, shutdown: CancellationToken) {
        loop {
            // A look that is given up has said nothing.
            let scan = tokio::select! {
                () = shutdown.cancelled() => return,
                scan = self.look() => scan,
            };
            if let Some(scan) = scan {
                let scan = BTreeMap::from([(self.origin.clone(), scan)]);
                let source = PodSource::Http;
                if says.send(Saying { source, scan }).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.parts.page.period) => {}
            }
        }
    }

    /// What the page says, if it says anything new.
    async fn look(&mut self) -> Option<Scan> {
        let body = match self.fetch().await {
            Ok(body) => body,
            Err(why) => {
                self.tell(Err(format!("{}: {why}", self.origin)));
                return None;
            }
        };
        if body.is_empty() {
            self.read = None;
            let why = format!("zero-length data received from {}", self.origin);
            self.tell(Err(why));
            return Some(Scan::Read(Contents::default()));
        }
        if let Some((_, verdict)) = self.read.as_ref().filter(|(last, _)| *last == body) {
            self.tell(verdict.clone());
            return None;
        }
        let (contents, verdict) = match self.understand(&body) {
            Ok(contents) => (Some(contents), Ok(())),
            Err(why) => (None, Err(why)),
        };
        self.read = Some((body, verdict.clone()));
        self.tell(verdict);
        contents.map(Scan::Read)
    }

    fn understand(&self, body: &[u8]) -> Result<Contents, String> {
        let text = String::from_utf8_lossy(body);
        let now = self.parts.clock.now();
        let manifest = read_manifest(&self.origin, &text, &self.parts.node, now)
            .map_err(|error| error.to_string())?;
        warn_of(self.parts.events.as_ref(), &self.origin, &manifest);
        Ok(Contents::from(manifest))
    }

    async fn fetch(&mut self) -> Result<Vec<u8>, String> {
        let page = &self.parts.page;
        let client = match &self.client {
            Some(client) => client,
            None => &*self.client.insert(client(&page.url).map_err(causes)?),
        };
        let request = client.get(&page.url).headers(page.headers.clone());
        let mut response = request.send().await.map_err(causes)?;
        if response.status() != StatusCode::OK {
            return Err(response.status().to_string());
        }
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(causes)? {
            body.extend_from_slice(&bytes);
            if body.len() > LONGEST {
                return Err(format!("has more than {LONGEST} bytes"));
            }
        }
        Ok(body)
    }

    /// Tells how the page is, unless that was told last.
    fn tell(&mut self, verdict: Verdict) {
        if self.told == verdict {
            return;
        }
        match &verdict {
            Ok(()) => tracing::info!(url = %self.origin, "pods are read from their URL again"),
            Err(why) => {
                tracing::warn!("cannot read pods from their URL, and keep the last: {why}");
                let events = self.parts.events.as_ref();
                warn(events, &self.origin, "FailedToReadManifest", why.clone());
            }
        }
        self.told = verdict;
    }
}

/// A client that trusts whom the machine trusts; a page without TLS needs nobody to be trusted.
fn client(url: &str) -> Result<Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    // Somebody else in the process may have chosen the same one before.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    match builder().build() {
        Err(_) if url.starts_with("http://") => builder().tls_certs_only([]).build(),
        built => built,
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("podling/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .http1_only()
        .pool_max_idle_per_host(0)
}

/// An error and its causes, without the address, in which a password may stand.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let all = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
