//! The two forms of docker's file of logins.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD_INDIFFERENT};
use serde::Deserialize;

use super::Login;

/// Logins by the registry, or the part of it, that they are for, as it was written.
pub(crate) type DockerConfig = BTreeMap<String, Login>;

/// Why a text is not such a file. What stands in it has no business in a message.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// It is not JSON, or JSON of something else.
    #[error("line {line}, column {column}: not a docker configuration in JSON")]
    NotOne { line: usize, column: usize },
    /// A login cannot be read.
    #[error("the auth of {0:?} must be the base64 of NAME:PASSWORD")]
    Auth(String),
}

impl From<serde_json::Error> for ConfigError {
    fn from(error: serde_json::Error) -> Self {
        Self::NotOne {
            line: error.line(),
            column: error.column(),
        }
    }
}

#[derive(Deserialize)]
struct ConfigJson {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    email: Option<String>,
    auth: Option<String>,
}

/// Reads `config.json`, and Secrets of the type `kubernetes.io/dockerconfigjson`.
pub(crate) fn read_json(bytes: &[u8]) -> Result<DockerConfig, ConfigError> {
    let config: ConfigJson = serde_json::from_slice(bytes)?;
    logins(config.auths.unwrap_or_default())
}

/// Reads `.dockercfg`, and Secrets of the type `kubernetes.io/dockercfg`.
pub(crate) fn read_cfg(bytes: &[u8]) -> Result<DockerConfig, ConfigError> {
    let config: Option<BTreeMap<String, Option<Entry>>> = serde_json::from_slice(bytes)?;
    logins(config.unwrap_or_default())
}

fn logins(entries: BTreeMap<String, Option<Entry>>) -> Result<DockerConfig, ConfigError> {
    let entries = entries.into_iter();
    entries
        .map(|(registry, entry)| {
            let login = login(entry.unwrap_or_default());
            let login = login.ok_or_else(|| ConfigError::Auth(registry.clone()))?;
            Ok((registry, login))
        })
        .collect()
}

/// The field `auth` goes before the other two.
fn login(entry: Entry) -> Option<Login> {
    let mut login = Login {
        username: entry.username.unwrap_or_default(),
        password: entry.password.unwrap_or_default(),
        email: entry.email.unwrap_or_default(),
    };
    if let Some(auth) = entry.auth.filter(|auth| !auth.is_empty()) {
        let text = decode(&auth)?;
        let (username, password) = text.split_once(':')?;
        username.clone_into(&mut login.username);
        password.clone_into(&mut login.password);
    }
    Some(login)
}

/// With padding or without; line ends in between count for nothing.
fn decode(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !"\r\n".contains(*c)).collect();
    let bytes = GeneralPurpose::new(&STANDARD, NO_PAD_INDIFFERENT)
        .decode(text)
        .ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        // The base64 of user:pa:ss.
        let entries = r#"{"a": {"auth": "dXNlcjpwYTpzcw=="}, "b": {"auth": "dXNlcjpwYTpzcw"},
            "c": {"username": "user", "password": "pa:ss"},
            "d": {"username": "other", "password": "x", "auth": "dXNlcjpwYTpzcw=="}}"#;
        let cfg = read_cfg(entries.as_bytes()).unwrap();
        let json = format!(r#"{{"auths": {entries}, "credsStore": "x"}}"#);
        assert_eq!(read_json(json.as_bytes()).unwrap(), cfg);
        assert_eq!(cfg.len(), 4);
        assert!(cfg.values().all(|one| *one == Login::new("user", "pa:ss")));
    }

    #[test]
    fn what_is_empty_has_no_logins() {
        for text in ["{}", r#"{"auths": null}"#, r#"{"auths": {}}"#] {
            assert_eq!(read_json(text.as_bytes()), Ok(DockerConfig::new()));
        }
    }

    #[test]
    fn an_error_does_not_show_what_it_is_about() {
        for text in [
            r#"{"auths": {"a": {"auth": "hidden!"}}}"#,
            r#"{"auths": {"a": "hidden"}}"#,
            r#"{"auths": {"a": {"auth": "aGlkZGVu"}}}"#,
            "hidden",
        ] {
            let error = read_json(text.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
