//! The `WWW-Authenticate` header by which a registry says where tokens are given out.
#![deny(clippy::disallowed_methods)]

/// Where a token is given out, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Address of the token server.
    pub(super) realm: String,
    /// Name of the registry there.
    pub(super) service: Option<String>,
    /// What the token is for, when the registry says.
    pub(super) scope: Option<String>,
}

/// Reads a `Bearer` challenge; `None` when it is another one.
pub(super) fn parse(header: &str) -> Option<Challenge> {
    let (scheme, mut rest) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
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
    Some(Challenge {
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
        let challenge = parse(header).unwrap();
        assert_eq!(challenge.realm, "https://auth.io/token");
        assert_eq!(challenge.service.as_deref(), Some("r.io"));
        assert_eq!(challenge.scope.as_deref(), Some("repository:a/b:pull,push"));
    }

    #[test]
    fn other_challenges_are_none() {
        for header in [
            "Basic realm=\"x\"",
            "",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"x",
        ] {
            assert_eq!(parse(header), None, "{header}");
        }
    }
}
