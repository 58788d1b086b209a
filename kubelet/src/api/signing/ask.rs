//! Asks for one certificate, and waits until it is there or refused.

use std::time::Duration;

use rcgen::KeyPair;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::verdict::{Verdict, verdict};
use crate::api::client::{ApiError, Client};
use crate::api::reflect::{News, Reflector};
use crate::certificate::Wish;

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// How long an answer is waited for before it is asked whether the request is still there.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The request itself cannot be written.
    #[error("cannot write a certificate signing request")]
    Request(#[from] rcgen::Error),
    /// The API server does not take it.
    #[error("cannot create certificate signing request")]
    Create(#[source] ApiError),
    /// One of the same name is somebody else's.
    #[error("retrieved csr {0} is not compatible: it asks another signer, or for another use")]
    Other(String),
    /// It was refused.
    #[error("csr {name}: {words}")]
    Refused {
        /// Its name.
        name: String,
        /// Why.
        words: String,
    },
    /// It has gone.
    #[error("csr {0:?} was deleted")]
    Gone(String),
    /// Nobody has said anything for long.
    #[error(
        "csr {0} is neither approved nor denied: approve it with `kubectl certificate approve`"
    )]
    Silence(String),
}

impl AskError {
    /// Whether asking again with the same key would come to the same.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Other(_) | Self::Refused { .. })
    }
}

/// Asks for what is wished with a key: the certificate in PEM. Nothing is lost when it is cancelled:
/// who asks again with the same key waits for the same request.
pub(super) async fn ask(client: &Client, wish: &Wish, key: &KeyPair) -> Result<Vec<u8>, AskError> {
    let request = wish.request(key)?;
    let name = request["metadata"]["name"].as_str().unwrap_or_default();
    match client.create(REQUESTS, &request).await {
        Ok(_) => info!(csr = name, "certificate signing request created"),
        Err(error) if error.is_conflict() => {
            info!(csr = name, "csr for this node already exists, reusing");
            let path = format!("{REQUESTS}/{name}");
            let known = client.get(&path).await.map_err(AskError::Create)?;
            if !wish.is_asked_by(&known) {
                return Err(AskError::Other(name.to_owned()));
            }
        }
        Err(error) => return Err(AskError::Create(error)),
    }
    let waited = tokio::time::timeout(PATIENCE, wait(client, name)).await;
    waited.unwrap_or_else(|_| Err(AskError::Silence(name.to_owned())))
}

async fn wait(client: &Client, name: &str) -> Result<Vec<u8>, AskError> {
    let path = format!("{REQUESTS}?fieldSelector=metadata.name%3D{name}");
    let (tell, mut news) = mpsc::channel(1);
    let reflector = Reflector::new(client.clone(), path);
    let never = CancellationToken::new();
    let mut reflecting = std::pin::pin!(reflector.run(tell, never));
    let mut is_seen = false;
    loop {
        // What is cancelled is only a wait for the server.
        let heard = tokio::select! {
            () = &mut reflecting => None,
            heard = news.recv() => heard,
        };
        let request = match heard {
            Some(News::All(mut all)) => match all.pop() {
                Some(request) => request,
                // A list may be older than what was just made.
                None if !is_seen => continue,
                None => return Err(AskError::Gone(name.to_owned())),
            },
            Some(News::Set(request)) => request,
            Some(News::Gone(_)) | None => return Err(AskError::Gone(name.to_owned())),
        };
        is_seen = true;
        if let Some(answer) = answer(name, &request) {
            return answer;
        }
    }
}

fn answer(name: &str, request: &Value) -> Option<Result<Vec<u8>, AskError>> {
    match verdict(request) {
        Verdict::Waits => None,
        Verdict::Issued(pem) => Some(Ok(pem)),
        Verdict::Refused(words) => Some(Err(AskError::Refused {
            name: name.to_owned(),
            words,
        })),
    }
}
