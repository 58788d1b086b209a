//! Who asks the server, and whether he is let in.
//!
//! ```text
//! certificate, token, nothing ─► User ─► may he? ─► the route
//!        └─ unknown: 401          └─ no: 403
//! ```

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use tracing::warn;

use super::refusal::Refusal;
use super::reviews::{Reviews, User, Verdict};

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guest {
    /// Root on this machine.
    Root,
    /// He has shown a certificate that the authority has signed.
    Known(Arc<User>),
    /// He has shown one that it does not know.
    Impostor,
    /// He has not said who he is.
    Nobody,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Only who is known.
    #[default]
    Known,
    /// Also who does not say who he is.
    Anonymous,
}

/// What stands between a guest and what he asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    pub(super) admission: Admission,
    pub(super) reviews: Reviews,
}

impl From<Admission> for Gate {
    fn from(admission: Admission) -> Self {
        Self {
            admission,
            ..Self::default()
        }
    }
}

impl Gate {
    /// Who somebody is, if he is let in.
    async fn user(&self, guest: &Guest, headers: &HeaderMap) -> Option<Arc<User>> {
        if let Guest::Known(user) = guest {
            return Some(Arc::clone(user));
        }
        match (token(headers), &self.reviews.tokens) {
            (Some(token), Some(reviewer)) => match reviewer.user_of(token).await {
                Ok(user) => user.map(Arc::new),
                Err(error) => {
                    warn!(%error, "nobody knows whose a token is");
                    None
                }
            },
            // A token of which nobody can tell whose it is does not make him anonymous.
            (Some(_), None) => None,
            (None, _) => {
                let is_nobody = *guest == Guest::Nobody && self.admission == Admission::Anonymous;
                is_nobody.then(|| Arc::new(User::anonymous()))
            }
        }
    }
}

/// `Authorization: Bearer …`
fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Sends away who is not welcome, and who may not do what he asks for.
pub(super) async fn admit(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(guest): ConnectInfo<Guest>,
    request: Request,
    next: Next,
) -> Response {
    if guest == Guest::Root {
        return next.run(request).await;
    }
    let Some(user) = gate.user(&guest, request.headers()).await else {
        return Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match gate.reviews.may(&user, &method, &path).await {
        Verdict::Allowed => next.run(request).await,
        Verdict::Forbidden(why) => Refusal::new(StatusCode::FORBIDDEN, why).into_response(),
        Verdict::Unknown(why) => Refusal::internal(why).into_response(),
    }
}
