//! Image references as users write them, in the docker and containerd manner.
//!
//! ```text
//! [registry/]repository[:tag][@digest]
//! nginx                    docker.io/library/nginx:latest
//! localhost:5000/a/b:1     as written
//! ```
//!
//! The short forms are filled in here and nowhere else; everything behind this file sees full names.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;
/// Shorter hexadecimal texts are taken for names: no client prints ids shorter than this.
const MIN_SHORT_ID: usize = 12;

/// A full image reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("InvalidImageName: {text:?}: {reason}")]
pub struct InvalidImageName {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What a client may mean by the name of an image that is here already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A whole image id.
    Id(Digest),
    /// A reference; when no image has that name, perhaps the beginning of an id.
    Name {
        /// The reference.
        reference: Reference,
        /// The text, when it may also be the beginning of an id.
        short_id: Option<String>,
    },
    /// The beginning of an id, or all its digits without the algorithm.
    ShortId(String),
}

impl Reference {
    /// Host and port of the registry, `docker.io` by default.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path of the repository in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; a reference without tag and digest has the tag `latest`.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, which wins over the tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What the registry is asked for: the digest, else the tag.
    pub fn version(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => DEFAULT_TAG,
        }
    }

    /// The repo tag this reference gives to an image: none when a digest says which image is meant.
    pub fn repo_tag(&self) -> Option<String> {
        match (&self.digest, &self.tag) {
            (None, Some(tag)) => Some(format!("{}/{}:{tag}", self.registry, self.repository)),
            _ => None,
        }
    }

    /// The repo digest of an image with this digest in this repository.
    pub fn repo_digest(&self, digest: &Digest) -> String {
        format!("{}/{}@{digest}", self.registry, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidImageName;

    fn from_str(text: &str) -> Result<Self, InvalidImageName> {
        parse(text).map_err(|reason| InvalidImageName {
            text: text.to_owned(),
            reason,
        })
    }
}

impl FromStr for Query {
    type Err = InvalidImageName;

    fn from_str(text: &str) -> Result<Self, InvalidImageName> {
        if let Ok(digest) = text.parse() {
            return Ok(Self::Id(digest));
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_short_id = (MIN_SHORT_ID..=64).contains(&digits.len())
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match (text.parse(), is_short_id) {
            (Ok(reference), true) if digits == text => Ok(Self::Name {
                reference,
                short_id: Some(text.to_owned()),
            }),
            (_, true) => Ok(Self::ShortId(digits.to_owned())),
            (Ok(reference), false) => Ok(Self::Name {
                reference,
                short_id: None,
            }),
            (Err(error), false) => Err(error),
        }
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    let (rest, digest) = split_digest(text)?;
    let (name, tag) = split_tag(rest)?;
    let (registry, repository) = split_registry(name);
    if registry.len() + 1 + repository.len() > MAX_NAME_BYTES {
        return Err("registry and repository are longer than 255 bytes");
    }
    check_registry(&registry)?;
    check_repository(&repository)?;
    let tag = match (tag, &digest) {
        (None, None) => Some(DEFAULT_TAG.to_owned()),
        (tag, _) => tag.map(str::to_owned),
    };
    Ok(Reference {
        registry,
        repository,
        tag,
        digest,
    })
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), &'static str> {
    match text.split_once('@') {
        None => Ok((text, None)),
        Some((rest, digest)) => match digest.parse() {
            Ok(digest) => Ok((rest, Some(digest))),
            Err(_) => Err("what follows @ is not a sha256 or sha512 digest"),
        },
    }
}

/// A colon after the last slash begins a tag; one before it belongs to the registry's port.
fn split_tag(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    let last_component = text.rfind('/').map_or(0, |slash| slash + 1);
    let Some(colon) = text[last_component..].find(':') else {
        return Ok((text, None));
    };
    let (name, tag) = (
        &text[..last_component + colon],
        &text[last_component + colon + 1..],
    );
    check_tag(tag)?;
    Ok((name, Some(tag)))
}

/// The first component is a registry when it looks like a host: as docker decides it.
fn split_registry(name: &str) -> (String, String) {
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    };
    let registry = if registry == "index.docker.io" {
        DEFAULT_REGISTRY
    } else {
        registry
    };
    if registry == DEFAULT_REGISTRY && !repository.contains('/') {
        (
            registry.to_owned(),
            format!("{DEFAULT_NAMESPACE}/{repository}"),
        )
    } else {
        (registry.to_owned(), repository.to_owned())
    }
}

fn is_host(component: &str) -> bool {
    component == "localhost"
        || component.contains(['.', ':'])
        || component.bytes().any(|b| b.is_ascii_uppercase())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match tag.as_bytes() {
        [] => Err("the tag is empty"),
        [first, rest @ ..]
            if is_word(*first) && rest.iter().all(|&b| is_word(b) || b == b'.' || b == b'-') =>
        {
            if tag.len() <= MAX_TAG_BYTES {
                Ok(())
            } else {
                Err("the tag is longer than 128 bytes")
            }
        }
        _ => Err(
            "a tag has only letters, digits, '_', '.' and '-', and begins with none of the last two",
        ),
    }
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (
                "localhost",
                port.strip_prefix(':').or(port.is_empty().then_some("1")),
            ),
            _ => return Err("the registry is not an IPv6 address in brackets"),
        },
        None => match registry.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (registry, Some("1")),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !host.split('.').all(is_label) {
        return Err("the registry is not a host name");
    }
    match port.map(str::parse::<u16>) {
        Some(Ok(port)) if port != 0 => Ok(()),
        _ => Err("the registry's port is not a number from 1 to 65535"),
    }
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("the repository must be lower case");
    }
    if repository.split('/').all(is_path_component) {
        Ok(())
    } else {
        Err(
            "the repository has only lower-case letters and digits, separated by '.', '_', '__', '-' or '/'",
        )
    }
}

