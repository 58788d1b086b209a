//! What a client wants its connection to become, and the answer to it.
#![deny(clippy::disallowed_methods)]

use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::StatusCode;

use super::remote_command::Version;
use super::websocket::Layout;

const SPDY: &str = "SPDY/3.1";
const STREAM_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const STREAM_VERSIONS_ACCEPTED: HeaderName =
    HeaderName::from_static("x-accepted-stream-protocol-versions");
/// Port-forward, over SPDY.
const PORT_FORWARD: &str = "portforward.k8s.io";
/// The same, with SPDY in a WebSocket.
const PORT_FORWARD_TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// What carries the streams, and what `P` is spoken on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport<P> {
    /// SPDY.
    Spdy(P),
    /// A WebSocket.
    WebSocket(P, Layout),
}

/// A connection that becomes something else.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Accepted<P> {
    /// What it becomes.
    pub(super) transport: Transport<P>,
    /// What the answer says beside 101.
    pub(super) headers: HeaderMap,
}

/// A request that is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    /// As clients of Kubernetes know it.
    pub(super) status: StatusCode,
    /// For people.
    pub(super) message: String,
    /// What the answer says beside.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// What exec and attach become.
pub(super) fn remote_command(request: &HeaderMap) -> Result<Accepted<Version>, Refused> {
    if is_websocket(request) {
        let layout = |version| match version {
            Version::V5 => (version, Layout::ClosableChannels),
            _ => (version, Layout::Channels),
        };
        let protocols = Version::OVER_WEBSOCKET.map(|version| (version.name(), layout(version)));
        return accept_websocket(request, &protocols, layout(Version::V1));
    }
    let protocols = Version::OVER_SPDY.map(|version| (version.name(), version));
    accept_spdy(request, &protocols)
}

/// What port-forward becomes.
pub(super) fn port_forward(request: &HeaderMap) -> Result<Accepted<()>, Refused> {
    if is_websocket(request) {
        let protocols = [
            (PORT_FORWARD_TUNNEL, ((), Layout::Tunnel)),
            (Version::V4.name(), ((), Layout::Channels)),
        ];
        return accept_websocket(request, &protocols, ((), Layout::Channels));
    }
    accept_spdy(request, &[(PORT_FORWARD, ())])
}

fn accept_spdy<P: Copy>(
    request: &HeaderMap,
    protocols: &[(&'static str, P)],
) -> Result<Accepted<P>, Refused> {
    if !has_word(request, &CONNECTION, "upgrade") || !has_word(request, &UPGRADE, SPDY) {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "an upgrade to SPDY/3.1 or websocket is expected",
        ));
    }
    if words(request, &STREAM_VERSION).next().is_none() {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "the header X-Stream-Protocol-Version is missing",
        ));
    }
    match first_known(request, &STREAM_VERSION, protocols) {
        Some((name, protocol)) => {
            let mut headers = upgrade_to(SPDY);
            headers.insert(STREAM_VERSION, HeaderValue::from_static(name));
            Ok(Accepted {
                transport: Transport::Spdy(protocol),
                headers,
            })
        }
        None => {
            let mut refused = refuse(
                StatusCode::FORBIDDEN,
                "none of the protocols of X-Stream-Protocol-Version is spoken here",
            );
            for (name, _) in protocols {
                let name = HeaderValue::from_static(name);
                refused.headers.push((STREAM_VERSIONS_ACCEPTED, name));
            }
            Err(refused)
        }
    }
}

fn is_websocket(request: &HeaderMap) -> bool {
    has_word(request, &CONNECTION, "upgrade") && has_word(request, &UPGRADE, "websocket")
}

/// Answers with the client's first protocol that is spoken here; `unnamed` when it names none.
fn accept_websocket<P: Copy>(
    request: &HeaderMap,
    protocols: &[(&'static str, (P, Layout))],
    unnamed: (P, Layout),
) -> Result<Accepted<P>, Refused> {
    let (name, (protocol, layout)) = match request.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        false => (None, unnamed),
        true => match first_known(request, &SEC_WEBSOCKET_PROTOCOL, protocols) {
            Some((name, protocol)) => (Some(name), protocol),
            None => {
                let message = "none of the protocols of Sec-WebSocket-Protocol is spoken here";
                return Err(refuse(StatusCode::FORBIDDEN, message));
            }
        },
    };
    if !has_word(request, &SEC_WEBSOCKET_VERSION, "13") {
        let message = "version 13 of WebSocket is expected";
        let mut refused = refuse(StatusCode::UPGRADE_REQUIRED, message);
        let version = HeaderValue::from_static("13");
        refused.headers.push((SEC_WEBSOCKET_VERSION, version));
        return Err(refused);
    }
    let Some(key) = request
        .get(SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok())
    else {
        let message = "the header Sec-WebSocket-Key is missing";
        return Err(refuse(StatusCode::BAD_REQUEST, message));
    };
    let mut headers = upgrade_to("websocket");
    let proof = HeaderValue::try_from(podling_streams::websocket::accept(key))
        .expect("base64 is plain ASCII");
    headers.insert(SEC_WEBSOCKET_ACCEPT, proof);
    if let Some(name) = name {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    Ok(Accepted {
        transport: Transport::WebSocket(protocol, layout),
        headers,
    })
}

fn upgrade_to(protocol: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static(protocol)),
    ])
}

