//! Requests to one repository at one endpoint.
//!
//! An endpoint that wants to see something says so once; what it gets then is sent to that host only.
//! Redirects are followed here: another host gets neither credentials nor configured headers. Nothing
//! is read into memory without a bound.

use std::sync::Arc;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::authorization::bearer;
use super::client::Clients;
use super::credentials::{Credentials, Login};
use super::error::RegistryError;
use super::hosts::Endpoint;
use super::settings::RegistrySettings;
use crate::image::digest::Digest;
use crate::image::manifest;
use crate::image::reference::Reference;

/// Manifests and configurations are this long at most.
const MAX_DOCUMENT: u64 = 4 << 20;
const MAX_MESSAGE: usize = 300;
/// As many as browsers follow, roughly.
const MAX_REDIRECTS: usize = 10;

/// One repository at one endpoint.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    clients: Arc<Clients>,
    pub(super) settings: Arc<RegistrySettings>,
    pub(super) endpoint: Endpoint,
    repository: String,
    /// As people know it, whatever the endpoint.
    name: String,
    /// Appended to every address at a mirror: whose images are meant.
    namespace: Option<String>,
    credentials: Credentials,
    pub(super) authorization: Mutex<Option<HeaderValue>>,
}

/// What is asked for.
struct Ask<'a> {
    url: &'a str,
    /// For people.
    what: &'a str,
    accept: &'a str,
    offset: u64,
}

impl Session {
    pub(super) fn new(
        clients: &Arc<Clients>,
        settings: &Arc<RegistrySettings>,
        endpoint: Endpoint,
        reference: &Reference,
        login: &Login,
    ) -> Result<Self, RegistryError> {
        let registry = reference.registry();
        let credentials = login.for_host(&endpoint.host, endpoint.role, registry);
        let authorization = match &credentials {
            Credentials::RegistryToken(token) => Some(bearer(token)?),
            _ => None,
        };
        let is_elsewhere = endpoint.host != settings.host_of(registry);
        Ok(Self {
            client: clients.for_endpoint(settings, &endpoint)?,
            clients: Arc::clone(clients),
            settings: Arc::clone(settings),
            repository: reference.repository().to_owned(),
            name: format!("{registry}/{}", reference.repository()),
            namespace: is_elsewhere.then(|| format!("?ns={registry}")),
            credentials,
            authorization: Mutex::new(authorization),
            endpoint,
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    pub(super) fn is_https(&self) -> bool {
        self.endpoint.base.starts_with("https://")
    }

    /// The manifest or index a tag or digest names, and its digest.
    pub(super) async fn manifest(&self, version: &str) -> Result<(Vec<u8>, Digest), RegistryError> {
        let url = self.url("manifests", version);
        let ask = Ask {
            url: &url,
            what: &format!("{}:{version}", self.name),
            accept: manifest::ACCEPTED,
            offset: 0,
        };
        let response = self.get(&ask).await?;
        let content = self.read(response, &url, MAX_DOCUMENT).await?;
        let digest = match version.parse::<Digest>() {
            Ok(expected) => check("the manifest", &content, expected)?,
            Err(_) => Digest::of(&content),
        };
        Ok((content, digest))
    }

    /// A small blob as a whole.
    pub(super) async fn document(
        &self,
        what: &'static str,
        digest: &Digest,
    ) -> Result<Vec<u8>, RegistryError> {
        let response = self.blob(digest, 0).await?;
        let url = self.blob_url(digest);
        let content = self.read(response, &url, MAX_DOCUMENT).await?;
        check(what, &content, digest.clone())?;
        Ok(content)
    }

    pub(super) fn blob_url(&self, digest: &Digest) -> String {
        self.url("blobs", digest.as_str())
    }

    /// The bytes of a blob from `offset` on, if the registry can do that; else from its beginning.
    pub(super) async fn blob(
        &self,
        digest: &Digest,
        offset: u64,
    ) -> Result<Response, RegistryError> {
        let ask = Ask {
            url: &self.blob_url(digest),
            what: &format!("{}@{digest}", self.name),
            accept: "*/*",
            offset,
        };
        self.get(&ask).await
    }

    fn url(&self, kind: &str, version: &str) -> String {
        let (base, repository) = (&self.endpoint.base, &self.repository);
        let namespace = self.namespace.as_deref().unwrap_or_default();
        format!("{base}/{repository}/{kind}/{version}{namespace}")
    }

    async fn get(&self, ask: &Ask<'_>) -> Result<Response, RegistryError> {
        let shown = self.authorization.lock().await.clone();
        let response = self.send(ask, shown.as_ref()).await?;
        // Another host that the endpoint led to is not told who asks, whatever it says.
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_own(response.url()) {
            return self.judge(response, ask.url, ask.what).await;
        }
        let shown = self.authorize(shown, &response, ask.what).await?;
        let response = self.send(ask, Some(&shown)).await?;
        self.judge(response, ask.url, ask.what).await
    }

    fn is_own(&self, url: &Url) -> bool {
        let own: Option<Url> = self.endpoint.base.parse().ok();
        own.is_some_and(|own| own.origin() == url.origin())
    }

    /// Sends the request, and sends it on to wherever the endpoint says.
    async fn send(
        &self,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut url: Url = ask
            .url
            .parse()
            .map_err(|_| self.astray(ask, "no address"))?;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client_for(&url)?.get(url.clone());
            request = request.header(ACCEPT, ask.accept);
            if ask.offset > 0 {
                request = request.header(RANGE, format!("bytes={}-", ask.offset));
            }
            if self.is_own(&url) {
                for (name, value) in &self.endpoint.headers {
                    request = request.header(name, value);
                }
                if let Some(authorization) = authorization {
                    request = request.header(AUTHORIZATION, authorization);
                }
            }
            let response = self
                .in_time(ask.url, request.send())
                .await?
                .map_err(unreachable_at(ask.url))?;
            let Some(next) = leads_to(&url, &response) else {
                return Ok(response);
            };
            url = next.ok_or_else(|| self.astray(ask, "no address"))?;
            if self.is_https() && url.scheme() != "https" {
                return Err(self.astray(ask, "an address that is not https"));
            }
        }
        Err(self.astray(ask, "too many other addresses"))
    }

    fn astray(&self, ask: &Ask<'_>, reason: &'static str) -> RegistryError {
        RegistryError::Redirect {
            url: ask.url.to_owned(),
            reason,
        }
    }

    /// A plain registry may keep its blobs at a place that speaks HTTPS.
    fn client_for(&self, url: &Url) -> Result<Client, RegistryError> {
        if url.scheme() == "https" && !self.is_https() {
            self.clients.tls(&self.settings)
        } else {
            Ok(self.client.clone())
        }
    }

    pub(super) async fn judge(
        &self,
        response: Response,
        url: &str,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let what = what.to_owned();
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound { what }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(RegistryError::Unauthorized { what })
            }
            status => {
                let message = self.read_message(response).await;
                let url = url.to_owned();
                Err(RegistryError::Refused {
                    url,
                    status: status.as_u16(),
                    message,
                })
            }
        }
    }

