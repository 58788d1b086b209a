//! Finds a cluster: what it says of itself is taken only from who proves that he may say it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::pin::{Pin, pins_of};
use super::{BootstrapToken, Discovery, Found};
use crate::api::client::{ApiError, Client, Pace};
use crate::api::kubeconfig::{self, Kubeconfig, KubeconfigError, Material, User};

const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

/// How long, and how often, a cluster is asked that does not answer or has not signed yet, as kubeadm
/// has it.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
const PAUSE: Duration = Duration::from_secs(5);

/// Why no cluster was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It does not answer, or does not tell.
    #[error("failed to request the cluster-info ConfigMap of {server}")]
    Ask {
        /// Where.
        server: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It says nothing.
    #[error(
        "there is no kubeconfig key in the cluster-info ConfigMap. This API Server isn't set up for \
         token bootstrapping, can't connect"
    )]
    Silent,
    /// Nobody has signed with this token.
    #[error(
        "token id {0:?} is invalid for this cluster or it has expired. Use \"kubeadm token create\" on \
         the control-plane node to create a new valid token"
    )]
    Unsigned(String),
    /// Somebody without the secret has.
    #[error(
        "failed to verify JWS signature of received cluster info object, can't trust this API Server: \
         the secret after the point of the token is another one"
    )]
    Forged,
    /// The authority is not the one that was pinned.
    #[error(
        "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys {found:?} are \
         pinned (--discovery-token-ca-cert-hash)"
    )]
    Pin {
        /// The digests that it has.
        found: Vec<String>,
    },
    /// It says something else to who trusts its authority.
    #[error(
        "the second kubeconfig from the cluster-info ConfigMap (using validated TLS) was different from \
         the first"
    )]
    Changed,
    /// What it says, or a file says, is no use.
    #[error("cannot use what is said of the cluster")]
    Kubeconfig(#[from] KubeconfigError),
    /// A file cannot be read.
    #[error("cannot read {file} (--discovery-file)")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A page cannot be read.
    #[error("cannot read {url} (--discovery-file)")]
    Page {
        /// Which.
        url: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl DiscoveryError {
    /// Whether it may be otherwise a little later.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Ask { .. } | Self::Unsigned(_))
    }
}

/// Who is told that the cluster is asked again, and why.
pub type Waiting<'a> = &'a (dyn Fn(&DiscoveryError) + Sync);

/// Finds the cluster.
pub async fn discover(
    discovery: &Discovery,
    waiting: Waiting<'_>,
) -> Result<Found, DiscoveryError> {
    let kubeconfig = match discovery {
        Discovery::Token {
            endpoint,
            token,
            pins,
        } => by_token(endpoint, (token, pins), waiting).await?,
        Discovery::File(file) => {
            let text = std::fs::read_to_string(file).map_err(|source| DiscoveryError::Read {
                file: file.clone(),
                source,
            })?;
            kubeconfig::read_cluster(file, &text)?
        }
        Discovery::Page(url) => {
            let text = page(url).await.map_err(|source| DiscoveryError::Page {
                url: url.clone(),
                source,
            })?;
            kubeconfig::read_cluster(Path::new(url), &text)?
        }
    };
    Ok(Found { kubeconfig })
}

async fn page(url: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let client = crate::api::client::plain()?;
    let answer = client.get(url).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}

async fn by_token(
    endpoint: &str,
    (token, pins): (&BootstrapToken, &[Pin]),
    waiting: Waiting<'_>,
) -> Result<Kubeconfig, DiscoveryError> {
    let mut nobody = Kubeconfig {
        server: format!("https://{endpoint}"),
        authority: None,
        insecure: true,
        user: User::default(),
    };
    let first = signed_info(&nobody, token, waiting).await?;
    let said = kubeconfig::read_cluster(Path::new("cluster-info"), &first)?;
    if pins.is_empty() {
        return Ok(said);
    }
    let pem = match &said.authority {
        Some(Material::Data(pem)) => pem.clone(),
        _ => Vec::new(),
    };
    let found = pins_of(&pem);
    if !found.iter().any(|one| pins.contains(one)) {
        let found = found.iter().map(ToString::to_string).collect();
        return Err(DiscoveryError::Pin { found });
    }
    // Now that it is known whom to trust, he is asked himself.
    nobody.insecure = false;
    nobody.authority = said.authority.clone();
    let second = signed_info(&nobody, token, waiting).await?;
    match second == first {
        true => Ok(said),
        false => Err(DiscoveryError::Changed),
    }
}

/// The kubeconfig of cluster-info, once it is signed.
async fn signed_info(
    of: &Kubeconfig,
    token: &BootstrapToken,
    waiting: Waiting<'_>,
) -> Result<String, DiscoveryError> {
    let client = Client::new(of.clone(), Pace::new(0, 0));
    let deadline = Instant::now() + PATIENCE;
    let mut is_told = false;
    loop {
        let answer = client.get(CLUSTER_INFO).await;
        let error = match read_info(answer, &of.server, token) {
            Ok(text) => return Ok(text),
            Err(error) if !error.may_pass() || Instant::now() > deadline => return Err(error),
            Err(error) => error,
        };
        if !std::mem::replace(&mut is_told, true) {
            waiting(&error);
        }
        sleep(PAUSE).await;
    }
}

fn read_info(
    answer: Result<Value, ApiError>,
    server: &str,
    token: &BootstrapToken,
) -> Result<String, DiscoveryError> {
    let map = answer.map_err(|source| DiscoveryError::Ask {
        server: server.to_owned(),
        source: source.into(),
    })?;
    let text = |key: &str| map["data"][key].as_str().filter(|text| !text.is_empty());
    let kubeconfig = text("kubeconfig").ok_or(DiscoveryError::Silent)?;
    let signature = text(&format!("jws-kubeconfig-{}", token.id()));
    let unsigned = || DiscoveryError::Unsigned(token.id().to_owned());
    match token.has_signed(signature.ok_or_else(unsigned)?, kubeconfig) {
        true => Ok(kubeconfig.to_owned()),
        false => Err(DiscoveryError::Forged),
    }
}
