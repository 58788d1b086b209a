//! What a program is asked, and what it answers.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::config;
use crate::credential::Login;
use crate::credential::docker_config::DockerConfig;

/// What an answer holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Scope {
    Image,
    Registry,
    Global,
}

/// What a program answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What it holds for.
    pub(super) scope: Scope,
    /// How long it holds, if it says so.
    pub(super) lasts: Option<Duration>,
    /// The logins.
    pub(super) config: DockerConfig,
}

/// Why an answer is none. What stands in it has no business in a message.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum AnswerError {
    #[error(
        "apiVersion from credential plugin response did not match expected apiVersion:{expected}, \
         actual apiVersion:{actual}"
    )]
    Version { expected: String, actual: String },
    #[error("error decoding credential provider plugin response from stdout")]
    Malformed,
}

/// The question about an image.
pub(super) fn question(api_version: &str, image: &str) -> Vec<u8> {
    let question = json!({
        "kind": "CredentialProviderRequest", "apiVersion": api_version, "image": image,
    });
    format!("{question}\n").into_bytes()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Response {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    cache_key_type: Scope,
    cache_duration: Option<config::Duration>,
    #[serde(default)]
    auth: Option<BTreeMap<String, Auth>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// The answer of a program that was asked in this version.
pub(super) fn answer(api_version: &str, bytes: &[u8]) -> Result<Answer, AnswerError> {
    let malformed = |_| AnswerError::Malformed;
    let header: Header = serde_json::from_slice(bytes).map_err(malformed)?;
    if header.api_version != api_version {
        return Err(AnswerError::Version {
            expected: api_version.to_owned(),
            actual: header.api_version,
        });
    }
    let response: Response = serde_json::from_slice(bytes).map_err(malformed)?;
    if header.kind != "CredentialProviderResponse" {
        return Err(AnswerError::Malformed);
    }
    let logins = response.auth.unwrap_or_default().into_iter();
    let login = |auth: Auth| Login::new(&auth.username, &auth.password);
    Ok(Answer {
        scope: response.cache_key_type,
        lasts: response.cache_duration.map(config::Duration::to_std),
        config: logins.map(|(image, auth)| (image, login(auth))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "credentialprovider.kubelet.k8s.io/v1";

    fn response(rest: &str) -> String {
        format!(r#"{{"apiVersion": "{V1}", "kind": "CredentialProviderResponse", {rest}}}"#)
    }

    #[test]
    fn an_answer_is_read() {
        let text = response(
            r#""cacheKeyType": "Registry", "cacheDuration": "5m0s",
               "auth": {"host/*": {"username": "a", "password": "b"}}"#,
        );
        let answer = answer(V1, text.as_bytes()).unwrap();
        assert_eq!(answer.scope, Scope::Registry);
        assert_eq!(answer.lasts, Some(Duration::from_secs(300)));
        assert_eq!(answer.config["host/*"], Login::new("a", "b"));
    }

    #[test]
    fn what_is_no_answer_is_refused_without_being_shown() {
        let rows = [
            response(r#""cacheKeyType": "Pod""#),
            response(r#""cacheKeyType": "Image", "hidden": 1"#),
            response(r#""cacheKeyType": "Image""#).replace("/v1\"", "/v1beta1\""),
            response(r#""cacheKeyType": "Image""#).replace("Response", "Request"),
            "hidden".to_owned(),
        ];
        for text in rows {
            let error = answer(V1, text.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
