//! Whether a registry, perhaps with `*` in its name, means an image.
#![deny(clippy::disallowed_methods)]

/// Whether a pattern means an image: the same port, a host whose parts fit one by one, and a path that
/// the image's begins with. Nothing stands in a pattern for several parts.
pub(super) fn is_match(pattern: &str, image: &str) -> bool {
    let (pattern, image) = (Place::of(pattern), Place::of(image));
    let (hosts, ports) = (
        (split(pattern.host), split(image.host)),
        (pattern.port, image.port),
    );
    ports.0 == ports.1
        && hosts.0.len() == hosts.1.len()
        && image.path.starts_with(pattern.path)
        && hosts
            .0
            .iter()
            .zip(&hosts.1)
            .all(|(one, other)| fits(one.as_bytes(), other.as_bytes()))
}

/// The parts of something without a scheme.
struct Place<'a> {
    host: &'a str,
    port: &'a str,
    path: &'a str,
}

impl<'a> Place<'a> {
    fn of(text: &'a str) -> Self {
        let slash = text.find('/').unwrap_or(text.len());
        let (authority, path) = text.split_at(slash);
        let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let colon = authority[end..].rfind(':').map(|colon| end + colon);
        let (host, port) = match colon {
            Some(colon) => (&authority[..colon], &authority[colon + 1..]),
            None => (authority, ""),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.filter(|_| !port.is_empty()).unwrap_or(host);
        Self { host, port, path }
    }
}

fn split(host: &str) -> Vec<&str> {
    host.split('.').collect()
}

/// Go's `filepath.Match` for a text without slashes: `*`, `?`, `[a-z]`, `[^a]` and `\`. A pattern that
/// is broken fits nothing.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match first {
        b'*' => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        b'?' => !text.is_empty() && fits(rest, &text[1..]),
        b'[' => match (class(rest, text.first().copied()), text) {
            (Some((true, rest)), [_, others @ ..]) => fits(rest, others),
            _ => false,
        },
        b'\\' => match (rest, text) {
            ([escaped, rest @ ..], [one, others @ ..]) => escaped == one && fits(rest, others),
            _ => false,
        },
        literal => matches!(text, [one, others @ ..] if one == literal && fits(rest, others)),
    }
}

/// Whether a byte is in a class, and what follows the class; nothing when the class does not end.
fn class(pattern: &[u8], byte: Option<u8>) -> Option<(bool, &[u8])> {
    let (is_negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut is_in = false;
    let mut is_first = true;
    loop {
        if let ([b']', after @ ..], false) = (rest, is_first) {
            let byte_fits = byte.is_some() && is_in != is_negated;
            return Some((byte_fits, after));
        }
        is_first = false;
        let (low, after) = member(rest)?;
        let (high, after) = match after {
            [b'-', after @ ..] => member(after)?,
            after => (low, after),
        };
        is_in |= byte.is_some_and(|byte| (low..=high).contains(&byte));
        rest = after;
    }
}

fn member(pattern: &[u8]) -> Option<(u8, &[u8])> {
    match pattern {
        [] | [b'-' | b']', ..] => None,
        [b'\\', one, rest @ ..] => Some((*one, rest)),
        [one, rest @ ..] => Some((*one, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_images() {
        let rows = [
            ("quay.io", "quay.io/coreos/etcd", true),
            ("quay.io/coreos", "quay.io/coreos/etcd", true),
            ("quay.io/core", "quay.io/coreos/etcd", true),
            ("quay.io/other", "quay.io/coreos/etcd", false),
            ("*.docker.io", "blah.docker.io", true),
            ("*.docker.io", "docker.io", false),
            ("*.docker.io", "a.b.docker.io", false),
            ("*.*.docker.io", "a.b.docker.io", true),
            ("*", "docker.io", false),
            ("reg-*.example", "reg-7.example/app", true),
            ("reg-?.example", "reg-77.example/app", false),
            ("reg-[0-4].example", "reg-3.example/app", true),
            ("reg-[^0-4].example", "reg-3.example/app", false),
            ("reg-[.example", "reg-3.example/app", false),
            ("host:5000", "host:5000/app", true),
            ("host", "host:5000/app", false),
            ("host:5000", "host/app", false),
            ("*:5000", "host:5000/app", true),
            ("[::1]:5000", "[::1]:5000/app", true),
            ("127.0.0.1:5000", "127.0.0.1:5000/app", true),
        ];
        for (pattern, image, expected) in rows {
            assert_eq!(is_match(pattern, image), expected, "{pattern} {image}");
        }
    }
}
