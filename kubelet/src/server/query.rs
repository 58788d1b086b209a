//! The query of a request, decoded: pure.

#![deny(clippy::disallowed_methods)]

use http::Uri;

/// Names and values in the order of the query; a name may come several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The query of a URI.
    pub(super) fn of(uri: &Uri) -> Self {
        let text = uri.query().unwrap_or_default();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decode = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        Self(pairs.map(decode).collect())
    }

    /// Every value of that name, in order.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let of_name = self.0.iter().filter(|(one, _)| one == name);
        of_name.map(|(_, value)| value.clone()).collect()
    }

    /// The first value of that name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let mut of_name = self.0.iter().filter(|(one, _)| one == name);
        of_name.next().map(|(_, value)| value.as_str())
    }

    /// Whether a switch of the Kubernetes API is on: it is unless it says otherwise.
    pub(super) fn is_on(&self, name: &str) -> bool {
        let value = self.first(name);
        value
            .is_some_and(|value| !matches!(value, "" | "0") && !value.eq_ignore_ascii_case("false"))
    }
}

/// Takes `%41` for `A` and `+` for a space; what is no escape stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = || {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        match (first, escape()) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_may_repeat() {
        let uri = "/exec?command=sh&command=-c&command=echo+a%2Bb%20%c3%a4%&follow=true&tty=False";
        let query = Query::of(&uri.parse().unwrap());
        assert_eq!(query.all("command"), ["sh", "-c", "echo a+b ä%"]);
        assert_eq!(query.first("command"), Some("sh"));
        assert!(query.is_on("follow") && !query.is_on("tty") && !query.is_on("nothing"));
    }
}
