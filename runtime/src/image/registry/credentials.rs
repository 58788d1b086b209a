//! What a client shows a registry, and to which address it may be shown.
#![deny(clippy::disallowed_methods)]

use std::fmt;

/// What a client shows a registry.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// A user's name and password.
    Password {
        /// Name.
        username: String,
        /// Password.
        password: String,
    },
    /// A refresh token, which a token server changes for one that the registry takes.
    IdentityToken(String),
    /// A token that the registry takes as it is.
    RegistryToken(String),
}

/// Credentials, and the registry they are for when the client says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Login {
    /// What is shown.
    pub credentials: Credentials,
    /// `host[:port]`, perhaps as an address; empty for the registry of the image.
    pub server: String,
}

impl fmt::Debug for Credentials {
    /// Never what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
            Self::RegistryToken(_) => "RegistryToken(..)",
        })
    }
}

/// What an address is to the image's registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The registry itself.
    Registry,
    /// A place that has copies of its images.
    Mirror,
}

impl Login {
    /// What may be shown at `host`. A mirror gets only what the client meant for it by name: it is
    /// somebody else.
    pub(super) fn for_host(&self, host: &str, role: Role, registry: &str) -> Credentials {
        let server = canonical(&self.server);
        let is_meant = match role {
            _ if !server.is_empty() && server == canonical(host) => true,
            Role::Registry => server.is_empty() || server == canonical(registry),
            Role::Mirror => false,
        };
        if is_meant {
            self.credentials.clone()
        } else {
            Credentials::Anonymous
        }
    }
}

/// Host and port of an address; docker.io has several names.
fn canonical(server: &str) -> &str {
    let address = server.split_once("://").map_or(server, |(_, rest)| rest);
    match address.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(server: &str) -> Login {
        Login {
            credentials: Credentials::RegistryToken("secret".into()),
            server: server.into(),
        }
    }

    #[test]
    fn credentials_are_shown_only_where_they_are_meant_to_be() {
        use Role::{Mirror, Registry};
        for (server, host, role, is_shown) in [
            ("", "r.io", Registry, true),
            ("", "mirror.io", Mirror, false),
            ("r.io", "r.io", Registry, true),
            ("https://r.io/v2/", "r.io", Registry, true),
            ("r.io", "storage.of.r.io:5000", Registry, true),
            ("r.io", "mirror.io", Mirror, false),
            ("mirror.io", "mirror.io", Mirror, true),
            ("mirror.io", "r.io", Registry, false),
            ("r.io:5000", "r.io", Registry, false),
        ] {
            let shown = login(server).for_host(host, role, "r.io");
            assert_eq!(
                shown != Credentials::Anonymous,
                is_shown,
                "{server:?} at {host}"
            );
        }
        let hub = login("https://index.docker.io/v1/");
        let shown = hub.for_host("registry-1.docker.io", Registry, "docker.io");
        assert_eq!(shown, hub.credentials);
    }

    #[test]
    fn a_secret_is_not_written_into_logs() {
        let password = Credentials::Password {
            username: "me".into(),
            password: "secret".into(),
        };
        let text = format!("{:?} {:?}", login("r.io"), password);
        assert!(!text.contains("secret"), "{text}");
    }
}
