//! Asks the API server whose a token is, and what somebody may do; answers hold for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::client::Client;
use crate::server::{ReviewError, Reviewer, User, Wish};

const TOKENS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// How many answers are kept of each kind.
const MOST: usize = 1024;

/// How long answers hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReviewTimes {
    /// Whose a token is.
    pub(crate) tokens: Duration,
    /// A yes.
    pub(crate) allowed: Duration,
    /// A no.
    pub(crate) forbidden: Duration,
}

/// Asks the API server.
pub(crate) struct ApiReviewer {
    client: Client,
    node: String,
    times: ReviewTimes,
    /// By the hash of the token, which is nobody's to keep.
    tokens: Answers<[u8; 32], Option<User>>,
    access: Answers<(User, Wish), bool>,
}

impl ApiReviewer {
    /// One that knows no answer yet.
    pub(crate) fn new(client: Client, node: &str, times: ReviewTimes) -> Self {
        Self {
            client,
            node: node.to_owned(),
            times,
            tokens: Answers::default(),
            access: Answers::default(),
        }
    }

    async fn ask_whose(&self, token: &str) -> Result<Option<User>, ReviewError> {
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.tokens.get(&key) {
            return Ok(known);
        }
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token },
        });
        let answer = self.client.create(TOKENS, &review).await.map_err(unknown)?;
        let user = user_in(&answer["status"]);
        self.tokens.keep(key, user.clone(), self.times.tokens);
        Ok(user)
    }

    async fn ask_access(&self, user: &User, wish: &Wish) -> Result<bool, ReviewError> {
        let key = (user.clone(), wish.clone());
        if let Some(known) = self.access.get(&key) {
            return Ok(known);
        }
        let extra: Map<String, Value> = user
            .extra
            .iter()
            .map(|(name, values)| (name.clone(), values.clone().into()))
            .collect();
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user.name,
                "uid": user.uid,
                "groups": user.groups,
                "extra": extra,
                "resourceAttributes": {
                    "verb": wish.verb,
                    "version": "v1",
                    "resource": "nodes",
                    "subresource": wish.subresource,
                    "name": self.node,
                },
            },
        });
        let answer = self.client.create(ACCESS, &review).await.map_err(unknown)?;
        let may = answer["status"]["allowed"] == true;
        let time = if may {
            self.times.allowed
        } else {
            self.times.forbidden
        };
        self.access.keep(key, may, time);
        Ok(may)
    }
}

impl Reviewer for ApiReviewer {
    fn user_of<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>> {
        self.ask_whose(token).boxed()
    }

    fn may<'a>(
        &'a self,
        user: &'a User,
        wish: &'a Wish,
    ) -> BoxFuture<'a, Result<bool, ReviewError>> {
        self.ask_access(user, wish).boxed()
    }
}

fn unknown(error: super::client::ApiError) -> ReviewError {
    ReviewError(error.to_string())
}

fn user_in(status: &Value) -> Option<User> {
    if status["authenticated"] != true {
        return None;
    }
    let user = &status["user"];
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(|one| one.as_str().map(str::to_owned))
            .collect()
    };
    let text = |field: &str| user[field].as_str().unwrap_or_default().to_owned();
    let extra = user["extra"].as_object().into_iter().flatten();
    Some(User {
        name: text("username"),
        uid: text("uid"),
        groups: texts(&user["groups"]),
        extra: extra
            .map(|(name, values)| (name.clone(), texts(values)))
            .collect(),
    })
}

/// Answers that hold for a while.
struct Answers<K, V>(Mutex<HashMap<K, (V, Instant)>>);

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let kept = self.0.lock().expect("no holder of this lock can panic");
        let (answer, until) = kept.get(key)?;
        (*until > Instant::now()).then(|| answer.clone())
    }

    fn keep(&self, key: K, answer: V, time: Duration) {
        let mut kept = self.0.lock().expect("no holder of this lock can panic");
        let now = Instant::now();
        if kept.len() >= MOST {
            kept.retain(|_, (_, until)| *until > now);
        }
        // As many as that do not come but by somebody's will.
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(key, (answer, now + time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_holds_for_its_time_and_not_too_many_are_kept() {
        let answers = Answers::default();
        answers.keep(1, "yes", Duration::from_secs(10));
        assert_eq!(answers.get(&1), Some("yes"));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(answers.get(&1), None);
        for key in 0..=MOST {
            answers.keep(key, "no", Duration::from_secs(10));
        }
        assert!(answers.0.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn a_user_is_only_in_a_review_that_knows_him() {
        let status =
            json!({ "authenticated": true, "user": { "username": "me", "groups": ["g"] } });
        assert_eq!(user_in(&status).unwrap().groups, ["g"]);
        assert_eq!(
            user_in(&json!({ "authenticated": false, "user": { "username": "me" } })),
            None
        );
    }
}
