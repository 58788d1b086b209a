//! `tlsMinVersion` and `tlsCipherSuites`: pure.

#![deny(clippy::disallowed_methods)]

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};

static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];
static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Which versions and cipher suites a server speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsWords {
    only_tls13: bool,
    /// Empty for all.
    suites: Vec<rustls::CipherSuite>,
}

/// A word that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownWord {
    /// Of `tlsMinVersion`.
    #[error("tlsMinVersion (--tls-min-version) {0:?} is not one of VersionTLS12, VersionTLS13")]
    Version(String),
    /// Of `tlsCipherSuites`.
    #[error(
        "tlsCipherSuites (--tls-cipher-suites): Cipher suite {0} not supported or doesn't exist"
    )]
    Suite(String),
}

impl TlsWords {
    /// Reads both; empty ones say nothing.
    pub fn read(version: &str, suites: &[String]) -> Result<Self, Vec<UnknownWord>> {
        let mut unknown = Vec::new();
        let only_tls13 = match version {
            "" | "VersionTLS12" => false,
            "VersionTLS13" => true,
            other => {
                unknown.push(UnknownWord::Version(other.to_owned()));
                false
            }
        };
        let mut known = Vec::new();
        for name in suites {
            match suite(name) {
                Some(suite) => known.push(suite),
                None => unknown.push(UnknownWord::Suite(name.clone())),
            }
        }
        if unknown.is_empty() {
            Ok(Self {
                only_tls13,
                suites: known,
            })
        } else {
            Err(unknown)
        }
    }

    /// The algorithms. As upstream, suites are chosen for TLS 1.2 only: those of TLS 1.3 are all good.
    pub(super) fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if !self.suites.is_empty() {
            provider
                .cipher_suites
                .retain(|suite| suite.tls13().is_some() || self.suites.contains(&suite.suite()));
        }
        provider
    }

    /// The versions.
    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        if self.only_tls13 { ONLY_13 } else { BOTH }
    }
}

/// Go's name of a suite, which is also IANA's, but for the two that Go shortens.
fn suite(name: &str) -> Option<rustls::CipherSuite> {
    let of_name = |one: &rustls::SupportedCipherSuite| {
        let iana = format!("{:?}", one.suite()).replacen("TLS13_", "TLS_", 1);
        let short = iana
            .strip_suffix("_SHA256")
            .filter(|_| iana.contains("CHACHA20"));
        iana == name || short == Some(name)
    };
    let all = ring::ALL_CIPHER_SUITES.iter();
    all.copied().find(of_name).map(|one| one.suite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_and_versions_have_gos_names() {
        let suites = [
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
            "TLS_AES_128_GCM_SHA256",
        ];
        let words = TlsWords::read("VersionTLS12", &suites.map(str::to_owned)).unwrap();
        let provider = words.provider();
        let of_12 = provider
            .cipher_suites
            .iter()
            .filter(|one| one.tls13().is_none());
        assert_eq!(of_12.count(), 2);
        assert_eq!(
            TlsWords::read("VersionTLS13", &[])
                .unwrap()
                .versions()
                .len(),
            1
        );
    }

    #[test]
    fn every_unknown_word_is_named() {
        let suites = ["TLS_RSA_WITH_RC4_128_SHA".to_owned()];
        let unknown = TlsWords::read("VersionTLS10", &suites).unwrap_err();
        assert_eq!(unknown.len(), 2);
    }
}
