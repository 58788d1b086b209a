//! What a registry is shown so that it gives an image away.
//!
//! ```text
//! Secrets of the pod ───► secrets ──┐
//! config.json of the node ─► node ──┼─► Keyring ─► lookup ─► credentials, in the order of trying
//! programs ──────► provider ────────┘
//! ```
//!
//! `docker_config`, `keyring`, `matching` and `secrets` are pure. A password is never printed.

mod docker_config;
mod keyring;
mod matching;
mod metrics;
mod node;
mod provider;
mod secrets;
mod wallet;

use std::fmt;

use sha2::{Digest, Sha256};

use crate::cri;

pub(crate) use docker_config::{read_cfg, read_json};
pub use metrics::CredentialMetrics;
pub use node::DockerFiles;
pub use provider::{ProviderError, ProviderPlaces};
pub use secrets::PullSecret;
pub use wallet::Wallet;

/// A name and a password, as a registry takes them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
    /// Nobody reads it any more, but it is part of the hash that other kubelets know.
    email: String,
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.username)
    }
}

impl Login {
    /// A name and its password.
    pub(crate) fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            email: String::new(),
        }
    }

    /// What tells it from others without giving it away: SHA-256 of the JSON that Go writes.
    fn hash(&self) -> String {
        let fields = [
            ("username", &self.username),
            ("password", &self.password),
            ("email", &self.email),
        ];
        let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
        let fields: Vec<_> = fields
            .map(|(name, text)| format!("\"{name}\":{}", serde_json::Value::from(text.as_str())))
            .collect();
        let json = format!("{{{}}}", fields.join(","))
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        hex(&Sha256::digest(json.as_bytes()))
    }
}

impl From<&Login> for cri::Login {
    fn from(login: &Login) -> Self {
        Self {
            username: login.username.clone(),
            password: login.password.clone(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who may use a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Every pod of the node.
    Node,
    /// Pods that refer to this Secret.
    Secret(SecretName),
}

/// Which Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; empty for one of a manifest that says none.
    pub uid: String,
}

/// Something to show, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What is shown.
    pub login: Login,
    /// What tells it from others.
    pub hash: String,
    /// Who may use it.
    pub owner: Owner,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_has_the_hash_that_other_kubelets_give_it() {
        // Of {"username":"a","password":"b\u003cc"}.
        let login = Login::new("a", "b<c");
        let json = br#"{"username":"a","password":"b\u003cc"}"#;
        assert_eq!(login.hash(), hex(&Sha256::digest(json)));
        assert_ne!(login.hash(), Login::new("a", "b").hash());
    }

    #[test]
    fn a_password_is_not_printed() {
        assert!(!format!("{:?}", Login::new("a", "hidden")).contains("hidden"));
    }
}
