//! The `WWW-Authenticate` header by which a registry says what it wants to see.
#![deny(clippy::disallowed_methods)]

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token.
    Bearer(TokenServer),
    /// Name and password with every request.
    Basic,
}

/// Where a token is given out, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenServer {
    /// Its address.
    pub(super) realm: String,
    /// Name of the registry there.
    pub(super) service: Option<String>,
    /// What the token is for, when the registry says.
    pub(super) scope: Option<String>,
}

/// Reads a challenge; `None` when it is none that can be met.
pub(super) fn parse(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    token_server(rest).map(Challenge::Bearer)
}

fn token_server(mut rest: &str) -> Option<TokenServer> {
    let (mut realm, mut service, mut scope) = (None, None, None);
    while let Some((key, value, after)) = parameter(rest) {
        match key.to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            "scope" => scope = Some(value),
            _ => {}
        }
        rest = after;
    }
    Some(TokenServer {
        realm: realm?,
        service,
        scope,
    })
}

/// One `key=value` or `key="value"`, and what follows it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (key, rest) = text.trim_start_matches([' ', ',']).split_once('=')?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, after) = rest.split_once(',').unwrap_or((rest, ""));
        return Some((key.trim(), value.trim().to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((key.trim(), value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_challenge_is_read_with_commas_in_its_values() {
        let header = r#"Bearer realm="https://auth.io/token",service="r.io", scope="repository:a/b:pull,push""#;
        let Some(Challenge::Bearer(challenge)) = parse(header) else {
            panic!("it is one")
        };
        assert_eq!(challenge.realm, "https://auth.io/token");
        assert_eq!(challenge.service.as_deref(), Some("r.io"));
        assert_eq!(challenge.scope.as_deref(), Some("repository:a/b:pull,push"));
    }

    #[test]
    fn a_password_is_asked_for_with_and_without_a_realm() {
        for header in ["Basic realm=\"x\"", "basic"] {
            assert_eq!(parse(header), Some(Challenge::Basic), "{header}");
        }
    }

    #[test]
    fn other_challenges_are_none() {
        for header in [
            "Negotiate abc",
            "",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"x",
        ] {
            assert_eq!(parse(header), None, "{header}");
        }
    }
}
