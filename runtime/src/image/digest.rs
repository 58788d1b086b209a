//! Content digests: `sha256:` or `sha512:` and the hexadecimal of a hash.
//!
//! A digest read from a document names a file on disk later, so only the two known algorithms with
//! exactly their number of lower-case digits are accepted.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// The hash of some content.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Why a text is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a digest: sha256: or sha512: and its lower-case hexadecimal is expected")]
pub struct InvalidDigest(pub String);

impl Digest {
    /// The SHA-256 of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(&sha2::Sha256::digest(content))))
    }

    /// The whole text, algorithm included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits after the algorithm.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// A hasher of the same algorithm, to check content against this digest.
    pub fn hasher(&self) -> Hasher {
        if self.0.starts_with("sha512:") {
            Hasher::Sha512(sha2::Sha512::new())
        } else {
            Hasher::sha256()
        }
    }

    /// Whether `content` hashes to this digest; the digest it has instead when it does not.
    pub fn check(&self, content: &[u8]) -> Result<(), Digest> {
        let mut hasher = self.hasher();
        hasher.update(content);
        match hasher.finish() {
            got if got == *self => Ok(()),
            got => Err(got),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let digits = match text.split_once(':') {
            Some(("sha256", digits)) if digits.len() == 64 => digits,
            Some(("sha512", digits)) if digits.len() == 128 => digits,
            _ => return Err(InvalidDigest(text)),
        };
        if digits
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            Ok(Self(text))
        } else {
            Err(InvalidDigest(text))
        }
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::try_from(text.to_owned())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes content as it streams by.
#[derive(Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(sha2::Sha256),
    /// SHA-512.
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// A SHA-256 hasher.
    pub fn sha256() -> Self {
        Self::Sha256(sha2::Sha256::new())
    }

    /// Takes in the next piece of the content.
    pub fn update(&mut self, content: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(content),
            Self::Sha512(hasher) => hasher.update(content),
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest(format!("sha256:{}", hex(&hasher.finalize()))),
            Self::Sha512(hasher) => Digest(format!("sha512:{}", hex(&hasher.finalize()))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
    }

    #[test]
    fn only_whole_lower_case_digests_of_known_algorithms_are_read() {
        let upper = EMPTY.to_uppercase();
        for text in [
            "",
            "sha256:",
            &EMPTY[..70],
            &upper,
            "md5:00",
            "sha256:../../etc/passwd",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        assert!(EMPTY.parse::<Digest>().is_ok());
        assert!(
            format!("sha512:{}", "0".repeat(128))
                .parse::<Digest>()
                .is_ok()
        );
    }

    #[test]
    fn a_mismatch_tells_what_the_content_has_instead() {
        let wanted = Digest::of(b"wanted");
        assert_eq!(wanted.check(b"wanted"), Ok(()));
        assert_eq!(wanted.check(b"other"), Err(Digest::of(b"other")));
    }
}
