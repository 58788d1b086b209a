//! Paths and queries of the kubelet's HTTP: pure.
#![deny(clippy::disallowed_methods)]

/// A path with its query, which grows.
#[derive(Clone, Debug)]
pub(crate) struct Path(String);

impl Path {
    /// A path of these parts.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(
            parts
                .into_iter()
                .map(|part| format!("/{}", escaped(part)))
                .collect(),
        )
    }

    /// The same with a pair more in its query.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let mark = if self.0.contains('?') { '&' } else { '?' };
        self.0.push(mark);
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&escaped(value.as_ref()));
        self
    }

    /// The same with a pair more if there is a value.
    #[must_use]
    pub(crate) fn with_some(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything but letters, digits and `-._~` is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(byte.into());
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_query_is_escaped() {
        let path = Path::of(["exec", "default", "web"])
            .with("command", "echo a+b&c=ä")
            .with_some("tty", Some("1"))
            .with_some("input", None::<&str>);
        assert_eq!(
            path.as_str(),
            "/exec/default/web?command=echo%20a%2Bb%26c%3D%C3%A4&tty=1"
        );
    }
}
