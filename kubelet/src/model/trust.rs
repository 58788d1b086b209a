//! Whom the programs of a pod trust, and what shows others who a pod is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{LabelSelector, ObjectKey, ObjectKind, StringMap};

/// Authorities that belong together, and who stands for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundle {
    /// The signer that they are of; empty for none.
    pub signer: String,
    /// What it is selected by.
    pub labels: StringMap,
    /// The DER of each certificate.
    pub anchors: Vec<Vec<u8>>,
}

/// Every bundle that there is, by its name.
pub type TrustBundles = BTreeMap<String, Arc<TrustBundle>>;

/// Which bundles a pod wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustWish {
    /// The one of this name.
    Named(String),
    /// Those of a signer whose labels are selected; without a selector there are none.
    Signed {
        /// The signer.
        signer: String,
        /// What their labels must be.
        labels: Option<LabelSelector>,
    },
}

/// The certificate of a pod: which source of which of its volumes asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateWish {
    /// The volume's name.
    pub volume: String,
    /// The source's place in it.
    pub source: usize,
}

impl CertificateWish {
    /// The key of such a certificate in a namespace, for the pod that looks it up: `volume/source`.
    pub fn key(&self, namespace: &str) -> ObjectKey {
        let name = format!("{}/{}", self.volume, self.source);
        ObjectKey::new(ObjectKind::PodCertificate, namespace, &name)
    }

    /// What a key asks for.
    pub fn of(key: &ObjectKey) -> Option<Self> {
        let (volume, source) = key.name.split_once('/')?;
        Some(Self {
            volume: volume.to_owned(),
            source: source.parse().ok()?,
        })
    }
}

/// A key that nobody else has, and who says whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct PodCertificate {
    /// The private key, as PEM.
    pub key: Arc<str>,
    /// The certificate and those above it, as PEM.
    pub chain: Arc<str>,
}

/// The key has no business in a log.
impl fmt::Debug for PodCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PodCertificate")
    }
}
