//! Certificates of pods: a key is made here and never leaves the node but in its pod's volume; who signs is
//! asked by a PodCertificateRequest; the next certificate is asked for when the signer has said.
//!
//! ```text
//! key, request ─► waits ─► issued ─► (until the signer's time) ─► key, request …
//!                   └─► denied or failed: there will be none
//! ```
//!
//! What is asked and what is said of it is decided in `plan` (P).

mod plan;
mod proof;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::told::Told;
use crate::api::backoff::Backoff;
use crate::api::client::{ApiError, Client};
use crate::api::reflect::{News, Reflector};
use crate::causes::chain;
use crate::metrics::{CertificateState, CountedCertificate, PodCertificateMetrics};
use crate::model::{CertificateWish, Event, EventKind, Object, PodCertificate, PodName};
use crate::sync::EventRecorder;
use plan::{Asker, Issued, Lateness, Refused, Verdict, request, source_of, verdict};
use proof::{Proof, ProofError};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// How long a pod waits for its first certificate before it says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that was not seen for so long is gone; up to half as much again is left to chance.
const ABANDONED: Duration = Duration::from_secs(10 * 60);

/// Keeps one certificate of a pod.
pub(super) struct Certificates {
    pub(super) client: Client,
    pub(super) pod: Option<Arc<core::Pod>>,
    pub(super) events: Arc<dyn EventRecorder>,
    pub(super) told: Told,
    pub(super) metrics: PodCertificateMetrics,
}

