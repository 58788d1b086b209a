//! Tokens of service accounts, each bound to a pod, and asked for anew before it expires.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Seen;
use super::told::Told;
use crate::api::backoff::Backoff;
use crate::api::client::{ApiError, Client};
use crate::model::{Object, Token, TokenRequest};

/// A token is not used for longer, as upstream has it.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokens for one pod.
pub(super) struct Tokens {
    pub(super) client: Client,
    pub(super) pod: Option<Arc<core::Pod>>,
    pub(super) told: Told,
}

impl Tokens {
    /// Has a token until `end`.
    pub(super) async fn follow(self, end: CancellationToken) {
        // A request that is given up has told nobody.
        end.run_until_cancelled(self.renew()).await;
    }

    async fn renew(&self) {
        let mut backoff = Backoff::new();
        loop {
            match self.ask().await {
                Ok(answer) => {
                    backoff.rest();
                    self.told.there(Object::Token(token_of(&answer)));
                    sleep(lasts(&answer, Timestamp::now())).await;
                }
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "a pod has no new token"
                    );
                    // The one before is better than nothing.
                    if !self.told.has_one() {
                        self.told.say(match error.is_not_found() {
                            true => Seen::Missing,
                            false => Seen::Wrong(error.to_string()),
                        });
                    }
                    sleep(backoff.next()).await;
                }
            }
        }
    }

    async fn ask(&self) -> Result<Value, ApiError> {
        let TokenRequest {
            account,
            audience,
            seconds,
        } = TokenRequest::of(&self.told.key);
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{account}/token",
            self.told.key.namespace
        );
        let audiences: Vec<_> = Some(audience)
            .into_iter()
            .filter(|one| !one.is_empty())
            .collect();
        let metadata = self.pod.as_ref().map(|pod| &pod.metadata);
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": metadata.and_then(|one| one.name.clone()),
                    "uid": metadata.and_then(|one| one.uid.clone()),
                },
            },
        });
        self.client.create(&path, &request).await
    }
}

/// The token of an answer.
fn token_of(answer: &Value) -> Token {
    let token = answer["status"]["token"].as_str().unwrap_or_default();
    let expires = answer["status"]["expirationTimestamp"].as_str();
    Token::new(token, expires.unwrap_or_default())
}

/// How long a token is used: no longer than a day, and no longer than four fifths of its time. When it
/// expires is told by the server's clock, which may be another: its time counts from when it came.
fn lasts(answer: &Value, now: Timestamp) -> Duration {
    let seconds = answer["spec"]["expirationSeconds"].as_u64();
    let whole = match seconds {
        Some(seconds) => Duration::from_secs(seconds),
        None => {
            let expires = answer["status"]["expirationTimestamp"].as_str();
            let expires = expires.and_then(|text| text.parse::<Timestamp>().ok());
            expires.map_or(LONGEST, |expires| {
                Duration::try_from(expires.duration_since(now)).unwrap_or_default()
            })
        }
    };
    (whole / 5 * 4).clamp(Duration::from_secs(10), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_when_a_fifth_of_its_time_is_left_whatever_the_servers_clock_says() {
        let hours = |count: u64| json!(count * 3600);
        let rows = [
            (hours(1), "1970-01-01T01:00:00Z", 2880),
            (hours(1), "1970-01-01T00:00:00Z", 2880),
            (hours(1), "1970-01-01T02:00:00Z", 2880),
            (hours(365 * 24), "1971-01-01T00:00:00Z", 24 * 3600),
            (json!(5), "1970-01-01T01:00:00Z", 10),
            (json!(null), "1970-01-01T01:00:00Z", 2880),
        ];
        for (asked, expires, expected) in rows {
            let answer = json!({
                "spec": { "expirationSeconds": asked },
                "status": { "expirationTimestamp": expires },
            });
            assert_eq!(
                lasts(&answer, Timestamp::UNIX_EPOCH).as_secs(),
                expected,
                "{answer}"
            );
        }
    }
}
