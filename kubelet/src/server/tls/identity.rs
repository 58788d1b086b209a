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

/// Certificates with their keys, of which the first that is there counts; what was read last holds until
/// its files can be read again.
#[derive(Debug)]
pub(super) struct Identity {
    files: Vec<(PathBuf, PathBuf)>,
    provider: Arc<CryptoProvider>,
    current: Mutex<(Version, Option<Arc<CertifiedKey>>)>,
}

/// Whether a server may begin without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It may not.
    WithCertificate,
    /// Somebody will sign one: until then no handshake succeeds.
    Awaiting,
}

impl Identity {
    pub(super) fn open(
        files: Vec<(PathBuf, PathBuf)>,
        beginning: Beginning,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let versions = versions(&files);
        let read = match (read_first(&files, provider), beginning) {
            (Ok(read), _) => Some(Arc::new(read)),
            (Err(error), Beginning::WithCertificate) => return Err(error),
            (Err(_), Beginning::Awaiting) => {
                info!("no serving certificate available for the kubelet yet");
                None
            }
        };
        Ok(Self {
            files,
            provider: Arc::clone(provider),
            current: Mutex::new((versions, read)),
        })
    }

    /// The certificate as the files have it now.
    fn current(&self) -> Option<Arc<CertifiedKey>> {
        let mut current = self
            .current
            .lock()
            .expect("no holder of this lock can panic");
        let now = versions(&self.files);
        if now != current.0 {
            // Not tried again before they change again: half of a pair is followed by the other.
            current.0 = now;
            match read_first(&self.files, &self.provider) {
                Ok(read) => {
                    info!("the server's certificate is a new one");
                    current.1 = Some(Arc::new(read));
                }
                Err(error) => warn!(%error, "the server keeps its old certificate"),
            }
        }
        current.1.clone()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}

fn versions(files: &[(PathBuf, PathBuf)]) -> Version {
    let all = files
        .iter()
        .flat_map(|(certificate, key)| [certificate, key]);
    version(&all.map(PathBuf::as_path).collect::<Vec<_>>())
}

/// The first that is there; of the last one it is told why it cannot be read.
fn read_first(
    files: &[(PathBuf, PathBuf)],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let there = files.iter().find(|(certificate, _)| certificate.exists());
    let (certificate, key) = there
        .or(files.last())
        .expect("a server has a certificate, or a place for one");
    read(certificate, key, provider)
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
