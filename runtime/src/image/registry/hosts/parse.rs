//! `hosts.toml`, decoded totally.
//!
//! ```text
//! server = "https://registry"              asked last; the registry of the image when it is left out
//! [host."https://mirror"]                  asked before it, in the order of the file
//! capabilities = ["pull", "resolve"]       pull: content by digest; resolve: tags
//! ca, client, skip_verify, header, override_path, dial_timeout
//! ```
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{HostsError, resolved};
use crate::image::registry::credentials::Role;

/// One address that is asked for images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::image::registry) struct Endpoint {
    /// `host[:port]`.
    pub(in crate::image::registry) host: String,
    /// Where its API is, `https://host/v2`.
    pub(in crate::image::registry) base: String,
    /// Whether it is the registry itself.
    pub(in crate::image::registry) role: Role,
    /// What it is asked for.
    pub(in crate::image::registry) capabilities: Capabilities,
    /// Whom to trust.
    pub(in crate::image::registry) tls: Tls,
    /// Sent with every request.
    pub(in crate::image::registry) headers: Vec<(String, String)>,
    /// How long a connection may take to come about.
    pub(in crate::image::registry) dial_timeout: Option<Duration>,
}

/// What an endpoint is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image::registry) struct Capabilities {
    /// Content by its digest.
    pub(in crate::image::registry) pull: bool,
    /// What a tag stands for.
    pub(in crate::image::registry) resolve: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            pull: true,
            resolve: true,
        }
    }
}

