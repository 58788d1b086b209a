//! What a certificate or a request for one says, as far as whoever signs needs it.

use std::net::IpAddr;

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SignatureAlgorithm};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const CONTEXT_0: u8 = 0xa0;

/// `2.5.4.3`, `2.5.4.10`, `2.5.29.17`
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];
const OTHER_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// Whose something is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

/// A request for a certificate.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) subject: Subject,
    pub(super) key: PublicKey,
    pub(super) names: Vec<SanType>,
}

/// A public key on the curve P-256.
#[derive(Debug)]
pub(super) struct PublicKey(Vec<u8>);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Reads a request.
pub(super) fn request(der: &[u8]) -> Option<Request> {
    let outer = next(der).filter(|one| one.kind == SEQUENCE)?;
    let inner = next(outer.content)?;
    let version = next(inner.content)?;
    let subject_of = next(version.rest)?;
    let info = next(subject_of.rest)?;
    let algorithm = next(info.content)?;
    let bits = next(algorithm.rest)?;
    let attributes = next(info.rest).filter(|one| one.kind == CONTEXT_0);
    Some(Request {
        subject: subject(subject_of.content),
        // The first byte counts unused bits.
        key: PublicKey(bits.content.get(1..)?.to_vec()),
        names: attributes.map_or_else(Vec::new, |one| other_names(one.content)),
    })
}

/// Whose a certificate is.
pub(super) fn subject_of_certificate(der: &[u8]) -> Option<Subject> {
    let outer = next(der)?;
    let inner = next(outer.content)?;
    let mut field = next(inner.content)?;
    if field.kind == CONTEXT_0 {
        field = next(field.rest)?;
    }
    // After the serial number: algorithm, issuer, validity, subject.
    for _ in 0..4 {
        field = next(field.rest)?;
    }
    Some(subject(field.content))
}

fn subject(names: &[u8]) -> Subject {
    let mut subject = Subject::default();
    for set in all(names).filter(|one| one.kind == SET) {
        for pair in all(set.content) {
            let Some(kind) = next(pair.content).filter(|one| one.kind == OBJECT_ID) else {
                continue;
            };
            let text =
                next(kind.rest).map(|value| String::from_utf8_lossy(value.content).into_owned());
            match kind.content {
                COMMON_NAME => subject.name = text.unwrap_or_default(),
                ORGANISATION => subject.groups.extend(text),
                _ => {}
            }
        }
    }
    subject
}

/// Names and addresses anywhere among the attributes: what is inside is looked into until they are found.
fn other_names(bytes: &[u8]) -> Vec<SanType> {
    for one in all(bytes) {
        let extension = next(one.content).filter(|first| first.content == OTHER_NAMES);
        if let Some(extension) = extension.filter(|first| first.kind == OBJECT_ID) {
            let octets = all(extension.rest).find(|value| value.kind == OCTETS);
            let list = octets.and_then(|octets| next(octets.content));
            return list.map_or_else(Vec::new, |list| {
                all(list.content).filter_map(name).collect()
            });
        }
        if matches!(one.kind, SEQUENCE | SET) {
            let found = other_names(one.content);
            if !found.is_empty() {
                return found;
            }
        }
    }
    Vec::new()
}

fn name(value: Part<'_>) -> Option<SanType> {
    let bytes = value.content;
    match value.kind {
        0x82 => {
            let text = std::str::from_utf8(bytes).ok()?;
            Some(SanType::DnsName(text.try_into().ok()?))
        }
        0x87 => {
            let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let sixteen = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            Some(SanType::IpAddress(four.or(sixteen).ok()?))
        }
        _ => None,
    }
}

/// A value, and what follows it.
struct Part<'a> {
    kind: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

fn all(mut bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let part = next(bytes)?;
        bytes = part.rest;
        Some(part)
    })
}

fn next(bytes: &[u8]) -> Option<Part<'_>> {
    let (kind, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let add = |sum: usize, digit: &u8| (sum << 8) | usize::from(*digit);
            (digits.iter().fold(0, add), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Part {
        kind: *kind,
        content,
        rest,
    })
}
