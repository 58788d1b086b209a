//! Public keys of authorities, known by their digests: pure.
#![deny(clippy::disallowed_methods)]

use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::certificate::{Leaf, certificates_of};

/// The digest of an authority's public key: `sha256:` and 64 digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin(String);

/// What is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid hash {0:?}: it is written sha256: and 64 hexadecimal digits, of the public key of the \
     cluster's authority"
)]
pub struct PinError(String);

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let wrong = || PinError(text.to_owned());
        let (kind, digits) = text.split_once(':').ok_or_else(wrong)?;
        let is_digest = digits.len() == 64 && digits.bytes().all(|one| one.is_ascii_hexdigit());
        if !kind.eq_ignore_ascii_case("sha256") || !is_digest {
            return Err(wrong());
        }
        Ok(Self(digits.to_ascii_lowercase()))
    }
}

/// The digests of the public keys of certificates in PEM.
pub(super) fn pins_of(pem: &[u8]) -> Vec<Pin> {
    let leaves = certificates_of(pem);
    let leaves = leaves.iter().filter_map(|one| Leaf::read(one));
    leaves.map(|leaf| of_key(&leaf.public_key)).collect()
}

fn of_key(key: &[u8]) -> Pin {
    let digest = Sha256::digest(key);
    Pin(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}
