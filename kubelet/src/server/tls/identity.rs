//! The server's certificate, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::TlsError;
use super::authority::{Version, version};

/// The certificate with its key; what is read last holds until its files can be read again.
#[derive(Debug)]
pub(super) struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Mutex<(Version, Arc<CertifiedKey>)>,
}

impl Identity {
    pub(super) fn open(
        certificate: &Path,
        key: &Path,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let versions = version(&[certificate, key]);
        let read = read(certificate, key, provider)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider: Arc::clone(provider),
            current: Mutex::new((versions, Arc::new(read))),
        })
    }

    /// The certificate as the files have it now.
    fn current(&self) -> Arc<CertifiedKey> {
        let mut current = self
            .current
            .lock()
            .expect("no holder of this lock can panic");
        let now = version(&[&self.certificate, &self.key]);
        if now != current.0 {
            // Not tried again before they change again: half of a pair is followed by the other.
            current.0 = now;
            match read(&self.certificate, &self.key, &self.provider) {
                Ok(read) => {
                    info!(file = %self.certificate.display(), "the server's certificate is a new one");
                    current.1 = Arc::new(read);
                }
                Err(error) => warn!(%error, "the server keeps its old certificate"),
            }
        }
        Arc::clone(&current.1)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn read(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::File {
        file: key.to_owned(),
        source,
    };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(error.into()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| failed(error.into()))
}

/// Every certificate of a PEM file; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::File {
        file: file.to_owned(),
        source,
    };
    let all = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.into()))?;
    let all: Vec<_> = all
        .collect::<Result<_, _>>()
        .map_err(|error| failed(error.into()))?;
    if all.is_empty() {
        return Err(failed("it holds no certificate in PEM".into()));
    }
    Ok(all)
}
