//! The kubelet's read-only HTTP: pods and logs.

mod address;
mod http;
mod log_query;
pub(crate) mod pod;

use std::net::SocketAddr;
use std::path::PathBuf;

use hyper::Response;
use hyper::body::Incoming;
use podling_runtime::layout::Layout;

use address::AddressError;
pub(crate) use address::file as address_file;
use http::HttpError;
pub(crate) use http::next_chunk;
pub(crate) use log_query::LogQuery;
use pod::Pod;

/// Why the kubelet did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubeletError {
    /// It is not known where it listens.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It does not answer, though it once said where it listens.
    #[error("the kubelet that wrote {file} does not answer: is `podling up` still running?")]
    Silent {
        /// The file with its address.
        file: PathBuf,
        /// Why.
        source: HttpError,
    },
    /// It refused, in these words.
    #[error("the kubelet answers: {0}")]
    Refused(String),
    /// The answer broke off or is not what was expected.
    #[error("cannot read the kubelet's answer")]
    Answer(#[source] HttpError),
}

/// The kubelet of one root.
#[derive(Clone, Debug)]
pub(crate) struct Kubelet {
    file: PathBuf,
    address: SocketAddr,
}

impl Kubelet {
    /// Finds out where the kubelet of this root listens.
    pub(crate) fn of(layout: &Layout) -> Result<Self, KubeletError> {
        let file = address::file(layout);
        let address = address::read(&file)?;
        Ok(Self { file, address })
    }

    /// Whether it says that it is well.
    pub(crate) async fn health(&self) -> Result<(), KubeletError> {
        self.get("/healthz").await.map(drop)
    }

    /// Every pod that the kubelet knows.
    pub(crate) async fn pods(&self) -> Result<Vec<Pod>, KubeletError> {
        let answer = self.get("/pods").await?;
        let body = http::whole(answer).await.map_err(KubeletError::Answer)?;
        pod::decode_list(&body).map_err(|error| KubeletError::Answer(HttpError::Json(error)))
    }

    /// A log, as a body that grows while it is followed.
    pub(crate) async fn logs(&self, query: &LogQuery) -> Result<Response<Incoming>, KubeletError> {
        self.get(&query.path()).await
    }

    async fn get(&self, path: &str) -> Result<Response<Incoming>, KubeletError> {
        let answer =
            http::get(self.address, path)
                .await
                .map_err(|source| KubeletError::Silent {
                    file: self.file.clone(),
                    source,
                })?;
        let status = answer.status();
        if status.is_success() {
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