fn first_known<P: Copy>(
    request: &HeaderMap,
    header: &HeaderName,
    known: &[(&'static str, P)],
) -> Option<(&'static str, P)> {
    words(request, header)
        .find_map(|word| known.iter().find(|(name, _)| *name == word))
        .copied()
}

fn has_word(request: &HeaderMap, header: &HeaderName, wanted: &str) -> bool {
    words(request, header).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// The values of a header, wherever they stand: lines and commas are the same.
fn words<'a>(request: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = request.get_all(header).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn refuse(status: StatusCode, message: &str) -> Refused {
    Refused {
        status,
        message: message.to_owned(),
        headers: Vec::new(),
    }
}

/// The ports that a query names, as `port=80&port=81` or `port=80,81`.
pub(super) fn ports_of(query: Option<&str>) -> Result<Vec<u16>, Refused> {
    let pairs = query.unwrap_or_default().split('&');
    let values = pairs.filter_map(|pair| pair.strip_prefix("port="));
    let ports = values.flat_map(|value| value.split(','));
    ports
        .map(|port| match port.parse() {
            Ok(port @ 1..) => Ok(port),
            Ok(0) | Err(_) => Err(refuse(
                StatusCode::BAD_REQUEST,
                "a port is a number of 1 to 65535",
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name = HeaderName::try_from(*name).expect("a name");
            (name, HeaderValue::try_from(*value).expect("a value"))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn spdy(versions: &[&str]) -> HeaderMap {
        let mut pairs = vec![("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")];
        pairs.extend(
            versions
                .iter()
                .map(|version| ("X-Stream-Protocol-Version", *version)),
        );
        headers(&pairs)
    }

    fn websocket(protocols: &str) -> HeaderMap {
        headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", protocols),
        ])
    }

    #[test]
    fn the_clients_first_choice_that_is_known_is_taken() {
        let cases: [(&[&str], Version); 3] = [
            (&["v4.channel.k8s.io", "v3.channel.k8s.io"], Version::V4),
            (&["v9.channel.k8s.io, v2.channel.k8s.io"], Version::V2),
            (&["channel.k8s.io"], Version::V1),
        ];
        for (offered, version) in cases {
            let accepted = remote_command(&spdy(offered)).expect("an upgrade");
            assert_eq!(accepted.transport, Transport::Spdy(version));
            assert_eq!(
                accepted.headers["x-stream-protocol-version"],
                version.name()
            );
        }
    }

    #[test]
    fn a_client_without_a_known_version_is_told_which_there_are() {
        let refused = remote_command(&spdy(&["v9"])).expect_err("a refusal");
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let names = refused.headers.iter().map(|(name, _)| name);
        let told = names.filter(|name| **name == STREAM_VERSIONS_ACCEPTED);
        assert_eq!(told.count(), Version::OVER_SPDY.len());
        let refused = remote_command(&spdy(&[])).expect_err("a refusal");
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let plain = port_forward(&HeaderMap::new()).expect_err("a refusal");
        assert_eq!(plain.status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn websockets_have_channels_that_close_since_the_fifth_version() {
        let accepted = remote_command(&websocket("v5.channel.k8s.io")).expect("an upgrade");
        let layout = Layout::ClosableChannels;
        assert_eq!(
            accepted.transport,
            Transport::WebSocket(Version::V5, layout)
        );
        assert_eq!(
            accepted.headers[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(
            accepted.headers[SEC_WEBSOCKET_PROTOCOL],
            "v5.channel.k8s.io"
        );
        let accepted =
            remote_command(&websocket("nothing, v4.channel.k8s.io")).expect("an upgrade");
        let layout = Layout::Channels;
        assert_eq!(
            accepted.transport,
            Transport::WebSocket(Version::V4, layout)
        );
        let refused = remote_command(&websocket("base64.channel.k8s.io")).expect_err("a refusal");
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn ports_are_forwarded_through_a_tunnel_or_channels() {
        let tunnel = port_forward(&websocket(PORT_FORWARD_TUNNEL)).expect("an upgrade");
        assert_eq!(tunnel.transport, Transport::WebSocket((), Layout::Tunnel));
        let channels = port_forward(&websocket("v4.channel.k8s.io")).expect("an upgrade");
        assert_eq!(
            channels.transport,
            Transport::WebSocket((), Layout::Channels)
        );
    }

    #[test]
    fn ports_of_a_query_are_numbers() {
        assert_eq!(ports_of(Some("port=80,81&x=1&port=9")), Ok(vec![80, 81, 9]));
        assert_eq!(ports_of(None), Ok(vec![]));
        for wrong in ["port=0", "port=65536", "port=", "port=80,x"] {
            assert!(ports_of(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
