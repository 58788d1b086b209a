//! Who asks the server, and whether he is let in.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::refusal::Refusal;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guest {
    /// He has shown a certificate that the authority has signed, or is root on this machine.
    Known,
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

impl Guest {
    /// Whether he is let in. Whoever is may do everything: there is nobody to ask.
    fn is_welcome(self, admission: Admission) -> bool {
        match (self, admission) {
            (Self::Known, _) | (Self::Nobody, Admission::Anonymous) => true,
            (Self::Nobody, Admission::Known) | (Self::Impostor, _) => false,
        }
    }
}

/// Sends away who is not welcome.
pub(super) async fn admit(
    State(admission): State<Arc<Admission>>,
    ConnectInfo(guest): ConnectInfo<Guest>,
    request: Request,
    next: Next,
) -> Response {
    if guest.is_welcome(*admission) {
        return next.run(request).await;
    }
    Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized").into_response()
}
