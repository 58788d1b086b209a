//! How registries are spoken to.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::image::unpack::Limits;

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Registries (`host` or `host:port`) that speak plain HTTP. Loopback ones always do, unless
    /// they are in `https`.
    pub plain_http: BTreeSet<String>,
    /// Loopback registries that speak HTTPS.
    pub https: BTreeSet<String>,
    /// Certificates (PEM) to trust besides the system's.
    pub certificates: Vec<Vec<u8>>,
    /// Directories with a `HOST/hosts.toml` for each registry; the first one that is there counts.
    pub certs_dirs: Vec<PathBuf>,
    /// Layers of one image fetched at once.
    pub parallel_layers: usize,
    /// How long nothing may arrive before a connection counts as broken.
    pub stall_timeout: Duration,
    /// How often a blob is asked for again without a single byte of progress.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles with each one.
    pub retry_delay: Duration,
    /// What a layer may cost.
    pub limits: Limits,
    /// Names of images that are reported as pinned.
    pub pinned: BTreeSet<String>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            plain_http: BTreeSet::new(),
            https: BTreeSet::new(),
            certificates: Vec::new(),
            certs_dirs: Vec::new(),
            parallel_layers: 3,
            stall_timeout: Duration::from_secs(60),
            attempts: 5,
            retry_delay: Duration::from_millis(500),
            limits: Limits::default(),
            pinned: BTreeSet::new(),
        }
    }
}

impl RegistrySettings {
    /// Host and port of a registry's API.
    pub(super) fn host_of<'a>(&self, registry: &'a str) -> &'a str {
        match registry {
            "docker.io" => "registry-1.docker.io",
            host => host,
        }
    }

    /// Where the API of a registry is.
    pub(super) fn base_url(&self, registry: &str) -> String {
        let host = self.host_of(registry);
        let plain = self.plain_http.contains(registry)
            || (is_loopback(registry) && !self.https.contains(registry));
        format!("{}://{host}", if plain { "http" } else { "https" })
    }
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => registry,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_named_hosts_are_spoken_to_in_the_clear() {
        let mut settings = RegistrySettings::default();
        settings.plain_http.insert("plain.io:5000".into());
        settings.https.insert("localhost:5001".into());
        for (registry, url) in [
            ("docker.io", "https://registry-1.docker.io"),
            ("registry.k8s.io", "https://registry.k8s.io"),
            ("localhost:5000", "http://localhost:5000"),
            ("localhost:5001", "https://localhost:5001"),
            ("localhost", "http://localhost"),
            ("127.1.2.3:80", "http://127.1.2.3:80"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000"),
            ("plain.io:5000", "http://plain.io:5000"),
            ("localhost.evil.io", "https://localhost.evil.io"),
        ] {
            assert_eq!(settings.base_url(registry), url);
        }
    }
}
