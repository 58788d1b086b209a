//! Hardware addresses, derived from the addresses they stand for.
//!
//! An address that is given to another pod later keeps its hardware address, so neighbour caches of
//! the host and of other pods stay right. Pods with an IPv4 address have its four bytes, others 32
//! bits of their IPv6 address. The bridge's own begins with a mark (0x72 is locally administered and
//! unicast): a bridge that carries it was made by this module, atomically with its creation, and only
//! such a bridge is ever removed.
#![deny(clippy::disallowed_methods)]

use std::net::{IpAddr, Ipv6Addr};

/// A hardware address.
pub(super) type Mac = [u8; 6];

/// Of the bridge, and of pods with an IPv4 address.
const MARK: [u8; 2] = [0x72, 0x70];
/// Of pods without.
const SIX: [u8; 2] = [0x76, 0x70];

/// The hardware address of a pod with these addresses.
pub(super) fn of_pod(addresses: &[IpAddr]) -> Mac {
    let four = addresses.iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(address.octets()),
        IpAddr::V6(_) => None,
    });
    match (four, addresses.first()) {
        (Some(four), _) => marked(MARK, four),
        (None, Some(IpAddr::V6(six))) => marked(SIX, fold(*six)),
        (None, _) => marked(SIX, [0; 4]),
    }
}

/// The hardware address of a bridge. No pod on it has the same: no IPv4 address begins with 255.
pub(super) fn of_bridge(gateway: IpAddr) -> Mac {
    let [_, b, c, d] = match gateway {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => fold(address),
    };
    marked(MARK, [0xff, b, c, d])
}

/// Whether an interface with this hardware address was made by this module.
pub(super) fn is_ours(mac: &[u8]) -> bool {
    mac.len() == 6 && mac.starts_with(&MARK)
}

fn marked(mark: [u8; 2], rest: [u8; 4]) -> Mac {
    let ([m, n], [a, b, c, d]) = (mark, rest);
    [m, n, a, b, c, d]
}

/// 32 bits: the last 16, which tell the pods of a network apart, as they are, and behind 16 that
/// depend on all others.
fn fold(address: Ipv6Addr) -> [u8; 4] {
    let octets = address.octets();
    let (network, [y, z]) = octets
        .split_last_chunk()
        .expect("an IPv6 address has 16 bytes");
    // FNV-1a.
    let hash = network.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let [w, x, ..] = hash.to_be_bytes();
    [w, x, *y, *z]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(addresses: &[&str]) -> Mac {
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        of_pod(&addresses)
    }

    #[test]
    fn a_pod_has_the_bytes_of_its_ipv4_address_whichever_is_its_first() {
        let mac = pod(&["10.88.0.7"]);
        assert_eq!(mac, [0x72, 0x70, 10, 88, 0, 7]);
        assert_eq!(mac[0] & 0b11, 0b10, "locally administered and unicast");
        assert_eq!(pod(&["fd00::9", "10.88.0.7"]), mac);
        assert_eq!(pod(&["10.88.0.7", "fd00::9"]), mac);
    }

    #[test]
    fn pods_of_ipv6_alone_differ_within_a_network() {
        let mac = pod(&["fd00::1:2"]);
        assert_eq!(mac[0] & 0b11, 0b10, "locally administered and unicast");
        assert_eq!(mac[4..], [0, 2]);
        assert_eq!(mac, pod(&["fd00::1:2"]));
        assert_ne!(mac, pod(&["fd00::1:3"]));
        assert_ne!(mac, pod(&["fd01::1:2"]));
    }

    #[test]
    fn a_bridge_is_ours_and_no_pod() {
        for text in ["10.88.0.1", "fd00:88::1"] {
            let mac = of_bridge(text.parse().unwrap());
            assert!(is_ours(&mac));
            assert_eq!(mac[2], 0xff);
        }
        assert!(!is_ours(&[0x0a, 0x58, 10, 88, 0, 7]));
        assert!(!is_ours(&[]));
    }
}
