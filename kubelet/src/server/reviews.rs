//! Whose a token is, and what somebody may do: asked of who knows. Who that is, is decided elsewhere.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::Method;

use super::attributes::{Attributes, attributes};

/// Somebody, as a cluster knows him.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// His name.
    pub name: String,
    /// His UID; may be empty.
    pub uid: String,
    /// What he belongs to.
    pub groups: Vec<String>,
    /// What else is known of him.
    pub extra: Vec<(String, Vec<String>)>,
}

impl User {
    /// Who has not said who he is.
    pub(super) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..Self::default()
        }
    }
}

/// What somebody wants to do with the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    /// For instance `get`.
    pub verb: &'static str,
    /// Below the node, for instance `metrics`.
    pub subresource: &'static str,
}

/// Why nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// Knows whose tokens are, and who may do what.
pub trait Reviewer: Send + Sync + 'static {
    /// Whose a token is; nobody's if it is none.
    fn user_of<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>>;

    /// Whether a user may do this.
    fn may<'a>(
        &'a self,
        user: &'a User,
        wish: &'a Wish,
    ) -> BoxFuture<'a, Result<bool, ReviewError>>;
}

/// Who is asked what.
#[derive(Clone, Default)]
pub struct Reviews {
    /// Whose tokens are (`authentication.webhook.enabled`); nobody is known by one without it.
    pub tokens: Option<Arc<dyn Reviewer>>,
    /// Who may do what (`authorization.mode: Webhook`); whoever is let in may do all without it.
    pub access: Option<Arc<dyn Reviewer>>,
}

impl fmt::Debug for Reviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviews")
            .field("tokens", &self.tokens.is_some())
            .field("access", &self.access.is_some())
            .finish()
    }
}

/// Whether what is asked is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// With the words of upstream's kubelet.
    Forbidden(String),
    /// It is not known; with the same.
    Unknown(String),
}

impl Reviews {
    /// Whether a user may do what he asks for: any of the ways to put it will do.
    pub(super) async fn may(&self, user: &User, method: &Method, path: &str) -> Verdict {
        let Some(access) = &self.access else {
            return Verdict::Allowed;
        };
        let Attributes { verb, subresources } = attributes(method, path);
        let mut is_unknown = false;
        for subresource in &subresources {
            let wish = Wish { verb, subresource };
            match access.may(user, &wish).await {
                Ok(true) => return Verdict::Allowed,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, user = user.name, "nobody knows what a client may do");
                    is_unknown = true;
                }
            }
        }
        let name = &user.name;
        let asked = format!(
            "(user={name}, verb={verb}, resource=nodes, subresource(s)=[{}])",
            subresources.join(" ")
        );
        match is_unknown {
            true => Verdict::Unknown(format!("Authorization error {asked}")),
            false => Verdict::Forbidden(format!("Forbidden {asked}")),
        }
    }
}
