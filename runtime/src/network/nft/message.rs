//! nf_tables messages: framed, counted, and several as one transaction.
#![deny(clippy::disallowed_methods)]

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};

use super::attribute::Attributes;
use crate::network::netlink::Request;

/// Family `inet` holds IPv4 and IPv6.
const OURS: u8 = libc::NFPROTO_INET as u8;

/// Frames `changes` as one transaction: the kernel takes all of them or none.
pub(super) fn transaction(changes: impl IntoIterator<Item = Request>) -> Vec<Request> {
    let frame = |what, kind: libc::c_int| {
        let resource = libc::NFNL_SUBSYS_NFTABLES as u16;
        request(what, (kind as u16, 0), (OURS, resource), &[])
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
    change_in(OURS, what, (kind, flags), attributes)
}

/// The same in a table of another family.
pub(super) fn change_in(
    family: u8,
    what: &'static str,
    (kind, flags): (libc::c_int, u16),
    attributes: &Attributes,
) -> Request {
    let kind = (message_type(kind), flags | NLM_F_ACK);
    request(what, kind, (family, 0), attributes.as_bytes())
}

/// A question that lists things.
pub(super) fn list(what: &'static str, kind: libc::c_int, attributes: &Attributes) -> Request {
    list_in(OURS, what, kind, attributes)
}

/// The same of another family, or of all (`NFPROTO_UNSPEC`).
pub(super) fn list_in(
    family: u8,
    what: &'static str,
    kind: libc::c_int,
    attributes: &Attributes,
) -> Request {
    let kind = (message_type(kind), NLM_F_DUMP);
    request(what, kind, (family, 0), attributes.as_bytes())
}

fn message_type(kind: libc::c_int) -> u16 {
    (libc::NFNL_SUBSYS_NFTABLES as u16) << 8 | kind as u16
}

/// Prefixes the header of every netfilter message: family, version, resource.
fn request(
    what: &'static str,
    (kind, flags): (u16, u16),
    (family, resource): (u8, u16),
    attributes: &[u8],
) -> Request {
    let mut body = vec![family, libc::NFNETLINK_V0 as u8];
    body.extend(resource.to_be_bytes());
    body.extend(attributes);
    Request {
        what,
        kind,
        flags,
        body,
    }
}
