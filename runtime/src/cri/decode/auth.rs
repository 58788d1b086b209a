//! Credentials of a pull.

use podling_proto::runtime::v1 as cri;

use super::{DecodeError, invalid};
use crate::image::{Credentials, Login};

const RULE: &str = "base64 of user:password";

/// What a registry is to be shown. A token is more specific than a password, and a password in words
/// than one in `auth`.
pub(crate) fn login(auth: Option<cri::AuthConfig>) -> Result<Login, DecodeError> {
    let cri::AuthConfig {
        username,
        password,
        auth,
        server_address: server,
        identity_token,
        registry_token,
    } = auth.unwrap_or_default();
    let credentials = if !registry_token.is_empty() {
        Credentials::RegistryToken(registry_token)
    } else if !identity_token.is_empty() {
        Credentials::IdentityToken(identity_token)
    } else if !username.is_empty() {
        Credentials::Password { username, password }
    } else if !auth.is_empty() {
        password_of(&auth)?
    } else {
        Credentials::Anonymous
    };
    Ok(Login {
        credentials,
        server,
    })
}

/// The value itself is not repeated in the error: it is a secret.
fn password_of(auth: &str) -> Result<Credentials, DecodeError> {
    let wrong = || invalid("auth.auth", "the value", RULE);
    let bytes = base64(auth.trim()).ok_or_else(wrong)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (username, password) = text.split_once(':').ok_or_else(wrong)?;
    Ok(Credentials::Password {
        username: username.to_owned(),
        // Old clients fill up with zeros.
        password: password.trim_end_matches('\0').to_owned(),
    })
}

/// Standard base64, with or without its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        bits = bits << 6 | u32::from(value(digit)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("eight bits are a byte"));
        }
    }
    // A digit left alone has less than a byte.
    (count < 6).then_some(bytes)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(username: &str, password: &str) -> Credentials {
        Credentials::Password {
            username: username.into(),
            password: password.into(),
        }
    }

    fn credentials(auth: cri::AuthConfig) -> Credentials {
        login(Some(auth)).unwrap().credentials
    }

    #[test]
    fn every_way_to_say_who_asks_is_understood() {
        let mut auth = cri::AuthConfig::default();
        assert_eq!(login(None).unwrap(), Login::default());
        assert_eq!(credentials(auth.clone()), Credentials::Anonymous);
        auth.auth = "dXNlcjpwYXNz".into();
        assert_eq!(credentials(auth.clone()), password("user", "pass"));
        (auth.username, auth.password) = ("me".into(), "p:w".into());
        assert_eq!(credentials(auth.clone()), password("me", "p:w"));
        auth.identity_token = "refresh".into();
        assert_eq!(
            credentials(auth.clone()),
            Credentials::IdentityToken("refresh".into())
        );
        auth.registry_token = "token".into();
        auth.server_address = "r.io".into();
        let found = login(Some(auth)).unwrap();
        assert_eq!(
            found.credentials,
            Credentials::RegistryToken("token".into())
        );
        assert_eq!(found.server, "r.io");
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, username, word) in [
            ("dTpw", "u", "p"),
            ("dTpwdw==", "u", "pw"),
            ("dTpwdw", "u", "pw"),
            ("dTpwdzE=", "u", "pw1"),
            ("dTpwAAA=", "u", "p"),
            ("dTo/fj4/", "u", "?~>?"),
        ] {
            let auth = cri::AuthConfig {
                auth: text.into(),
                ..Default::default()
            };
            assert_eq!(credentials(auth), password(username, word), "{text}");
        }
    }

    #[test]
    fn what_is_no_password_is_refused_without_being_repeated() {
        for text in ["dXNlcg==", "?secret?", "dXNlcjpwYXNzA"] {
            let auth = cri::AuthConfig {
                auth: text.into(),
                ..Default::default()
            };
            let error = login(Some(auth)).unwrap_err().to_string();
            assert!(error.contains("base64") && !error.contains(text), "{error}");
        }
    }
}