/// Letters and digits, with one '.', one or two '_' or any number of '-' between them.
fn is_path_component(component: &str) -> bool {
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_word(first)
        && is_word(last)
        && bytes.split(is_word).all(|separator| {
            matches!(separator, [] | [b'.'] | [b'_'] | [b'_', b'_'])
                || separator.iter().all(|b| *b == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn short_names_are_filled_in() {
        for (text, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("team/app", "docker.io/team/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/app:v1", "localhost:5000/app:v1"),
            ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest"),
            ("[::1]:5000/app", "[::1]:5000/app:latest"),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
            ("Host/app", "Host/app:latest"),
            ("a--b__c/d.e_f", "docker.io/a--b__c/d.e_f:latest"),
        ] {
            assert_eq!(
                text.parse::<Reference>().map(|r| r.to_string()).as_deref(),
                Ok(full)
            );
        }
    }

    #[test]
    fn a_digest_wins_over_a_tag() {
        let text = format!("localhost:5000/app:v1@sha256:{HEX}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.to_string(), text);
        assert_eq!(reference.version(), format!("sha256:{HEX}"));
        assert_eq!(reference.repo_tag(), None);
        let digest = reference.digest().unwrap();
        assert_eq!(
            reference.repo_digest(digest),
            format!("localhost:5000/app@sha256:{HEX}")
        );
    }

    #[test]
    fn what_is_no_reference_says_why() {
        for (text, reason) in [
            ("", "empty"),
            ("Nginx", "lower case"),
            ("nginx:", "tag is empty"),
            ("nginx:-1", "begins with"),
            ("nginx@sha256:12", "digest"),
            ("a//b", "separated"),
            ("../etc", "host name"),
            ("a/../b", "separated"),
            ("a/b_-c", "separated"),
            ("host.io:0/app", "port"),
            ("host.io:99999/app", "port"),
            ("-bad.io/app", "host name"),
            ("[::zz]:1/app", "IPv6"),
            ("nginx latest", "separated"),
            ("http://host.io/app", "port"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
            assert!(error.to_string().starts_with("InvalidImageName"), "{error}");
        }
        let long = format!("nginx:{}", "1".repeat(129));
        assert!(long.parse::<Reference>().is_err());
        assert!("a".repeat(256).parse::<Reference>().is_err());
    }

    #[test]
    fn an_id_is_recognised_in_each_of_its_forms() {
        assert!(matches!(format!("sha256:{HEX}").parse(), Ok(Query::Id(_))));
        assert_eq!(
            "sha256:e3b0c44298fc1".parse(),
            Ok(Query::ShortId("e3b0c44298fc1".into()))
        );
        let Ok(Query::Name { short_id, .. }) = "e3b0c44298fc".parse() else {
            panic!()
        };
        assert_eq!(short_id.as_deref(), Some("e3b0c44298fc"));
        let Ok(Query::Name { short_id, .. }) = "cafe".parse() else {
            panic!()
        };
        assert_eq!(short_id, None);
    }
}
