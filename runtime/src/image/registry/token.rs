//! Tokens from a token server.

use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Url};

use super::challenge::TokenServer;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::session::{Session, unreachable_at};

/// What a token server's answer may be long.
const MAX_TOKEN: u64 = 1 << 20;
/// Who the token server is told is asking.
const CLIENT: &str = "podling";
const FORM: &str = "application/x-www-form-urlencoded";

impl Session {
    /// A token for this repository.
    pub(super) async fn fetch_token(
        &self,
        server: &TokenServer,
        what: &str,
    ) -> Result<String, RegistryError> {
        let realm = self.realm(server)?;
        let request = self.token_request(&realm, server);
        let address = realm.as_str();
        let response = self
            .in_time(address, request.send())
            .await?
            .map_err(unreachable_at(address))?;
        let response = self.judge(response, address, what).await?;
        let answer = self.read(response, address, MAX_TOKEN).await?;
        token_of(&answer)
    }

    /// The token server's address; never less safe than the registry's own.
    fn realm(&self, server: &TokenServer) -> Result<Url, RegistryError> {
        let realm: Url = server
            .realm
            .parse()
            .map_err(|_| RegistryError::Challenge("its realm is not an address"))?;
        let in_the_clear = realm.scheme() != "https";
        if in_the_clear && (realm.scheme() != "http" || self.is_https()) {
            return Err(RegistryError::Challenge(
                "its realm is not an https address",
            ));
        }
        Ok(realm)
    }

    fn token_request(&self, realm: &Url, server: &TokenServer) -> RequestBuilder {
        let own_scope = format!("repository:{}:pull", self.repository());
        let scope = server.scope.as_ref().unwrap_or(&own_scope);
        let mut fields = vec![("scope", scope.as_str())];
        if let Some(service) = &server.service {
            fields.push(("service", service));
        }
        match self.credentials() {
            Credentials::Password { username, password } => {
                fields.push(("account", username));
                let url = with_fields(realm, &fields);
                self.client().get(url).basic_auth(username, Some(password))
            }
            Credentials::IdentityToken(token) => {
                fields.extend([
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token),
                    ("client_id", CLIENT),
                ]);
                let mut form = realm.clone();
                form.set_query(None);
                let form = with_fields(&form, &fields);
                let body = form.query().unwrap_or_default().to_owned();
                let request = self.client().post(realm.clone());
                request.header(CONTENT_TYPE, FORM).body(body)
            }
            Credentials::Anonymous | Credentials::RegistryToken(_) => {
                self.client().get(with_fields(realm, &fields))
            }
        }
    }
}

fn with_fields(address: &Url, fields: &[(&str, &str)]) -> Url {
    let mut url = address.clone();
    url.query_pairs_mut().extend_pairs(fields);
    url
}

fn token_of(answer: &[u8]) -> Result<String, RegistryError> {
    #[derive(serde::Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|_| RegistryError::Challenge("the token server's answer is not JSON"))?;
    let token = answer.token.or(answer.access_token);
    token.ok_or(RegistryError::Challenge("the token server gave no token"))
}
