//! Image references as pods write them.

/// A text that names no image.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("couldn't parse image name {0:?}: invalid reference format")]
pub struct InvalidImageName(String);

/// The reference with `:latest` when it has neither tag nor digest.
pub fn with_default_tag(reference: &str) -> Result<String, InvalidImageName> {
    let version = version(reference).ok_or_else(|| InvalidImageName(reference.to_owned()))?;
    Ok(match version {
        Version::Unsaid => format!("{reference}:latest"),
        Version::Tag(_) | Version::Digest => reference.to_owned(),
    })
}

/// The whole name of what a reference means, without tag and digest: `nginx` is
/// `docker.io/library/nginx`.
pub fn repository(reference: &str) -> Result<String, InvalidImageName> {
    let name = written_name(reference)?;
    Ok(match name.split_once('/') {
        Some(("index.docker.io", rest)) => format!("docker.io/{rest}"),
        Some((host, _)) if is_host(host) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    })
}

/// The name in a reference, without tag and digest.
pub fn written_name(reference: &str) -> Result<&str, InvalidImageName> {
    version(reference).ok_or_else(|| InvalidImageName(reference.to_owned()))?;
    let name = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    let last_slash = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = name[last_slash..].find(':');
    Ok(tag.map_or(name, |colon| &name[..last_slash + colon]))
}

/// Whether the reference means the tag that moves.
pub fn is_latest(reference: &str) -> bool {
    matches!(
        version(reference),
        Some(Version::Unsaid | Version::Tag("latest"))
    )
}

/// What a reference says behind the name.
enum Version<'a> {
    Unsaid,
    /// A tag, and perhaps a digest.
    Tag(&'a str),
    Digest,
}

/// Nothing when the reference is invalid.
fn version(reference: &str) -> Option<Version<'_>> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let last_slash = name.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match name[last_slash..].find(':') {
        Some(colon) => (
            &name[..last_slash + colon],
            Some(&name[last_slash + colon + 1..]),
        ),
        None => (name, None),
    };
    let is_valid = is_path(path) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    is_valid.then_some(match (tag, digest) {
        (Some(tag), _) => Version::Tag(tag),
        (None, Some(_)) => Version::Digest,
        (None, None) => Version::Unsaid,
    })
}

/// An optional host, then lower-case components.
fn is_path(path: &str) -> bool {
    let components = match path.split_once('/') {
        Some((host, rest)) if is_host(host) => rest,
        _ => path,
    };
    components.split('/').all(is_component)
}

/// A first part is a host when it could be nothing else.
fn is_host(part: &str) -> bool {
    let looks_like_one = part.contains(['.', ':'])
        || part == "localhost"
        || part.bytes().any(|b| b.is_ascii_uppercase());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    looks_like_one && part.bytes().all(fits)
}

fn is_component(part: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    bytes
        .iter()
        .all(|byte| is_letter(*byte) || b"._-".contains(byte))
        && bytes.first().copied().is_some_and(is_letter)
        && bytes.last().copied().is_some_and(is_letter)
}

fn is_tag(tag: &str) -> bool {
    let bytes = tag.as_bytes();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=128).contains(&bytes.len())
        && bytes.iter().all(fits)
        && !matches!(bytes.first(), Some(b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_tag_or_digest_means_latest() {
        let digest = format!("app@sha256:{}", "a".repeat(64));
        let rows = [
            ("nginx", "nginx:latest"),
            ("nginx:1.29", "nginx:1.29"),
            ("127.0.0.1:5000/nginx", "127.0.0.1:5000/nginx:latest"),
            ("localhost/team/app_x:v1", "localhost/team/app_x:v1"),
            ("Registry.example/app", "Registry.example/app:latest"),
            (digest.as_str(), digest.as_str()),
        ];
        for (reference, expected) in rows {
            assert_eq!(with_default_tag(reference).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_name_is_completed_and_loses_tag_and_digest() {
        let digest = format!("quay.io/app:v1@sha256:{}", "a".repeat(64));
        let rows = [
            ("nginx", "nginx", "docker.io/library/nginx"),
            ("team/app:v1", "team/app", "docker.io/team/app"),
            (
                "index.docker.io/a/b",
                "index.docker.io/a/b",
                "docker.io/a/b",
            ),
            ("localhost/app", "localhost/app", "localhost/app"),
            ("host:5000/app:v1", "host:5000/app", "host:5000/app"),
            (digest.as_str(), "quay.io/app", "quay.io/app"),
        ];
        for (reference, written, whole) in rows {
            assert_eq!(written_name(reference), Ok(written));
            assert_eq!(repository(reference).as_deref(), Ok(whole));
        }
        assert!(repository("A b").is_err());
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for reference in [
            "",
            "Nginx",
            "a b",
            "nginx:",
            "nginx:-x",
            "/nginx",
            "nginx/",
            "a@sha256:1",
            "é",
            "a//b",
        ] {
            assert!(with_default_tag(reference).is_err(), "{reference:?}");
        }
    }
}
