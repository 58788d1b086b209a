//! Who signs clients' certificates, read again when the file changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tracing::warn;

use super::TlsError;
use super::identity::certificates;

/// When files were changed last, and how long they are; nothing for one that is not there.
pub(super) type Version = Vec<Option<(SystemTime, u64)>>;

/// How files are now.
pub(super) fn version(files: &[&Path]) -> Version {
    let of = |file: &&Path| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(of).collect()
}

/// Who signs clients' certificates.
#[derive(Debug)]
pub(super) struct Authority {
    file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Mutex<(Version, Arc<dyn ClientCertVerifier>)>,
}

impl Authority {
    pub(super) fn open(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let versions = version(&[file]);
        let verifier = read(file, provider)?;
        Ok(Self {
            file: file.to_owned(),
            provider: Arc::clone(provider),
            current: Mutex::new((versions, verifier)),
        })
    }

    /// Whether it has signed the certificate, which is first in its chain, and it is valid now.
    pub(super) fn knows(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((certificate, intermediates)) = chain.split_first() else {
            return false;
        };
        let verdict =
            self.current()
                .verify_client_cert(certificate, intermediates, UnixTime::now());
        if let Err(error) = &verdict {
            warn!(%error, "a client's certificate is not accepted");
        }
        verdict.is_ok()
    }

    pub(super) fn current(&self) -> Arc<dyn ClientCertVerifier> {
        let mut current = self
            .current
            .lock()
            .expect("no holder of this lock can panic");
        let now = version(&[&self.file]);
        if now != current.0 {
            current.0 = now;
            match read(&self.file, &self.provider) {
                Ok(verifier) => current.1 = verifier,
                Err(error) => warn!(%error, "clients are known by the old certificates"),
            }
        }
        Arc::clone(&current.1)
    }
}

fn read(
    file: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::File {
        file: file.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| failed(error.into()))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let verifier = verifier.map_err(|error| failed(error.into()))?;
    Ok(verifier)
}
