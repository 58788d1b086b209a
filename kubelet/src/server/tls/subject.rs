//! Whose a client certificate is: the subject of X.509, as far as Kubernetes reads it. Pure.
//!
//! The name is the common name, groups are the organisations. The certificate was verified before, so
//! that what is read here is well formed; what is not is nobody's.
#![deny(clippy::disallowed_methods)]

use crate::server::reviews::User;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const OBJECT_ID: u8 = 0x06;

/// `2.5.4.3` and `2.5.4.10`
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];

/// Whose a certificate is, given as DER.
pub(super) fn user_of(certificate: &[u8]) -> Option<User> {
    let (certificate, _) = inside(certificate, SEQUENCE)?;
    let (mut fields, _) = inside(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = next(fields)?.2;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        fields = next(fields)?.2;
    }
    let (mut names, _) = inside(fields, SEQUENCE)?;
    let mut user = User::default();
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
                COMMON_NAME => user.name = text,
                ORGANISATION => user.groups.push(text),
                _ => {}
            }
        }
    }
    (!user.name.is_empty()).then_some(user)
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn a_name_and_groups_are_read_from_a_certificate() {
        let mut params = CertificateParams::new(vec!["host".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in [
            (DnType::OrganizationName, "system:masters"),
            (DnType::CommonName, "system:node:n"),
        ] {
            params.distinguished_name.push(kind, text);
        }
        let pair = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&pair).unwrap();
        let user = user_of(certificate.der()).unwrap();
        assert_eq!(user.name, "system:node:n");
        assert_eq!(user.groups, ["system:masters"]);
    }

    #[test]
    fn what_is_no_certificate_is_nobodys() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x82, 0xff, 0xff], b"hello, world"] {
            assert_eq!(user_of(bytes), None);
        }
    }
}
