//! What a request for streams asks for: pure.

#![deny(clippy::disallowed_methods)]

use axum::extract::Request;
use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

use crate::cri::StreamSet;
use crate::server::query::Query;
use crate::server::refusal::Refusal;

/// The streams that are wanted, in the words that an API server uses; a terminal has no stream for
/// errors.
pub(super) fn streams(query: &Query) -> Result<StreamSet, Refusal> {
    let is_wanted = |name| query.first(name) == Some("1");
    let tty = is_wanted("tty");
    let streams = StreamSet {
        stdin: is_wanted("input"),
        stdout: is_wanted("output"),
        stderr: is_wanted("error") && !tty,
        tty,
    };
    if streams.stdin || streams.stdout || streams.stderr {
        return Ok(streams);
    }
    Err(Refusal::bad_request(
        "you must specify at least 1 of stdin, stdout, stderr",
    ))
}

/// The ports that a WebSocket client names beforehand; a client of SPDY, tunnelled or not, names each
/// when it needs it.
pub(super) fn ports(request: &Request) -> Result<Vec<i32>, Refusal> {
    let is_tunnel = protocols(request).any(|protocol| protocol.starts_with(TUNNEL));
    if is_tunnel || !is_upgrade_to(request, "websocket") {
        return Ok(Vec::new());
    }
    let given = Query::of(request.uri()).all("port");
    let texts: Vec<_> = given.iter().flat_map(|text| text.split(',')).collect();
    if texts.iter().all(|text| text.is_empty()) {
        return Err(Refusal::bad_request("query parameter \"port\" is required"));
    }
    texts
        .into_iter()
        .map(|text| match text.parse::<u16>() {
            Ok(0) => Err(Refusal::bad_request(format!("port {text:?} must be > 0"))),
            Ok(port) => Ok(port.into()),
            Err(_) => Err(Refusal::bad_request(format!(
                "unable to parse {text:?} as a port"
            ))),
        })
        .collect()
}

/// The language of a WebSocket client that can be translated for a runtime that does not speak it:
/// channels that can be closed, or SPDY in a tunnel.
pub(super) fn translatable<B>(request: &http::Request<B>) -> Option<&str> {
    if !is_upgrade_to(request, "websocket") {
        return None;
    }
    let mut protocols = protocols(request);
    protocols.find(|protocol| *protocol == "v5.channel.k8s.io" || protocol.starts_with(TUNNEL))
}

/// What a tunnel is called, before what is spoken in it.
pub(super) const TUNNEL: &str = "SPDY/3.1+";

fn protocols<B>(request: &http::Request<B>) -> impl Iterator<Item = &str> {
    let all = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Whether the request is one to upgrade the connection.
pub(super) fn is_upgrade<B>(request: &http::Request<B>) -> bool {
    let connection = request.headers().get_all(CONNECTION).iter();
    connection
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("upgrade"))
}

fn is_upgrade_to<B>(request: &http::Request<B>, protocol: &str) -> bool {
    let wanted = request.headers().get(UPGRADE);
    let wanted = wanted.and_then(|value| value.to_str().ok());
    is_upgrade(request) && wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(protocol))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn streams_are_asked_for_as_the_api_server_does() {
        let wanted = |query: &str| streams(&Query::of(&format!("/exec?{query}").parse().unwrap()));
        let all = wanted("input=1&output=1&error=1").unwrap();
        assert!(all.stdin && all.stdout && all.stderr && !all.tty);
        let tty = wanted("output=1&error=1&tty=1").unwrap();
        assert!(tty.tty && !tty.stderr && !tty.stdin);
        for nothing in ["", "input=true", "tty=1", "error=1&tty=1"] {
            assert!(wanted(nothing).is_err(), "{nothing}");
        }
    }

    #[test]
    fn only_a_plain_websocket_names_its_ports_beforehand() {
        let socket = [
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "websocket"),
        ];
        let tunnel = [
            socket[0],
            socket[1],
            ("Sec-WebSocket-Protocol", "SPDY/3.1+portforward.k8s.io"),
        ];
        let spdy = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")];
        let language = translatable;
        assert_eq!(language(&request("/p", &tunnel)), Some(tunnel[2].1));
        assert_eq!(language(&request("/p", &socket)), None);
        assert_eq!(language(&request("/p", &spdy)), None);
        assert_eq!(ports(&request("/p", &tunnel)).unwrap(), Vec::<i32>::new());
        assert_eq!(ports(&request("/p", &spdy)).unwrap(), Vec::<i32>::new());
        let named = ports(&request("/p?port=80,81&port=82", &socket)).unwrap();
        assert_eq!(named, [80, 81, 82]);
        for wrong in ["/p", "/p?port=0", "/p?port=x", "/p?port=70000"] {
            assert!(ports(&request(wrong, &socket)).is_err(), "{wrong}");
        }
    }
}
