//! The Secrets that a pod refers to as its logins.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use super::docker_config::{ConfigError, read_cfg, read_json};
use super::keyring::Keyring;
use super::{Owner, SecretName};
use crate::model::Secret;

/// A Secret that a pod refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSecret {
    /// Which.
    pub name: SecretName,
    /// What it holds.
    pub secret: Arc<Secret>,
}

/// All their logins. One of another type has none.
pub(super) fn keyring(secrets: &[PullSecret]) -> Result<Keyring, ConfigError> {
    let mut keyring = Keyring::default();
    for PullSecret { name, secret } in secrets {
        let config = match (secret.kind.as_str(), &secret.data) {
            (Secret::DOCKER_CONFIG_JSON, data) => data
                .get(Secret::DOCKER_CONFIG_JSON_KEY)
                .filter(|bytes| !bytes.is_empty())
                .map(|bytes| read_json(bytes)),
            (Secret::DOCKER_CFG, data) => data
                .get(Secret::DOCKER_CFG_KEY)
                .filter(|bytes| !bytes.is_empty())
                .map(|bytes| read_cfg(bytes)),
            _ => None,
        };
        if let Some(config) = config {
            keyring.add(&Owner::Secret(name.clone()), &config?);
        }
    }
    Ok(keyring)
}
