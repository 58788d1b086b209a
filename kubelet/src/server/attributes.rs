//! What a request means to an authorizer: a verb, and what of the node it is about. Pure.
#![deny(clippy::disallowed_methods)]

use http::Method;

/// What a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) verb: &'static str,
    /// The narrow way to put it, if there is one, and then the wide one.
    pub(super) subresources: Vec<&'static str>,
}

/// Paths that are more than `proxy`, in upstream's words.
const OF_THEIR_OWN: [(&str, &str); 6] = [
    ("/stats", "stats"),
    ("/metrics", "metrics"),
    ("/logs", "log"),
    ("/checkpoint", "checkpoint"),
    ("/statusz", "statusz"),
    ("/flagz", "configz"),
];

/// Paths of which may be asked more narrowly than of all.
const NARROW: [(&str, &str); 4] = [
    ("/pods", "pods"),
    ("/healthz", "healthz"),
    ("/configz", "configz"),
    ("/runningpods", "pods"),
];

pub(super) fn attributes(method: &Method, path: &str) -> Attributes {
    let verb = match *method {
        Method::POST => "create",
        Method::GET => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    };
    let is_of = |(top, _): &&(&str, &str)| is_below(path, top);
    // Who may read pods may not therefore change what is below them, which only this kubelet has.
    let narrow = NARROW
        .iter()
        .find(is_of)
        .filter(|_| verb == "get")
        .map(|(_, name)| *name);
    let wide = OF_THEIR_OWN
        .iter()
        .find(is_of)
        .map_or("proxy", |(_, name)| *name);
    Attributes {
        verb,
        subresources: narrow.into_iter().chain([wide]).collect(),
    }
}

fn is_below(path: &str, top: &str) -> bool {
    let rest = path.strip_prefix(top);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_means_is_what_upstream_says() {
        let rows: [(Method, &str, &str, &[&str]); 10] = [
            (Method::POST, "/pods/a/b/restart", "create", &["proxy"]),
            (Method::GET, "/pods", "get", &["pods", "proxy"]),
            (Method::GET, "/runningpods/", "get", &["pods", "proxy"]),
            (Method::GET, "/healthz/ping", "get", &["healthz", "proxy"]),
            (Method::GET, "/configz", "get", &["configz", "proxy"]),
            (Method::GET, "/metrics/cadvisor", "get", &["metrics"]),
            (Method::GET, "/stats/summary", "get", &["stats"]),
            (Method::GET, "/containerLogs/a/b/c", "get", &["proxy"]),
            (Method::POST, "/exec/a/b/c", "create", &["proxy"]),
            (Method::GET, "/metricsx", "get", &["proxy"]),
        ];
        for (method, path, verb, subresources) in rows {
            let expected = Attributes {
                verb,
                subresources: subresources.to_vec(),
            };
            assert_eq!(attributes(&method, path), expected, "{path}");
        }
    }
}
