//! What a session shows the endpoint that asks who is there.

use reqwest::Response;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::challenge::{self, Challenge};
use super::credentials::Credentials;
use super::error::RegistryError;
use super::session::Session;

impl Session {
    /// One at a time: whoever waited for the lock uses what the one before got.
    pub(super) async fn authorize(
        &self,
        refused: Option<HeaderValue>,
        response: &Response,
        what: &str,
    ) -> Result<HeaderValue, RegistryError> {
        let mut kept = self.authorization.lock().await;
        if let Some(other) = kept
            .as_ref()
            .filter(|other| Some(*other) != refused.as_ref())
        {
            return Ok(other.clone());
        }
        let denied = || RegistryError::Unauthorized {
            what: what.to_owned(),
        };
        let header = match (challenge_of(response), self.credentials()) {
            (_, Credentials::RegistryToken(_)) | (None, _) => return Err(denied()),
            (Some(Challenge::Bearer(server)), _) => {
                bearer(&self.fetch_token(&server, what).await?)?
            }
            (Some(Challenge::Basic), Credentials::Password { .. }) => self
                .basic()
                .filter(|basic| Some(basic) != refused.as_ref())
                .ok_or_else(denied)?,
            (Some(Challenge::Basic), _) => return Err(denied()),
        };
        *kept = Some(header.clone());
        Ok(header)
    }

    /// The header that shows name and password.
    fn basic(&self) -> Option<HeaderValue> {
        let Credentials::Password { username, password } = self.credentials() else {
            return None;
        };
        let request = self.client().get(&self.endpoint.base);
        let request = request.basic_auth(username, Some(password)).build().ok()?;
        request.headers().get(AUTHORIZATION).cloned()
    }
}

/// The challenge that can be met; a token rather than the password itself.
fn challenge_of(response: &Response) -> Option<Challenge> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenges: Vec<Challenge> = headers
        .filter_map(|header| challenge::parse(header.to_str().ok()?))
        .collect();
    let bearer = challenges
        .iter()
        .find(|one| matches!(one, Challenge::Bearer(_)));
    bearer.or(challenges.first()).cloned()
}

/// The header that shows a token, kept out of logs by its mark.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, RegistryError> {
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut header = header.map_err(|_| RegistryError::Challenge("the token is no text"))?;
    header.set_sensitive(true);
    Ok(header)
}
