//! Everything that can be shown for an image: the pod's, then the node's, then the programs'.

use std::sync::Arc;

use super::docker_config::ConfigError;
use super::keyring::Keyring;
use super::provider::{ProviderError, ProviderPlaces, Providers};
use super::secrets::{PullSecret, keyring};
use super::{Credential, CredentialMetrics, DockerFiles, Owner};
use crate::sync::Clock;

/// Has what registries are shown.
#[derive(Default)]
pub struct Wallet {
    files: DockerFiles,
    providers: Providers,
}

impl Wallet {
    /// A wallet with the logins of these files, and of these programs, if there are any.
    pub fn open(
        files: DockerFiles,
        places: Option<&ProviderPlaces>,
        metrics: CredentialMetrics,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            files,
            providers: Providers::open(places, metrics, clock)?,
        })
    }

    /// What fits an image, whose name is whole and has neither tag nor digest, in the order in which
    /// it is to be tried.
    pub(crate) async fn lookup(
        &self,
        image: &str,
        secrets: &[PullSecret],
    ) -> Result<Vec<Credential>, ConfigError> {
        let mut found = keyring(secrets)?.lookup(image);
        found.extend(self.of_node(image).await);
        found.extend(self.providers.lookup(image).await);
        Ok(found)
    }

    async fn of_node(&self, image: &str) -> Vec<Credential> {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        let mut keyring = Keyring::default();
        keyring.add(&Owner::Node, &read.unwrap_or_default());
        keyring.lookup(image)
    }
}