/// Why there is no certificate yet.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("while fetching service account")]
    Account(#[source] ApiError),
    #[error("while getting the node")]
    Node(#[source] ApiError),
    #[error(transparent)]
    Key(#[from] ProofError),
    #[error("while creating PodCertificateRequest")]
    Create(#[source] ApiError),
    #[error("PodCertificateRequest {0:?} appears to have been deleted")]
    Gone(String),
}

/// A request that was decided on.
struct Decided {
    /// `namespace/name`
    request: String,
    key: String,
    verdict: Result<Issued, Refused>,
}

impl Certificates {
    /// Has a certificate until `end`.
    pub(super) async fn follow(self, end: CancellationToken) {
        // A request that is given up is nobody's: the next kubelet makes its own.
        end.run_until_cancelled(self.keep()).await;
        drop(self);
    }

    async fn keep(&self) {
        let pod = self.pod.as_deref();
        let wish = CertificateWish::of(&self.told.key);
        let source = pod.zip(wish).and_then(|(pod, wish)| {
            let source = source_of(pod, &wish)?;
            Some((pod, source))
        });
        let Some((pod, source)) = source else {
            let why = "pod does not contain the named podCertificate projected volume source";
            self.told.wrong(why);
            return self.told.keep().await;
        };
        let counted = self.metrics.begin(&source.signer_name);
        self.renew((pod, source), &counted).await;
        // It is refused for good: what is known stays for who asks later.
        self.told.keep().await;
    }

    async fn renew(
        &self,
        (pod, source): (&core::Pod, &core::PodCertificateProjection),
        counted: &CountedCertificate,
    ) {
        let mut last = None;
        loop {
            let has_one = last.is_some();
            // What is cancelled only looks at the clock.
            let decided = tokio::select! {
                decided = self.ask_until_decided((pod, source), has_one) => decided,
                never = self.tell_lateness(pod, last.as_mut()) => match never {},
            };
            match decided.verdict {
                Ok(issued) => {
                    let (key, chain) = (decided.key.as_str(), issued.chain.as_str());
                    info!(request = decided.request, until = %issued.until, "a pod has a certificate");
                    self.told.there(Object::PodCertificate(PodCertificate {
                        key: key.into(),
                        chain: chain.into(),
                    }));
                    counted.is(CertificateState::Issued {
                        late_from: issued.late_from(),
                        until: issued.until,
                    });
                    wait_until(issued.asked_again_at(Backoff::new().chance())).await;
                    last = Some((issued, Lateness::InTime));
                }
                Err(refused) => {
                    counted.is(CertificateState::Refused(refused.word()));
                    let message = refused.of_event(&decided.request);
                    self.record(pod, refused.how, message);
                    self.told.wrong(refused.of_volume());
                    return;
                }
            }
        }
    }

    /// Never ends: tells when the last certificate should long have been replaced.
    async fn tell_lateness(
        &self,
        pod: &core::Pod,
        last: Option<&mut (Issued, Lateness)>,
    ) -> Infallible {
        let Some((last, told)) = last else {
            return std::future::pending().await;
        };
        loop {
            let late = Lateness::of(last, Timestamp::now());
            if late > *told {
                *told = late;
                if let Some((reason, message)) = late.words() {
                    self.record(pod, reason, message.to_owned());
                }
            }
            sleep(LOOK).await;
        }
    }

    async fn ask_until_decided(
        &self,
        of: (&core::Pod, &core::PodCertificateProjection),
        has_one: bool,
    ) -> Decided {
        let mut backoff = Backoff::new();
        loop {
            let error = match self.ask(of, has_one).await {
                Ok(decided) => return decided,
                Err(error) => error,
            };
            let chain = chain(&error);
            warn!(error = chain, "a pod has no new certificate");
            if !has_one {
                self.told.wrong(chain);
            }
            sleep(backoff.next()).await;
        }
    }

    async fn ask(
        &self,
        (pod, source): (&core::Pod, &core::PodCertificateProjection),
        has_one: bool,
    ) -> Result<Decided, AskError> {
        let kind = source.key_type.clone();
        let proof = tokio::task::spawn_blocking(move || Proof::make(&kind));
        let proof = proof.await.expect("making a key does not panic")?;
        let spec = pod.spec.as_ref();
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let account = spec.and_then(|spec| spec.service_account_name.as_deref());
        let account = format!(
            "/api/v1/namespaces/{namespace}/serviceaccounts/{}",
            account.unwrap_or_default()
        );
        let account = self.client.get(&account).await.map_err(AskError::Account)?;
        let node = spec.and_then(|spec| spec.node_name.as_deref());
        let node = node.unwrap_or_default();
        let path = format!("/api/v1/nodes/{node}");
        let of_node = self.client.get(&path).await.map_err(AskError::Node)?;
        let uid = |object: &Value| object["metadata"]["uid"].as_str().map(str::to_owned);
        let asker = Asker {
            pod,
            source,
            account_uid: &uid(&account).unwrap_or_default(),
            node_uid: &uid(&of_node).unwrap_or_default(),
        };
        let collection = format!(
            "/apis/certificates.k8s.io/v1beta1/namespaces/{namespace}/podcertificaterequests"
        );
        let made = self
            .client
            .create(&collection, &request(&asker, &proof.request))
            .await
            .map_err(AskError::Create)?;
        let name = made["metadata"]["name"].as_str().unwrap_or_default();
        let verdict = self.wait(&collection, (name, node), has_one).await?;
        Ok(Decided {
            request: format!("{namespace}/{name}"),
            key: proof.key,
            verdict,
        })
    }

    /// Waits until a request is decided on.
    async fn wait(
        &self,
        collection: &str,
        (name, node): (&str, &str),
        has_one: bool,
    ) -> Result<Result<Issued, Refused>, AskError> {
        // A node may follow the requests of its own pods, and no others.
        let path =
            format!("{collection}?fieldSelector=spec.nodeName%3D{node}%2Cmetadata.name%3D{name}");
        let decided = decided(&self.client, path);
        let mut decided = std::pin::pin!(decided);
        if !has_one && let Ok(soon) = timeout(PATIENCE, decided.as_mut()).await {
            return soon.ok_or_else(|| AskError::Gone(name.to_owned()));
        }
        if !has_one {
            self.told.wrong("credential bundle is not issued yet");
        }
        decided.await.ok_or_else(|| AskError::Gone(name.to_owned()))
    }

    fn record(&self, pod: &core::Pod, reason: &'static str, message: String) {
        let metadata = &pod.metadata;
        let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
        self.events.record(Event {
            pod: PodName::new(namespace.unwrap_or_default(), name.unwrap_or_default()),
            uid: metadata.uid.as_deref().map(Into::into),
            container: None,
            kind: EventKind::Warning,
            reason: reason.into(),
            message,
        });
    }
}

/// What was decided of a request; nothing when it has gone.
async fn decided(client: &Client, path: String) -> Option<Result<Issued, Refused>> {
    let (tell, mut news) = mpsc::channel(1);
    let reflector = Reflector::new(client.clone(), path);
    let never = CancellationToken::new();
    let mut reflecting = std::pin::pin!(reflector.run(tell, never));
    let mut is_seen = false;
    let abandoned = ABANDONED.mul_f64(1.0 + Backoff::new().chance() / 2.0);
    loop {
        let heard = async {
            // What is cancelled is only a wait for the server.
            tokio::select! {
                () = &mut reflecting => None,
                heard = news.recv() => heard,
            }
        };
        let heard = match is_seen {
            true => heard.await?,
            false => timeout(abandoned, heard).await.ok()??,
        };
        let request = match heard {
            News::All(mut all) => match all.pop() {
                Some(request) => request,
                // A list may be older than what was just made.
                None if !is_seen => continue,
                None => return None,
            },
            News::Set(request) => request,
            News::Gone(_) => return None,
        };
        is_seen = true;
        match verdict(&request) {
            Verdict::Waits => {}
            Verdict::Issued(issued) => return Some(Ok(issued)),
            Verdict::Refused(refused) => return Some(Err(refused)),
        }
    }
}

/// Looks at the clock now and then: it may be set.
async fn wait_until(time: Timestamp) {
    loop {
        let left = time.duration_since(Timestamp::now());
        match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => sleep(left.min(LOOK)).await,
            _ => return,
        }
    }
}
