//! Keys of pods, of the type that they ask for, and what shows that somebody has one.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, SignatureAlgorithm,
};

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
    let key = KeyPair::generate_for(algorithm)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    Ok(Proof {
        key: key.serialize_pem(),
        request: request.der().to_vec(),
    })
}
