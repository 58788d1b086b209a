//! Programs that give credentials: upstream's credential provider plugins.
//!
//! ```text
//! config P ─► Providers ─► Provider ─► cache P ─► program ─► exchange P
//! ```

mod cache;
mod config;
mod exchange;
mod program;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::docker_config::DockerConfig;
use super::keyring::Keyring;
use super::matching::is_match;
use super::{Credential, CredentialMetrics, Owner, hex};
use crate::sync::Clock;
use cache::Cache;
use config::Settings;
use program::Program;

/// Where the programs and their configuration are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderPlaces {
    /// A file with a CredentialProviderConfig, or a directory of them.
    pub config: PathBuf,
    /// The directory of the programs.
    pub programs: PathBuf,
}

/// Why the programs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// A file or a directory cannot be read.
    #[error("cannot read {} for credential providers", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A directory has no configuration.
    #[error("no configuration files found in directory {}", .0.display())]
    Empty(PathBuf),
    /// The configuration is not one.
    #[error("{}:\n{}", .path.display(), .problems.join("\n"))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// Two of one name.
    #[error("duplicate provider name {0:?} found in configuration file(s)")]
    Duplicate(String),
    /// A program is not there, or cannot be run.
    #[error("plugin binary executable {} did not exist or cannot be executed", .0.display())]
    NoProgram(PathBuf),
}

/// All programs that are configured.
#[derive(Default)]
pub(super) struct Providers(Vec<Provider>);

impl Providers {
    /// Reads the configuration, and looks whether the programs are there.
    pub(super) fn open(
        places: Option<&ProviderPlaces>,
        metrics: CredentialMetrics,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        let Some(places) = places else {
            return Ok(Self(Vec::new()));
        };
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            |source| ProviderError::Read { path, source }
        };
        std::fs::metadata(&places.programs).map_err(unreadable(&places.programs))?;
        let mut hash = Sha256::new();
        let mut all: Vec<Provider> = Vec::new();
        for path in files(&places.config).map_err(unreadable(&places.config))? {
            let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(&bytes);
            let read = config::read(&String::from_utf8_lossy(&bytes));
            let settings = read.map_err(|problems| ProviderError::Invalid { path, problems })?;
            for settings in settings {
                if all.iter().any(|one| one.settings.name == settings.name) {
                    return Err(ProviderError::Duplicate(settings.name));
                }
                let program = Program::find(&places.programs, &settings, &metrics)?;
                all.push(Provider {
                    cache: Mutex::default(),
                    clock: Arc::clone(&clock),
                    settings,
                    program,
                });
            }
        }
        if all.is_empty() {
            return Err(ProviderError::Empty(places.config.clone()));
        }
        metrics.configured(format!("sha256:{}", hex(&hash.finalize())));
        Ok(Self(all))
    }

    /// What the programs give for an image. One that fails gives nothing.
    pub(super) async fn lookup(&self, image: &str) -> Vec<Credential> {
        let mut keyring = Keyring::default();
        for config in join_all(self.0.iter().map(|one| one.provide(image))).await {
            keyring.add(&Owner::Node, &config);
        }
        keyring.lookup(image)
    }
}

/// The file itself, or the files of a directory in the order of their names.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let is_config = path.extension().is_some_and(|extension| {
            extension == "json" || extension == "yaml" || extension == "yml"
        });
        if is_config && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// One program, and what it said.
struct Provider {
    settings: Settings,
    program: Program,
    cache: Mutex<Cache>,
    clock: Arc<dyn Clock>,
}

impl Provider {
    async fn provide(&self, image: &str) -> DockerConfig {
        let mut patterns = self.settings.match_images.iter();
        if !patterns.any(|pattern| is_match(pattern, image)) {
            return DockerConfig::new();
        }
        let now = self.clock.now();
        if let Some(config) = self.cache().find(image, now) {
            return config;
        }
        match self.program.ask(image).await {
            Ok(answer) => {
                let lasts = answer.lasts.unwrap_or(self.settings.default_cache_duration);
                let until = self
                    .clock
                    .now()
                    .checked_add(lasts)
                    .unwrap_or(Timestamp::MAX);
                if !lasts.is_zero() {
                    let mut cache = self.cache();
                    cache.purge(now);
                    cache.keep(answer.scope, image, answer.config.clone(), until);
                }
                answer.config.clone()
            }
            Err(error) => {
                tracing::warn!(
                    provider = self.settings.name,
                    image,
                    error = error.as_ref() as &dyn std::error::Error,
                    "failed to get credentials from a credential provider"
                );
                DockerConfig::new()
            }
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests;
