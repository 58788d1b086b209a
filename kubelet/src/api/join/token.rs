//! Bootstrap tokens, and what is signed with them: pure.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// A bootstrap token, `abcdef.0123456789abcdef`.
#[derive(Clone, PartialEq, Eq)]
pub struct BootstrapToken {
    id: String,
    secret: String,
}

/// The secret has no business in a log.
impl fmt::Debug for BootstrapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootstrapToken({})", self.id)
    }
}

/// What is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the bootstrap token is not of the form ID.SECRET, with 6 and 16 of the characters a-z and 0-9: \
     `kubeadm token create` makes one"
)]
pub struct TokenError;

impl FromStr for BootstrapToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (id, secret) = text.split_once('.').ok_or(TokenError)?;
        let is_plain = |part: &str, length: usize| {
            let mut bytes = part.bytes();
            part.len() == length && bytes.all(|one| matches!(one, b'a'..=b'z' | b'0'..=b'9'))
        };
        if !is_plain(id, 6) || !is_plain(secret, 16) {
            return Err(TokenError);
        }
        Ok(Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
        })
    }
}

impl BootstrapToken {
    /// The part that is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole of it.
    pub fn secret(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }

    /// Whether a signature without its content (RFC 7515, appendix F) is of this content, by who knows
    /// the token.
    pub(super) fn has_signed(&self, signature: &str, content: &str) -> bool {
        let Some((head, mac)) = signature.split_once("..") else {
            return false;
        };
        let decoded = URL_SAFE_NO_PAD.decode(head).ok();
        let decoded = decoded.and_then(|json| serde_json::from_slice(&json).ok());
        let said: serde_json::Value = decoded.unwrap_or_default();
        let Ok(mac) = URL_SAFE_NO_PAD.decode(mac) else {
            return false;
        };
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(content));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        said["alg"] == "HS256"
            && said["kid"] == self.id.as_str()
            && hmac::verify(&key, signed.as_bytes(), &mac).is_ok()
    }
}
