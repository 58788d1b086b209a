//! Keys of pods, of the type that they ask for, and what shows that somebody has one.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, SignatureAlgorithm,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// A new key, and a request that it has signed and that says nothing.
pub(super) struct Proof {
    /// The key, as PEM.
    pub(super) key: String,
    /// The request, as DER.
    pub(super) request: Vec<u8>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProofError {
    /// Such keys cannot be made here.
    #[error(
        "keys of the type {0} cannot be made by this kubelet: ECDSAP256, ECDSAP384 and ED25519 can"
    )]
    Type(String),
    /// The machine gives no randomness, or refuses to sign.
    #[error("cannot make a key of the type {kind}")]
    Make {
        kind: String,
        #[source]
        source: rcgen::Error,
    },
}

impl Proof {
    /// A key of this type; it takes the processor for a while.
    pub(super) fn make(kind: &str) -> Result<Self, ProofError> {
        let algorithm = algorithm(kind).ok_or_else(|| ProofError::Type(kind.to_owned()))?;
        signed(algorithm).map_err(|source| ProofError::Make {
            kind: kind.to_owned(),
            source,
        })
    }
}

fn algorithm(kind: &str) -> Option<&'static SignatureAlgorithm> {
    match kind {
        "ECDSAP256" => Some(&PKCS_ECDSA_P256_SHA256),
        "ECDSAP384" => Some(&PKCS_ECDSA_P384_SHA384),
        "ED25519" => Some(&PKCS_ED25519),
        _ => None,
    }
}

fn signed(algorithm: &'static SignatureAlgorithm) -> Result<Proof, rcgen::Error> {
    let key = in_first_version(KeyPair::generate_for(algorithm)?)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    Ok(Proof {
        key: key.serialize_pem(),
        request: request.der().to_vec(),
    })
}

/// The same key as programs read it: ring writes those of ED25519 in the second version of PKCS #8, with the
/// public half (RFC 5958), which openssl 3.0 does not know. Upstream writes the first (RFC 8410).
fn in_first_version(key: KeyPair) -> Result<KeyPair, rcgen::Error> {
    /// What stands before the secret half in the first version; in the second it is as long.
    const BEFORE: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    const SECRET: usize = 32;
    if !key.is_compatible(&PKCS_ED25519) {
        return Ok(key);
    }
    let second = key.serialized_der();
    let secret = second.get(BEFORE.len()..BEFORE.len() + SECRET);
    let secret = secret.ok_or(rcgen::Error::CouldNotParseKeyPair)?;
    let first = PrivatePkcs8KeyDer::from([&BEFORE[..], secret].concat());
    KeyPair::from_pkcs8_der_and_sign_algo(&first, &PKCS_ED25519)
}
