//! The record of one image: who may have it, by the names that it was pulled by.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::credential::{Credential, Owner};

const VERSION: &str = "kubelet.config.k8s.io/v1beta1";

/// With so many Secrets no more are kept that merely fit.
const MOST_SECRETS: usize = 100;

/// A pull that goes on, or was going on when a kubelet ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Intent {
    kind: String,
    api_version: String,
    /// The image as a pod names it.
    pub(super) image: String,
}

impl Intent {
    pub(super) fn new(image: &str) -> Self {
        Self {
            kind: "ImagePullIntent".to_owned(),
            api_version: VERSION.to_owned(),
            image: image.to_owned(),
        }
    }
}

/// An image that a kubelet has pulled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    kind: String,
    api_version: String,
    last_updated_time: Time,
    /// The runtime's id of it.
    pub(super) image_ref: String,
    /// By name without tag and digest: who may have it. A name that is missing was pulled with nobody
    /// knows what.
    #[serde(
        rename = "credentialMapping",
        default,
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(super) access: BTreeMap<String, Access>,
}

/// Who may have an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Access {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kubernetes_secrets: Vec<Secret>,
    /// Of kubelets in a cluster; here nobody has one to show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kubernetes_service_accounts: Vec<serde_json::Value>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    node_pods_accessible: bool,
}

/// A Secret that an image was pulled with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    namespace: String,
    name: String,
    uid: String,
    credential_hash: String,
}

/// In what a Secret is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// It is the same in everything.
    pub(super) is_same: bool,
}

impl Secret {
    /// The Secret that a credential stands in, if it is one's.
    pub(super) fn of(credential: &Credential) -> Option<Self> {
        match &credential.owner {
            Owner::Node => None,
            Owner::Secret(one) => Some(Self {
                namespace: one.namespace.clone(),
                name: one.name.clone(),
                uid: one.uid.clone(),
                credential_hash: credential.hash.clone(),
            }),
        }
    }

    fn is_same_object(&self, other: &Self) -> bool {
        (&self.namespace, &self.name, &self.uid) == (&other.namespace, &other.name, &other.uid)
    }
}

impl Access {
    /// Every pod of the node.
    pub(super) fn free() -> Self {
        Self {
            node_pods_accessible: true,
            ..Self::default()
        }
    }

    /// Pods with this Secret.
    pub(super) fn of_secret(secret: Secret) -> Self {
        Self {
            kubernetes_secrets: vec![secret],
            ..Self::default()
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.node_pods_accessible
    }

    pub(super) fn has_secrets(&self) -> bool {
        !self.kubernetes_secrets.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.kubernetes_secrets.len() < MOST_SECRETS
    }

    /// Whether the image was pulled with what this Secret holds, or with this Secret when it held
    /// something else.
    pub(super) fn knows(&self, secret: &Secret) -> Option<Known> {
        let fits = |one: &&Secret| {
            one.credential_hash == secret.credential_hash || one.is_same_object(secret)
        };
        let mut fitting = self.kubernetes_secrets.iter().filter(fits).peekable();
        fitting.peek()?;
        Some(Known {
            is_same: fitting.any(|one| one == secret),
        })
    }

    /// Whether anything changed.
    fn merge(&mut self, other: Self) -> bool {
        if self.node_pods_accessible {
            return false;
        }
        if other.node_pods_accessible {
            *self = Self::free();
            return true;
        }
        let before = self.kubernetes_secrets.clone();
        for secret in other.kubernetes_secrets {
            self.kubernetes_secrets
                .retain(|one| !one.is_same_object(&secret));
            self.kubernetes_secrets.push(secret);
        }
        self.kubernetes_secrets.sort();
        self.kubernetes_secrets != before
    }
}

impl Record {
    /// A record that says nothing of who may have the image.
    pub(super) fn new(id: &str, now: Timestamp) -> Self {
        Self {
            kind: "ImagePulledRecord".to_owned(),
            api_version: VERSION.to_owned(),
            last_updated_time: whole_seconds(now),
            image_ref: id.to_owned(),
            access: BTreeMap::new(),
        }
    }

    /// Adds who may have it by this name; whether anything changed.
    pub(super) fn add(&mut self, name: &str, access: Access, now: Timestamp) -> bool {
        let is_changed = match self.access.get_mut(name) {
            Some(known) => known.merge(access),
            None => {
                self.access.insert(name.to_owned(), access);
                true
            }
        };
        if is_changed {
            self.last_updated_time = whole_seconds(now);
        }
        is_changed
    }
}

/// As Kubernetes writes moments.
fn whole_seconds(moment: Timestamp) -> Time {
    Time(Timestamp::from_second(moment.as_second()).unwrap_or(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, hash: &str) -> Secret {
        Secret {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            credential_hash: hash.to_owned(),
        }
    }

    #[test]
    fn a_record_is_written_as_other_kubelets_write_it() {
        let mut record = Record::new("sha256:1", Timestamp::UNIX_EPOCH);
        record.add("nginx", Access::free(), Timestamp::UNIX_EPOCH);
        let one = Access::of_secret(secret("login", "ab"));
        record.add("quay.io/app", one, Timestamp::UNIX_EPOCH);
        let expected = r#"{"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1beta1","lastUpdatedTime":"1970-01-01T00:00:00Z","imageRef":"sha256:1","credentialMapping":{"nginx":{"nodePodsAccessible":true},"quay.io/app":{"kubernetesSecrets":[{"namespace":"default","name":"login","uid":"","credentialHash":"ab"}]}}}"#;
        let written = serde_json::to_value(&record).unwrap();
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(written, expected);
        let read: Record = serde_json::from_value(expected).unwrap();
        assert_eq!(read, record);
    }

    #[test]
    fn who_may_have_an_image_only_grows() {
        let mut access = Access::of_secret(secret("a", "1"));
        assert!(!access.merge(Access::of_secret(secret("a", "1"))));
        assert!(access.merge(Access::of_secret(secret("a", "2"))));
        assert!(access.merge(Access::of_secret(secret("b", "3"))));
        assert_eq!(access.kubernetes_secrets.len(), 2);
        assert!(access.merge(Access::free()));
        assert!(!access.merge(Access::of_secret(secret("c", "4"))));
        assert!(access.is_free());
    }

    #[test]
    fn a_secret_is_known_by_what_it_holds_or_by_its_name() {
        let access = Access::of_secret(secret("a", "1"));
        let rows = [
            (secret("a", "1"), Some(true)),
            (secret("b", "1"), Some(false)),
            (secret("a", "2"), Some(false)),
            (secret("b", "2"), None),
        ];
        for (one, expected) in rows {
            assert_eq!(
                access.knows(&one).map(|known| known.is_same),
                expected,
                "{one:?}"
            );
        }
    }
}
