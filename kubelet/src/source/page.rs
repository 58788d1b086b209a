//! The page that describes pods, as it is configured.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// A page that describes pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it is.
    pub url: String,
    /// What is sent along.
    pub headers: HeaderMap,
    /// How long to wait between two looks.
    pub period: Duration,
}

impl Page {
    /// The page of a configuration, or all that is wrong with it.
    pub(crate) fn read(
        url: &str,
        headers: &BTreeMap<String, Vec<String>>,
        period: Duration,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let is_page = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !Url::parse(url).is_ok_and(is_page) {
            let message = "must be an http:// or https:// address";
            problems.push(format!("staticPodURL (--manifest-url) {url:?} {message}"));
        }
        let headers = read_headers(headers, &mut problems);
        if problems.is_empty() {
            Ok(Self {
                url: url.to_owned(),
                headers,
                period,
            })
        } else {
            Err(problems)
        }
    }
}

/// What is sent along may be a password: it is never printed.
fn read_headers(written: &BTreeMap<String, Vec<String>>, problems: &mut Vec<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in written {
        let field = format!("staticPodURLHeader (--manifest-url-header) {name:?}");
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            problems.push(format!("{field} is not the name of a header"));
            continue;
        };
        for value in values {
            match HeaderValue::from_str(value) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    headers.append(name.clone(), value);
                }
                Err(_) => problems.push(format!("{field} has a value that cannot be sent")),
            }
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, headers: &[(&str, &str)]) -> Result<Page, Vec<String>> {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]));
        Page::read(url, &headers.collect(), Duration::from_secs(20))
    }

    #[test]
    fn every_mistake_is_told() {
        let told = read("host/pods", &[("a b", "c"), ("d", "e\nf")]).unwrap_err();
        assert_eq!(told.len(), 3, "{told:?}");
        for url in ["", "ftp://host/", "http://", "pods"] {
            assert!(read(url, &[]).is_err(), "{url}");
        }
    }

    #[test]
    fn what_is_sent_along_is_not_printed() {
        let page = read("https://host/pods", &[("Token", "secret")]).unwrap();
        assert_eq!(page.headers["token"], "secret");
        assert!(!format!("{page:?}").contains("secret"));
    }
}
