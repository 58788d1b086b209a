//! The handshake with a client, and what it tells about him.

use std::io;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::authority::Authority;
use super::identity::{Beginning, Identity};
use super::{Files, TlsError, TlsSettings};
use crate::certificate::Leaf;
use crate::server::guest::Guest;
use crate::server::reviews::User;

/// Shakes hands; a clone is the same.
#[derive(Clone)]
pub(in crate::server) struct Handshake {
    acceptor: TlsAcceptor,
    authority: Arc<Authority>,
}

impl Handshake {
    pub(in crate::server) fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let files = Files::of(settings)?;
        let provider = Arc::new(settings.words.provider());
        let beginning = match settings.signed {
            Some(_) => Beginning::Awaiting,
            None => Beginning::WithCertificate,
        };
        let identity = Identity::open(files.identities, beginning, &provider)?;
        let authority = Arc::new(Authority::open(&files.client_ca, &provider)?);
        let asking = Asking {
            hints: authority.current().root_hint_subjects().to_vec(),
            provider: Arc::clone(&provider),
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(settings.words.versions())?
            .with_client_cert_verifier(Arc::new(asking))
            .with_cert_resolver(Arc::new(identity));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self {
            acceptor,
            authority,
        })
    }

    /// Shakes hands over a connection.
    pub(in crate::server) async fn shake(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Guest)> {
        let stream = self.acceptor.accept(stream).await?;
        let guest = match stream.get_ref().1.peer_certificates() {
            Some(chain) if self.authority.knows(chain) => known(chain),
            Some(_) => Guest::Impostor,
            None => Guest::Nobody,
        };
        Ok((stream, guest))
    }
}

/// A certificate without a name is nobody's.
fn known(chain: &[CertificateDer<'_>]) -> Guest {
    let leaf = chain
        .first()
        .and_then(|certificate| Leaf::read(certificate));
    let Some(leaf) = leaf.filter(|leaf| !leaf.name.is_empty()) else {
        return Guest::Impostor;
    };
    let mut user = User {
        name: leaf.name,
        groups: leaf.groups,
        ..User::default()
    };
    user.groups.push("system:authenticated".to_owned());
    Guest::Known(Arc::new(user))
}

/// Asks for a certificate, and leaves it to [`Authority`] whether it is worth anything: a handshake
/// that fails would tell a client nothing. That the client has its key is proven here.
#[derive(Debug)]
struct Asking {
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
