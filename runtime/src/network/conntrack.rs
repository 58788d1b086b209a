//! Connections that the kernel remembers, forgotten where a host port has changed hands.
//!
//! The kernel asks the NAT rules for the first packet of a connection only. Datagrams from one
//! port to another are one connection for it as long as they keep coming, so without this a peer
//! that has begun too early, or goes on too long, is led to where the port led before.
#![deny(clippy::disallowed_methods)]

use netlink_packet_core::{NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::host_ports::HostPort;
use super::netlink::{Connection, NetlinkError, Request};
use super::nft::find;
use crate::model::config::Protocol;

const GET: u16 = 1;
const DELETE: u16 = 2;
/// The header of every netfilter message: family, version, resource.
const HEADER: usize = 4;

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_DESTINATION_PORT: u16 = 3;

/// Forgets every connection to one of these ports of this machine, but for those of TCP and SCTP,
/// whose ends notice by themselves.
pub(super) fn forget(ports: &[HostPort]) -> Result<(), NetlinkError> {
    let is_datagram = |port: &&HostPort| port.protocol == Protocol::Udp;
    let wanted: Vec<u16> = ports
        .iter()
        .filter(is_datagram)
        .map(|port| port.host_port)
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut kernel = Connection::open(NETLINK_NETFILTER)?;
    let known = kernel.ask(&list())?;
    for deletion in known.iter().filter_map(|body| deletion(body, &wanted)) {
        match kernel.transact(&[deletion]) {
            // It has ended by itself meanwhile.
            Err(error) if error.is(libc::ENOENT) => {}
            deleted => deleted?,
        }
    }
    Ok(())
}

fn list() -> Request {
    Request {
        what: "list connections",
        kind: message_type(GET),
        flags: NLM_F_DUMP,
        body: vec![libc::AF_UNSPEC as u8, libc::NFNETLINK_V0 as u8, 0, 0],
    }
}

/// What deletes the connection that `body` describes, if it goes to one of these UDP ports.
fn deletion(body: &[u8], ports: &[u16]) -> Option<Request> {
    let (header, attributes) = body.split_at_checked(HEADER)?;
    let original = find(attributes, TUPLE_ORIGINAL)?;
    let protocol = find(original, TUPLE_PROTOCOL)?;
    if find(protocol, PROTOCOL_NUMBER)? != [Protocol::Udp.number()] {
        return None;
    }
    let port = find(protocol, PROTOCOL_DESTINATION_PORT)?;
    let port = u16::from_be_bytes(port.try_into().ok()?);
    if !ports.contains(&port) {
        return None;
    }
    let mut body = header.to_vec();
    let length = u16::try_from(4 + original.len()).ok()?;
    body.extend(length.to_ne_bytes());
    body.extend((TUPLE_ORIGINAL | NLA_F_NESTED).to_ne_bytes());
    body.extend(original);
    Some(Request {
        what: "forget a connection",
        kind: message_type(DELETE),
        flags: NLM_F_ACK,
        body,
    })
}

fn message_type(kind: u16) -> u16 {
    (libc::NFNL_SUBSYS_CTNETLINK as u16) << 8 | kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn connection(protocol: u8, port: u16) -> Vec<u8> {
        let protocol = [
            attribute(PROTOCOL_NUMBER, &[protocol]),
            attribute(2, &9u16.to_be_bytes()),
            attribute(PROTOCOL_DESTINATION_PORT, &port.to_be_bytes()),
        ];
        let tuple = attribute(TUPLE_PROTOCOL | NLA_F_NESTED, &protocol.concat());
        let tuple = attribute(TUPLE_ORIGINAL | NLA_F_NESTED, &tuple);
        [vec![2, 0, 0, 0], tuple].concat()
    }

    #[test]
    fn a_connection_is_deleted_by_the_very_words_that_name_it() {
        let named = connection(17, 53);
        let deletion = deletion(&named, &[53]).expect("it goes to port 53");
        assert_eq!(deletion.body, named);
    }

    #[test]
    fn other_ports_and_protocols_and_garbage_are_left_alone() {
        assert_eq!(deletion(&connection(17, 54), &[53]), None);
        assert_eq!(deletion(&connection(6, 53), &[53]), None);
        for cut in 0..connection(17, 53).len() {
            assert_eq!(deletion(&connection(17, 53)[..cut], &[53]), None, "{cut}");
        }
    }
}