/// Whom an endpoint's connections trust, and what they show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::image::registry) struct Tls {
    /// Files of authorities, besides the system's.
    pub(in crate::image::registry) authorities: Vec<PathBuf>,
    /// What is shown to an endpoint that asks who is there.
    pub(in crate::image::registry) client: Option<ClientPair>,
    /// Trust anybody.
    pub(in crate::image::registry) skip_verify: bool,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::image::registry) struct ClientPair {
    /// File of the certificate.
    pub(in crate::image::registry) certificate: PathBuf,
    /// File of the key; none when it is in the same file.
    pub(in crate::image::registry) key: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawHost {
    capabilities: Vec<String>,
    ca: OneOrMany,
    client: RawClient,
    skip_verify: bool,
    header: BTreeMap<String, OneOrMany>,
    override_path: bool,
    dial_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawClient {
    One(String),
    Several(Vec<OneOrMany>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Default for RawClient {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// Reads the file at `path`; `default` is the registry itself, as it is without configuration.
pub(super) fn parse(
    text: &str,
    path: &Path,
    default: Endpoint,
) -> Result<Vec<Endpoint>, HostsError> {
    let failed = |source| HostsError::Toml {
        path: path.to_owned(),
        source,
    };
    let mut file: toml::Table = text.parse().map_err(failed)?;
    let hosts: toml::Table = take(&mut file, "host").map_err(failed)?.unwrap_or_default();
    let server: Option<String> = take(&mut file, "server").map_err(failed)?;
    let reader = Reader { path };
    let mut endpoints = Vec::new();
    for (address, host) in hosts {
        let host: RawHost = host.try_into().map_err(failed)?;
        endpoints.push(reader.endpoint(Some(&address), Role::Mirror, host, &default)?);
    }
    let host: RawHost = file.try_into().map_err(failed)?;
    let server = server.filter(|server| !server.is_empty());
    endpoints.push(reader.endpoint(server.as_deref(), Role::Registry, host, &default)?);
    Ok(endpoints)
}

fn take<T: for<'a> Deserialize<'a>>(
    table: &mut toml::Table,
    key: &str,
) -> Result<Option<T>, toml::de::Error> {
    table.remove(key).map(toml::Value::try_into).transpose()
}

struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn wrong(&self, what: String) -> HostsError {
        HostsError::Value {
            path: self.path.to_owned(),
            what,
        }
    }

    fn endpoint(
        &self,
        address: Option<&str>,
        role: Role,
        raw: RawHost,
        default: &Endpoint,
    ) -> Result<Endpoint, HostsError> {
        let (host, base) = match address {
            None => (default.host.clone(), default.base.clone()),
            Some(address) => self.address(address, raw.override_path)?,
        };
        // A table for the registry's own address is about the registry.
        let role = if host == default.host {
            Role::Registry
        } else {
            role
        };
        Ok(Endpoint {
            host,
            base,
            role,
            capabilities: self.capabilities(&raw.capabilities)?,
            tls: Tls {
                authorities: self.paths(raw.ca),
                client: self.client(raw.client)?,
                skip_verify: raw.skip_verify,
            },
            headers: headers(raw.header),
            dial_timeout: raw
                .dial_timeout
                .map(|text| self.duration(&text))
                .transpose()?,
        })
    }

    /// Host and API of an address, whose scheme may be left out.
    fn address(&self, address: &str, override_path: bool) -> Result<(String, String), HostsError> {
        let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            // Not repeated: it has a password.
            return Err(self.wrong("an address with a user is not the address of a host".into()));
        }
        if !matches!(scheme, "http" | "https") || host.is_empty() {
            return Err(self.wrong(format!("{address:?} is not the address of a host")));
        }
        let path = path.trim_matches('/');
        let is_whole = override_path || path == "v2" || path.ends_with("/v2");
        let parts = [path, if is_whole { "" } else { "v2" }];
        let mut base = format!("{scheme}://{host}");
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            base.push('/');
            base.push_str(part);
        }
        Ok((host.to_owned(), base))
    }

    fn capabilities(&self, named: &[String]) -> Result<Capabilities, HostsError> {
        if named.is_empty() {
            return Ok(Capabilities::default());
        }
        let mut capabilities = Capabilities {
            pull: false,
            resolve: false,
        };
        for name in named {
            match name.to_ascii_lowercase().as_str() {
                "pull" => capabilities.pull = true,
                "resolve" => capabilities.resolve = true,
                // A node pushes nothing.
                "push" => {}
                _ => return Err(self.wrong(format!("there is no capability {name:?}"))),
            }
        }
        Ok(capabilities)
    }

    fn paths(&self, files: OneOrMany) -> Vec<PathBuf> {
        let files = files.into_vec().into_iter();
        files.map(|file| self.path(&file)).collect()
    }

    fn path(&self, file: &str) -> PathBuf {
        resolved(self.path.parent().unwrap_or(Path::new("/")), file)
    }

    fn client(&self, raw: RawClient) -> Result<Option<ClientPair>, HostsError> {
        let mut pairs = match raw {
            RawClient::One(file) => vec![OneOrMany::One(file)],
            RawClient::Several(several) => several,
        };
        if pairs.len() > 1 {
            return Err(self.wrong("only one client certificate can be shown".to_owned()));
        }
        let Some(pair) = pairs.pop() else {
            return Ok(None);
        };
        match pair.into_vec().as_slice() {
            [both] => Ok(Some(ClientPair {
                certificate: self.path(both),
                key: None,
            })),
            [certificate, key] => Ok(Some(ClientPair {
                certificate: self.path(certificate),
                key: Some(self.path(key)),
            })),
            _ => Err(self.wrong("a client pair is a certificate and a key".to_owned())),
        }
    }

    /// A length of time as Go writes it: `90s`, `1m30s`, `500ms`.
    fn duration(&self, text: &str) -> Result<Duration, HostsError> {
        let mut rest = text;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let (whole, unit, after) = part(rest)
                .ok_or_else(|| self.wrong(format!("{text:?} is not a length of time")))?;
            total += Duration::from_secs_f64(whole * unit);
            rest = after;
        }
        Ok(total)
    }
}

/// The first number with its unit in seconds, and what follows.
fn part(text: &str) -> Option<(f64, f64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(digits);
    let length = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at(length);
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    (number < 1e6).then_some((number, unit, after))
}

fn headers(raw: BTreeMap<String, OneOrMany>) -> Vec<(String, String)> {
    let each = raw.into_iter().flat_map(|(name, values)| {
        let values = values.into_vec().into_iter();
        values.map(move |value| (name.clone(), value))
    });
    each.collect()
}

#[cfg(test)]
mod tests;
