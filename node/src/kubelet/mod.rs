//! The kubelet's HTTP, over its socket: objects and their changes, logs, and streams into pods.

mod http;
mod log_query;
pub(crate) mod pod;
pub(crate) mod query;
mod socket;
mod watch;
pub(crate) mod websocket;

use std::path::PathBuf;

use hyper::Response;
use hyper::body::Incoming;
use podling_runtime::layout::Layout;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use http::HttpError;
pub(crate) use http::next_chunk;
pub(crate) use log_query::LogQuery;
use pod::Pod;
pub(crate) use query::Path;
pub(crate) use socket::{address_file, socket};
pub(crate) use watch::Watch;
use websocket::{Receiver, Sender};

use crate::resource::Resource;

/// Why the kubelet did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubeletError {
    /// It does not answer.
    #[error(transparent)]
    Silent(HttpError),
    /// It refused, in these words.
    #[error("the kubelet answers: {0}")]
    Refused(String),
    /// The answer broke off or is not what was expected.
    #[error("cannot read the kubelet's answer")]
    Answer(#[source] HttpError),
    /// It agreed to stream, and the connection broke.
    #[error("the stream broke")]
    Stream(#[source] hyper::Error),
}

/// The kubelet of one root.
#[derive(Clone, Debug)]
pub(crate) struct Kubelet {
    socket: PathBuf,
}

impl Kubelet {
    /// The kubelet of this root.
    pub(crate) fn of(layout: &Layout) -> Self {
        Self {
            socket: socket(layout),
        }
    }

    /// Whether it says that it is well.
    pub(crate) async fn health(&self) -> Result<(), KubeletError> {
        self.get("/healthz", &[]).await.map(drop)
    }

    /// Every pod that the kubelet knows.
    pub(crate) async fn pods(&self) -> Result<Vec<Pod>, KubeletError> {
        let answer = self.get("/pods", &[]).await?;
        let body = http::whole(answer).await.map_err(KubeletError::Answer)?;
        pod::decode_list(&body).map_err(|error| KubeletError::Answer(HttpError::Json(error)))
    }

    /// A JSON object.
    pub(crate) async fn object<T: DeserializeOwned>(&self, path: &str) -> Result<T, KubeletError> {
        let answer = self.get(path, &[]).await?;
        let body = http::whole(answer).await.map_err(KubeletError::Answer)?;
        serde_json::from_slice(&body).map_err(|error| KubeletError::Answer(HttpError::Json(error)))
    }

    /// Every object of a kind.
    pub(crate) async fn objects(&self, resource: Resource) -> Result<Vec<Value>, KubeletError> {
        let mut answer: Value = self.object(resource.path()).await?;
        if resource == Resource::Nodes {
            return Ok(vec![answer]);
        }
        let items = answer["items"].take();
        Ok(serde_json::from_value(items).unwrap_or_default())
    }

    /// The objects of a kind, and then each change of them.
    pub(crate) async fn watch(&self, resource: Resource) -> Result<Watch, KubeletError> {
        let path = format!("{}?watch=true&allowWatchBookmarks=true", resource.path());
        self.get(&path, &[]).await.map(Watch::new)
    }

    /// A log, as a body that grows while it is followed.
    pub(crate) async fn logs(&self, query: &LogQuery) -> Result<Response<Incoming>, KubeletError> {
        self.get(query.path().as_str(), &[]).await
    }

    /// A WebSocket of a protocol.
    pub(crate) async fn stream(
        &self,
        path: &Path,
        protocol: &str,
    ) -> Result<(Sender, Receiver), KubeletError> {
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", websocket::KEY),
            ("Sec-WebSocket-Protocol", protocol),
        ];
        let mut answer = self.get(path.as_str(), &headers).await?;
        let upgraded = hyper::upgrade::on(&mut answer).await;
        upgraded
            .map(websocket::halves)
            .map_err(KubeletError::Stream)
    }

    async fn get(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, KubeletError> {
        let answer = http::get(&self.socket, path, headers).await;
        let answer = answer.map_err(KubeletError::Silent)?;
        Self::taken(answer, headers).await
    }

    /// Posts something as JSON; the answer is JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        object: &impl Serialize,
    ) -> Result<T, KubeletError> {
        let json = |error| KubeletError::Answer(HttpError::Json(error));
        let body = serde_json::to_vec(object).map_err(json)?;
        let answer = http::post(&self.socket, path, body).await;
        let answer = Self::taken(answer.map_err(KubeletError::Silent)?, &[]).await?;
        let body = http::whole(answer).await.map_err(KubeletError::Answer)?;
        serde_json::from_slice(&body).map_err(json)
    }

    /// The answer, unless it is a refusal.
    async fn taken(
        answer: Response<Incoming>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, KubeletError> {
        let status = answer.status();
        let wants_upgrade = !headers.is_empty();
        let is_agreed = status == hyper::StatusCode::SWITCHING_PROTOCOLS;
        if (status.is_success() && !wants_upgrade) || (is_agreed && wants_upgrade) {
            return Ok(answer);
        }
        let body = http::whole(answer).await.map_err(KubeletError::Answer)?;
        let words = String::from_utf8_lossy(&body).trim().to_owned();
        Err(KubeletError::Refused(if words.is_empty() {
            status.to_string()
        } else {
            words
        }))
    }
}
