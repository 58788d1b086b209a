//! What a certificate says, as far as Kubernetes reads it: pure.
//!
//! The name is the common name, groups are the organisations. Whether it is to be believed is found out
//! by who verifies it: here it is only read, and what is not well formed is not read.
#![deny(clippy::disallowed_methods)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const TIME: u8 = 0x18;

/// `2.5.4.3` and `2.5.4.10`
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];

/// A certificate.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Whose it is; may be empty.
    pub(crate) name: String,
    /// To which groups he belongs.
    pub(crate) groups: Vec<String>,
    /// From when on it is valid.
    pub(crate) since: Timestamp,
    /// Until when.
    pub(crate) until: Timestamp,
    /// The public key, as the certificate has it.
    pub(crate) public_key: Vec<u8>,
    der: CertificateDer<'static>,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Leaf({}, until {})", self.name, self.until)
    }
}

impl Leaf {
    /// Reads the DER of one.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (certificate, _) = inside(der, SEQUENCE)?;
        let (mut fields, _) = inside(certificate, SEQUENCE)?;
        if fields.first() == Some(&VERSION) {
            fields = next(fields)?.2;
        }
        // Serial number, algorithm, issuer.
        for _ in 0..3 {
            fields = next(fields)?.2;
        }
        let (validity, fields) = inside(fields, SEQUENCE)?;
        let (since, rest) = time(validity)?;
        let (until, _) = time(rest)?;
        let (names, fields) = inside(fields, SEQUENCE)?;
        let (name, groups) = subject(names)?;
        let after = next(fields)?.2;
        Some(Self {
            name,
            groups,
            since,
            until,
            public_key: fields[..fields.len() - after.len()].to_vec(),
            der: CertificateDer::from(der.to_vec()),
        })
    }

    /// Whether it is for a server of this name or address.
    pub(crate) fn is_for(&self, server: &str) -> bool {
        let name = ServerName::try_from(server.to_owned());
        let parsed = ParsedCertificate::try_from(&self.der);
        matches!((name, parsed), (Ok(name), Ok(parsed)) if verify_server_name(&parsed, &name).is_ok())
    }

    /// Whether it has ended.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        now > self.until
    }
}

/// Every certificate in some PEM, the one that counts first.
pub(crate) fn certificates_of(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect()
}

/// A certificate as PEM.
pub(crate) fn pem_of(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

/// The same certificates as PEM, without all that is between them.
pub(crate) fn pem_of_certificates(pem: &[u8]) -> String {
    certificates_of(pem).iter().map(|one| pem_of(one)).collect()
}

fn subject(mut names: &[u8]) -> Option<(String, Vec<String>)> {
    let (mut name, mut groups) = (String::new(), Vec::new());
    while !names.is_empty() {
        let (mut set, rest) = inside(names, SET)?;
        names = rest;
        while !set.is_empty() {
            let (pair, rest) = inside(set, SEQUENCE)?;
            set = rest;
            let (kind, value) = inside(pair, OBJECT_ID)?;
            let (_, text, _) = next(value)?;
            let text = String::from_utf8_lossy(text).into_owned();
            match kind {
                COMMON_NAME => name = text,
                ORGANISATION => groups.push(text),
                _ => {}
            }
        }
    }
    Some((name, groups))
}

/// `260131235959Z`, and with the century from 2050 on.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (kind, text, rest) = next(bytes)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let whole = match kind {
        UTC_TIME => {
            let century = if text.get(..2)? < "50" { "20" } else { "19" };
            format!("{century}{text}")
        }
        TIME => text.to_owned(),
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", whole).ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some((zoned.timestamp(), rest))
}

/// What is inside a value of this kind, and what follows it.
fn inside(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (is, content, rest) = next(bytes)?;
    (is == kind).then_some((content, rest))
}

/// The kind of the first value, what is inside it, and what follows it.
fn next(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let count = usize::from(long & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
            (length, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*kind, content, rest))
}
