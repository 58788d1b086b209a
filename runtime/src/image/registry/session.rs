//! Requests to one repository of one registry.
//!
//! A registry that wants a token says so once; the token is then sent to that registry only. Nothing
//! is read into memory without a bound.

use std::sync::{Arc, Once, OnceLock};

use reqwest::header::{ACCEPT, AUTHORIZATION, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::challenge::{self, Challenge};
use super::error::RegistryError;
use super::settings::RegistrySettings;
use crate::image::digest::Digest;
use crate::image::manifest;
use crate::image::reference::Reference;

/// Manifests and configurations are this long at most.
const MAX_DOCUMENT: u64 = 4 << 20;
const MAX_TOKEN: u64 = 1 << 20;
const MAX_MESSAGE: usize = 300;

/// The HTTP clients, made when they are first needed: a machine without CA certificates can use
/// plain registries, and one that never pulls loads no certificates.
#[derive(Debug, Default)]
pub(in crate::image) struct Clients {
    plain: OnceLock<Client>,
    tls: OnceLock<Client>,
}

/// One repository.
#[derive(Clone, Debug)]
pub(in crate::image) struct Session {
    client: Client,
    pub(super) settings: Arc<RegistrySettings>,
    base: String,
    repository: String,
    name: String,
    token: Arc<Mutex<Option<String>>>,
}

impl Clients {
    /// Begins to speak to the registry of an image.
    pub(in crate::image) fn session(
        &self,
        settings: &Arc<RegistrySettings>,
        reference: &Reference,
    ) -> Result<Session, RegistryError> {
        let base = settings.base_url(reference.registry());
        let client = if base.starts_with("http://") {
            client(&self.plain, settings, |builder| {
                Ok(builder.tls_certs_only([]))
            })?
        } else {
            client(&self.tls, settings, |builder| {
                let certificates = settings.certificates.iter();
                let certificates = certificates.map(|pem| reqwest::Certificate::from_pem(pem));
                Ok(builder.tls_certs_merge(certificates.collect::<Result<Vec<_>, _>>()?))
            })?
        };
        Ok(Session {
            client,
            settings: Arc::clone(settings),
            base,
            repository: reference.repository().to_owned(),
            name: format!("{}/{}", reference.registry(), reference.repository()),
            token: Arc::default(),
        })
    }
}

fn client(
    kept: &OnceLock<Client>,
    settings: &RegistrySettings,
    certificates: impl FnOnce(reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, reqwest::Error>,
) -> Result<Client, RegistryError> {
    if let Some(client) = kept.get() {
        return Ok(client.clone());
    }
    static PROVIDER: Once = Once::new();
    // An error says that the process has chosen its provider already, which is as good.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = Client::builder()
        .user_agent(concat!("podling/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.stall_timeout);
    let built = certificates(builder).and_then(reqwest::ClientBuilder::build);
    let client = built.map_err(|error| RegistryError::Tls(Arc::new(error)))?;
    Ok(kept.get_or_init(|| client).clone())
}

impl Session {
    /// The manifest or index a tag or digest names, and its digest.
    pub(in crate::image) async fn manifest(
        &self,
        version: &str,
    ) -> Result<(Vec<u8>, Digest), RegistryError> {
        let url = format!("{}/v2/{}/manifests/{version}", self.base, self.repository);
        let what = format!("{}:{version}", self.name);
        let response = self.get(&url, &what, manifest::ACCEPTED, 0).await?;
        let content = self.read(response, &url, MAX_DOCUMENT).await?;
        let digest = match version.parse::<Digest>() {
            Ok(expected) => check("the manifest", &content, expected)?,
            Err(_) => Digest::of(&content),
        };
        Ok((content, digest))
    }

    /// A small blob as a whole.
    pub(in crate::image) async fn document(
        &self,
        what: &'static str,
        digest: &Digest,
    ) -> Result<Vec<u8>, RegistryError> {
        let url = self.blob_url(digest);
        let response = self
            .get(&url, &format!("{}@{digest}", self.name), "*/*", 0)
            .await?;
        let content = self.read(response, &url, MAX_DOCUMENT).await?;
        check(what, &content, digest.clone())?;
        Ok(content)
    }

    pub(super) fn blob_url(&self, digest: &Digest) -> String {
        format!("{}/v2/{}/blobs/{digest}", self.base, self.repository)
    }

    /// The bytes of a blob from `offset` on, if the registry can do that; else from its beginning.
    pub(super) async fn blob(
        &self,
        digest: &Digest,
        offset: u64,
    ) -> Result<Response, RegistryError> {
        let what = format!("{}@{digest}", self.name);
        self.get(&self.blob_url(digest), &what, "*/*", offset).await
    }

    async fn get(
        &self,
        url: &str,
        what: &str,
        accept: &str,
        offset: u64,
    ) -> Result<Response, RegistryError> {
        let token = self.token.lock().await.clone();
        let response = self.send(url, accept, offset, token.as_deref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.judge(response, url, what).await;
        }
        let challenge = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .find_map(|header| challenge::parse(header.to_str().ok()?));
        let Some(challenge) = challenge else {
            return Err(RegistryError::Unauthorized {
                what: what.to_owned(),
            });
        };
        let token = self.renew_token(token, &challenge, what).await?;
        let response = self.send(url, accept, offset, Some(&token)).await?;
        self.judge(response, url, what).await
    }

    async fn send(
        &self,
        url: &str,
        accept: &str,
        offset: u64,
        token: Option<&str>,
    ) -> Result<Response, RegistryError> {
        let mut request = self.client.get(url).header(ACCEPT, accept);
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        if let Some(token) = token {
            // Not sent on to another host: the client drops it there.
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        self.in_time(url, request.send())
            .await?
            .map_err(unreachable_at(url))
    }

    async fn judge(
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

    /// One token at a time: whoever waited for the lock uses what the one before got.
    async fn renew_token(
        &self,
        refused: Option<String>,
        challenge: &Challenge,
        what: &str,
    ) -> Result<String, RegistryError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept
            .as_ref()
            .filter(|token| Some(*token) != refused.as_ref())
        {
            return Ok(token.clone());
        }
        let url = self.token_url(challenge)?;
        let sent = self.client.get(url.clone()).send();
        let response = self
            .in_time(url.as_str(), sent)
            .await?
            .map_err(unreachable_at(url.as_str()))?;
        let response = self.judge(response, url.as_str(), what).await?;
        let answer = self.read(response, url.as_str(), MAX_TOKEN).await?;
        let token = token_of(&answer)?;
        *kept = Some(token.clone());
        Ok(token)
    }

    fn token_url(&self, challenge: &Challenge) -> Result<Url, RegistryError> {
        let mut url: Url = challenge
            .realm
            .parse()
            .map_err(|_| RegistryError::Challenge("its realm is not an address"))?;
        let in_the_clear = url.scheme() != "https";
        if in_the_clear && (url.scheme() != "http" || self.base.starts_with("https://")) {
            return Err(RegistryError::Challenge(
                "its realm is not an https address",
            ));
        }
        let own_scope = format!("repository:{}:pull", self.repository);
        let scope = challenge.scope.as_ref().unwrap_or(&own_scope);
        let mut query = url.query_pairs_mut();
        query.append_pair("scope", scope);
        if let Some(service) = &challenge.service {
            query.append_pair("service", service);
        }
        drop(query);
        Ok(url)
    }

    async fn read(
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

    async fn in_time<T>(
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

fn token_of(answer: &[u8]) -> Result<String, RegistryError> {
    #[derive(serde::Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|_| RegistryError::Challenge("the token server's answer is not JSON"))?;
    let token = answer.token.or(answer.access_token);
    token.ok_or(RegistryError::Challenge("the token server gave no token"))
}

fn unreachable_at(url: &str) -> impl FnOnce(reqwest::Error) -> RegistryError {
    move |error| RegistryError::Unreachable {
        url: url.to_owned(),
        // Without the address, which the message has already.
        source: Arc::new(error.without_url()),
    }
}