    pub(super) async fn read(
        &self,
        mut response: Response,
        url: &str,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut content = Vec::new();
        while let Some(piece) = self.next_piece(&mut response, url).await? {
            if content.len() as u64 + piece.len() as u64 > limit {
                return Err(RegistryError::TooLarge {
                    url: url.to_owned(),
                    limit,
                });
            }
            content.extend_from_slice(&piece);
        }
        Ok(content)
    }

    pub(super) async fn next_piece(
        &self,
        response: &mut Response,
        url: &str,
    ) -> Result<Option<bytes::Bytes>, RegistryError> {
        self.in_time(url, response.chunk())
            .await?
            .map_err(unreachable_at(url))
    }

    /// The beginning of an error's text, for people to read.
    async fn read_message(&self, mut response: Response) -> String {
        let mut content = Vec::new();
        while content.len() < MAX_MESSAGE
            && let Ok(Some(piece)) = self.next_piece(&mut response, "").await
        {
            content.extend_from_slice(&piece);
        }
        content.truncate(MAX_MESSAGE);
        let text: String = String::from_utf8_lossy(&content)
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        if text.is_empty() {
            text
        } else {
            format!(": {text}")
        }
    }

    pub(super) async fn in_time<T>(
        &self,
        url: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, RegistryError> {
        let patience = self.settings.stall_timeout;
        tokio::time::timeout(patience, work)
            .await
            .map_err(|_| RegistryError::Stalled {
                url: url.to_owned(),
                patience,
            })
    }
}

/// Where a redirect leads; the inner `None` when it does not say.
fn leads_to(from: &Url, response: &Response) -> Option<Option<Url>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    Some(location.and_then(|location| from.join(location).ok()))
}

fn check(what: &'static str, content: &[u8], expected: Digest) -> Result<Digest, RegistryError> {
    match expected.check(content) {
        Ok(()) => Ok(expected),
        Err(got) => Err(RegistryError::DigestMismatch {
            what,
            expected,
            got,
        }),
    }
}

pub(super) fn unreachable_at(url: &str) -> impl FnOnce(reqwest::Error) -> RegistryError {
    move |error| RegistryError::Unreachable {
        url: url.to_owned(),
        // Without the address, which the message has already.
        source: Arc::new(error.without_url()),
    }
}
