//! TLS of the server: its certificate, and who its clients are.
//!
//! ```text
//! files, made here when nobody names others ─► identity   the server's certificate, read anew when changed
//!                                          └─► authority  who signs clients' certificates, likewise
//! connection ─► handshake with identity ─► Guest: known by a certificate, or nobody
//! ```
//!
//! A client's certificate is asked for and not needed for the handshake: who has none, or one that the
//! authority does not know, gets an answer (401), as from upstream's kubelet.

mod authority;
mod handshake;
mod identity;
mod made;
mod words;

use std::path::PathBuf;

use crate::certificate::Shelf;

pub(super) use handshake::Handshake;
pub use words::{TlsWords, UnknownWord};

/// What can be chosen about TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where what nobody gives is made and kept.
    pub pki: PathBuf,
    /// The server's certificate and key; without them they are made.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Where one will be that an API server signs, which comes before the others
    /// (`serverTLSBootstrap`); then none is made.
    pub signed: Option<PathBuf>,
    /// The certificates of who signs clients' certificates; without it one is made, with a client's
    /// certificate for the machine's root.
    pub client_ca: Option<PathBuf>,
    /// Versions and cipher suites.
    pub words: TlsWords,
    /// Names and addresses that a made certificate is for.
    pub names: Vec<String>,
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key cannot be made or written.
    #[error("cannot make {file}")]
    Make {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be used.
    #[error("cannot use {file}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// rustls does not take it.
    #[error("cannot serve TLS")]
    Tls(#[from] rustls::Error),
}

/// The files of a server's TLS, made if need be.
#[derive(Clone, Debug)]
struct Files {
    /// Certificates and their keys: the first that is there counts.
    identities: Vec<(PathBuf, PathBuf)>,
    client_ca: PathBuf,
}

impl Files {
    fn of(settings: &TlsSettings) -> Result<Self, TlsError> {
        let mut identities = Vec::new();
        if let Some(pki) = &settings.signed {
            let file = Shelf::of_server(pki).current_file();
            identities.push((file.clone(), file));
        }
        match settings.identity.clone() {
            Some(files) => identities.push(files),
            None if identities.is_empty() => {
                identities.push(made::identity(&settings.pki, &settings.names)?);
            }
            None => {}
        }
        let client_ca = match settings.client_ca.clone() {
            Some(file) => file,
            None => made::client_authority(&settings.pki)?,
        };
        Ok(Self {
            identities,
            client_ca,
        })
    }
}
