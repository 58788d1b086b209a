//! nf_tables messages: framed, counted, and several as one transaction.
#![deny(clippy::disallowed_methods)]

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};

use super::attribute::Attributes;
use crate::network::netlink::Request;

/// Frames `changes` as one transaction: the kernel takes all of them or none.
pub(super) fn transaction(changes: impl IntoIterator<Item = Request>) -> Vec<Request> {
    let frame = |what, kind: libc::c_int| {
        request(what, kind as u16, 0, libc::NFNL_SUBSYS_NFTABLES as u16, &[])
    };
    let mut requests = vec![frame("change nft tables", libc::NFNL_MSG_BATCH_BEGIN)];
    requests.extend(changes);
    requests.push(frame("commit to nft tables", libc::NFNL_MSG_BATCH_END));
    requests
}

/// One change within a transaction.
pub(super) fn change(
    what: &'static str,
    kind: libc::c_int,
    flags: u16,
    attributes: &Attributes,
) -> Request {
    let flags = flags | NLM_F_ACK;
    request(what, message_type(kind), flags, 0, attributes.as_bytes())
}

/// A question that lists things.
pub(super) fn list(what: &'static str, kind: libc::c_int, attributes: &Attributes) -> Request {
    let kind = message_type(kind);
    request(what, kind, NLM_F_DUMP, 0, attributes.as_bytes())
}

fn message_type(kind: libc::c_int) -> u16 {
    (libc::NFNL_SUBSYS_NFTABLES as u16) << 8 | kind as u16
}

/// Prefixes the header of every netfilter message: family, version, resource. Family `inet` holds
/// IPv4 and IPv6.
fn request(what: &'static str, kind: u16, flags: u16, resource: u16, attributes: &[u8]) -> Request {
    let mut body = vec![libc::NFPROTO_INET as u8, libc::NFNETLINK_V0 as u8];
    body.extend(resource.to_be_bytes());
    body.extend(attributes);
    Request {
        what,
        kind,
        flags,
        body,
    }
}
