//! Objects that pods refer to by name: decoded and validated once, at their source.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{
    CsiDriver, PersistentVolume, PersistentVolumeClaim, PodCertificate, TrustBundle, TrustBundles,
};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// Configuration that anybody may read.
    ConfigMap,
    /// Configuration that not everybody may read.
    Secret,
    /// Room that outlives pods.
    PersistentVolume,
    /// What asks for such room.
    PersistentVolumeClaim,
    /// A way of running pods.
    RuntimeClass,
    /// A driver of volumes.
    CsiDriver,
    /// What shows a pod's service account to others.
    ServiceAccountToken,
    /// Authorities that may be trusted; without a name all that there are.
    ClusterTrustBundle,
    /// A certificate of a pod's own.
    PodCertificate,
}

impl ObjectKind {
    /// The kind in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::PersistentVolume => "PersistentVolume",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::RuntimeClass => "RuntimeClass",
            Self::CsiDriver => "CSIDriver",
            Self::ServiceAccountToken => "ServiceAccountToken",
            Self::ClusterTrustBundle => "ClusterTrustBundle",
            Self::PodCertificate => "PodCertificate",
        }
    }

    /// The word in messages of what is not there.
    fn resource(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
            Self::PersistentVolume => "persistentvolume",
            Self::PersistentVolumeClaim => "persistentvolumeclaim",
            Self::RuntimeClass => "runtimeclass.node.k8s.io",
            Self::CsiDriver => "csidriver.storage.k8s.io",
            Self::ServiceAccountToken => "serviceaccount",
            Self::ClusterTrustBundle => "clustertrustbundle.certificates.k8s.io",
            Self::PodCertificate => "podcertificate",
        }
    }
}

/// What tells one object from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// What it is.
    pub kind: ObjectKind,
    /// Where its name counts; empty for kinds whose names count everywhere.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The object of a kind, a namespace and a name.
    pub fn new(kind: ObjectKind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// All the bundles of authorities that there are.
    pub fn trust_bundles() -> Self {
        Self::new(ObjectKind::ClusterTrustBundle, "", "")
    }
}

/// `ConfigMap default/web`, `PersistentVolume disk`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_str();
        if self.namespace.is_empty() {
            write!(f, "{kind} {}", self.name)
        } else {
            write!(f, "{kind} {}/{}", self.namespace, self.name)
        }
    }
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// Configuration that anybody may read.
    ConfigMap(Arc<ConfigMap>),
    /// Configuration that not everybody may read.
    Secret(Arc<Secret>),
    /// Room that outlives pods.
    PersistentVolume(Arc<PersistentVolume>),
    /// What asks for such room.
    PersistentVolumeClaim(Arc<PersistentVolumeClaim>),
    /// A way of running pods.
    RuntimeClass(Arc<RuntimeClass>),
    /// A driver of volumes.
    CsiDriver(Arc<CsiDriver>),
    /// What shows a pod's service account to others.
    Token(Token),
    /// Authorities that may be trusted.
    TrustBundle(Arc<TrustBundle>),
    /// All of them.
    TrustBundles(Arc<TrustBundles>),
    /// A certificate of a pod's own.
    PodCertificate(PodCertificate),
}

/// What shows a pod's service account to others.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: Arc<str>,
    expires: Arc<str>,
}

impl Token {
    /// The token itself, and when it expires, as the API server says it.
    pub fn new(text: &str, expires: &str) -> Self {
        Self {
            text: text.into(),
            expires: expires.into(),
        }
    }

    /// The token itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When it expires.
    pub fn expires(&self) -> &str {
        &self.expires
    }
}

/// It has no business in a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Which token is meant; the name of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Of which service account.
    pub account: String,
    /// For whom; empty for the API server.
    pub audience: String,
    /// How long it shall be good.
    pub seconds: u64,
}

impl TokenRequest {
    /// The key of such a token in a namespace: `account/seconds/audience`.
    pub fn key(&self, namespace: &str) -> ObjectKey {
        let Self {
            account,
            audience,
            seconds,
        } = self;
        let name = format!("{account}/{seconds}/{audience}");
        ObjectKey::new(ObjectKind::ServiceAccountToken, namespace, &name)
    }

    /// What a key asks for.
    pub fn of(key: &ObjectKey) -> Self {
        let mut parts = key.name.splitn(3, '/');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let (account, seconds, audience) = (next(), next(), next());
        Self {
            account,
            audience,
            seconds: seconds.parse().unwrap_or(3600),
        }
    }
}

/// A way of running pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeClass {
    /// The runtime's name for it.
    pub handler: String,
    /// What a pod takes beside its containers, as it is written.
    pub overhead: BTreeMap<String, String>,
}

/// Configuration that anybody may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// Texts by key.
    pub data: BTreeMap<String, String>,
    /// Bytes by key; no key is in both.
    pub binary_data: BTreeMap<String, Vec<u8>>,
}

impl ConfigMap {
    /// What is under a key, text or not.
    pub fn bytes(&self, key: &str) -> Option<&[u8]> {
        let text = self.data.get(key).map(String::as_bytes);
        text.or_else(|| self.binary_data.get(key).map(Vec::as_slice))
    }

    /// Every key with what is under it.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let texts = self
            .data
            .iter()
            .map(|(key, text)| (key.as_str(), text.as_bytes()));
        let others = self
            .binary_data
            .iter()
            .map(|(key, bytes)| (key.as_str(), bytes.as_slice()));
        texts.chain(others)
    }
}

/// Configuration that not everybody may read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// Its UID; empty when its manifest says none.
    pub uid: String,
    /// What it is for; the field `type` of its manifest.
    pub kind: String,
    /// Bytes by key.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl Secret {
    /// The kind of those with docker's `config.json`.
    pub const DOCKER_CONFIG_JSON: &str = "kubernetes.io/dockerconfigjson";
    /// Where that is.
    pub const DOCKER_CONFIG_JSON_KEY: &str = ".dockerconfigjson";
    /// The kind of those with docker's `.dockercfg`.
    pub const DOCKER_CFG: &str = "kubernetes.io/dockercfg";
    /// Where that is.
    pub const DOCKER_CFG_KEY: &str = ".dockercfg";
}

/// Its keys alone: what is under them has no business in a log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.data.keys()).finish()
    }
}

/// An object that is not there.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{} {:?} not found", .0.kind.resource(), .0.name)]
pub struct ObjectNotFound(pub ObjectKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_is_named_as_an_api_server_names_it() {
        let missing = |kind| ObjectNotFound(ObjectKey::new(kind, "default", "web")).to_string();
        assert_eq!(
            missing(ObjectKind::ConfigMap),
            "configmap \"web\" not found"
        );
        assert_eq!(missing(ObjectKind::Secret), "secret \"web\" not found");
    }

    #[test]
    fn a_token_is_known_by_what_is_asked_for() {
        let request = TokenRequest {
            account: "default".to_owned(),
            audience: "https://vault/".to_owned(),
            seconds: 600,
        };
        let key = request.key("shop");
        assert_eq!(TokenRequest::of(&key), request);
        assert_eq!(format!("{:?}", Token::new("hunter2", "")), "Token");
    }

    #[test]
    fn what_a_secret_holds_is_never_printed() {
        let secret = Secret {
            data: BTreeMap::from([("password".to_owned(), b"hunter2".to_vec())]),
            ..Secret::default()
        };
        assert_eq!(format!("{secret:?}"), "{\"password\"}");
    }
}
