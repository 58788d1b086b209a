//! Hardware addresses, derived from the IPv4 address they stand for.
//!
//! An address that is given to another pod later keeps its hardware address, so neighbour caches of
//! the host and of other pods stay right. The first two bytes mark the interface as ours (0x72 is
//! locally administered and unicast): a bridge that carries them was made by this module, atomically
//! with its creation, and only such a bridge is ever removed.
#![deny(clippy::disallowed_methods)]

use std::net::Ipv4Addr;

const MARK: [u8; 2] = [0x72, 0x70];

/// The hardware address of the interface that has `address`.
pub(super) fn of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [MARK[0], MARK[1], a, b, c, d]
}

/// Whether an interface with this hardware address was made by this module.
pub(super) fn is_ours(mac: &[u8]) -> bool {
    mac.len() == 6 && mac.starts_with(&MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_local_unicast_and_ours() {
        let mac = of(Ipv4Addr::new(10, 88, 0, 7));
        assert_eq!(mac, [0x72, 0x70, 10, 88, 0, 7]);
        assert_eq!(mac[0] & 0b11, 0b10);
        assert!(is_ours(&mac));
        assert!(!is_ours(&[0x0a, 0x58, 10, 88, 0, 7]));
        assert!(!is_ours(&[]));
    }
}
