//! HTTPS: clients are known by certificates that the cluster's authority has signed, or by tokens. Who
//! has neither is anonymous, and may read how to join.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use http::Method;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::address::Address;
use super::der::{Subject, subject_of_certificate};
use super::signing::{Authority, REQUESTS};

/// Who has connected.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// Somebody with a certificate that is good.
    Known(Subject),
    /// Somebody with one that is not.
    Impostor,
    /// Somebody without one.
    Nobody,
}

/// Listens with TLS.
pub(super) struct SecureListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl SecureListener {
    pub(super) fn new(listener: TcpListener, authority: &Authority) -> Self {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem.as_bytes());
        roots
            .add(root.expect("it is PEM"))
            .expect("it is an authority");
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .expect("there is a root");
        let (certificate, key) = authority.server();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("it is PEM");
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_client_cert_verifier(Arc::new(Asking(provider)))
            .with_single_cert(vec![certificate.expect("it is PEM")], key)
            .expect("they belong together");
        Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            verifier,
        }
    }

    fn peer(&self, stream: &TlsStream<TcpStream>) -> Peer {
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let Some((first, others)) = chain.split_first() else {
            return Peer::Nobody;
        };
        let verdict = self
            .verifier
            .verify_client_cert(first, others, UnixTime::now());
        match (verdict, subject_of_certificate(first)) {
            (Ok(_), Some(subject)) => Peer::Known(subject),
            _ => Peer::Impostor,
        }
    }
}

impl Listener for SecureListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                continue;
            };
            // One at a time will do here: a client that only connects is not waited for.
            let shaken = timeout(Duration::from_secs(2), self.acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                let peer = self.peer(&stream);
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Nobody)
    }
}

impl Connected<IncomingStream<'_, SecureListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, SecureListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// What those may do who are no nodes yet: whether `user` may do this.
pub(super) fn may(user: &str, method: &Method, address: &Address) -> bool {
    let is_map = |namespace: &str, name: &str| {
        *method == Method::GET
            && address.resource == "configmaps"
            && address.namespace == namespace
            && address.name.as_deref() == Some(name)
    };
    match user {
        "system:anonymous" => is_map("kube-public", "cluster-info"),
        user if user.starts_with("system:bootstrap:") => {
            let is_request = address.resource == REQUESTS && address.subresource.is_none();
            let is_node = *method == Method::GET && address.resource == "nodes";
            is_request || is_node || is_map("kube-system", "kubelet-config")
        }
        _ => true,
    }
}

/// Asks for a certificate, and leaves it to [`SecureListener::peer`] what it is worth: as of a real API
/// server, the answer to a bad one is 401.
#[derive(Debug)]
struct Asking(Arc<CryptoProvider>);

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
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
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
