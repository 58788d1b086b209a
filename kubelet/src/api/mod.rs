//! The API server of a cluster, and all that only a node of a cluster does. Nothing of it runs, or is
//! waited for, on a node that stands alone.
//!
//! ```text
//! kubeconfig ─► client ─► reflect (list, watch) ─┐
//!                 │                              ├─► node   the Node, its status, its lease
//!                 │                              ├─► pods   what shall run here, and what became of it
//!                 │                              ├─► signing  the node's certificates
//!                 │                              ├─► objects, services   what pods refer to, and are told of
//!                 └── get, patch, create ────────┴─► events, review
//! ```
//!
//! What is to be told is decided by pure files (`plan`), and told by thin ones beside them.

mod backoff;
mod client;
mod csi;
mod events;
pub mod join;
mod kubeconfig;
mod node;
mod objects;
mod pods;
mod reflect;
mod review;
mod services;
mod signing;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use client::Client;
pub(crate) use csi::{ApiAttachments, ApiClaims, DriverKeeper, DriverLimits, NodeVolumes};
pub(crate) use events::EventPoster;
pub use kubeconfig::KubeconfigError;
pub(crate) use node::{LeaseKeeper, NodeWishes, Registrar, RegistrarParts};
pub(crate) use objects::{ApiObjects, ApiObjectsParts, Asked, Detection};
pub(crate) use pods::{ApiSource, RemotePods, StatusKeeper, StatusKeeperParts};
pub(crate) use review::{ApiReviewer, ReviewTimes};
pub(crate) use services::Services;
pub(crate) use signing::{Keeper, KeeperParts, Renewal, WishSource};

use crate::metrics::CertificateMetrics;
use crate::model::ObjectKind;
use kubeconfig::Kubeconfig;

/// How a cluster is joined.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Where the API server is, and what it is shown.
    pub(crate) kubeconfig: PathBuf,
    /// Where it is, and what it is shown, while the node has no certificate (`--bootstrap-kubeconfig`).
    pub(crate) bootstrap: Option<PathBuf>,
    /// Where the node's certificates are kept (`--cert-dir`).
    pub(crate) pki: PathBuf,
    /// Whether its client certificate is replaced in time (`rotateCertificates`).
    pub(crate) renewal: Renewal,
    /// Requests in a second (`kubeAPIQPS`); 0 for any number.
    pub(crate) qps: u32,
    /// Requests after a rest (`kubeAPIBurst`).
    pub(crate) burst: u32,
    /// Events in a second, and after a rest (`eventRecordQPS`, `eventBurst`).
    pub(crate) events: (u32, u32),
    /// What is asked of it for the server's sake.
    pub(crate) reviews: ReviewSettings,
    /// How changes of ConfigMaps and Secrets are noticed (`configMapAndSecretChangeDetectionStrategy`).
    pub(crate) detection: Detection,
    /// Kinds of objects that no pod gets, and the feature gate that keeps them back.
    pub(crate) closed: BTreeMap<ObjectKind, &'static str>,
    /// What is chosen about the Node.
    pub(crate) node: NodeWishes,
}

/// What is asked for the server's sake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReviewSettings {
    /// Whether whose tokens are is asked (`authentication.webhook.enabled`).
    pub(crate) tokens: bool,
    /// Whether who may do what is asked (`authorization.mode: Webhook`).
    pub(crate) access: bool,
    /// How long answers hold.
    pub(crate) times: ReviewTimes,
}

/// Why a cluster cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {file} ({flag})")]
    Read {
        /// Which.
        file: PathBuf,
        /// Who names it.
        flag: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is read, and no use.
    #[error("cannot use the kubeconfig")]
    Kubeconfig(#[from] KubeconfigError),
    /// It cannot be written.
    #[error("cannot write the kubeconfig {file} (--kubeconfig)")]
    Write {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A client of the API server that the settings name, for the node of this name, and who keeps the
/// certificate that it shows, if somebody has to.
pub(crate) fn connect(
    settings: &ClusterSettings,
    node: &str,
    metrics: &CertificateMetrics,
) -> Result<(Client, Option<Keeper>), JoinError> {
    let signing::Entry { client, keeper } = signing::enter(settings, node, metrics)?;
    Ok((client, keeper))
}

fn read_kubeconfig(file: &Path, flag: &'static str) -> Result<Kubeconfig, JoinError> {
    let text = std::fs::read_to_string(file).map_err(|source| JoinError::Read {
        file: file.to_owned(),
        flag,
        source,
    })?;
    Ok(kubeconfig::read(file, &text)?)
}
