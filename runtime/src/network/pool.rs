//! Which address is given next.
//!
//! Round robin: the one after the last given, so that an address that was just freed rests as long
//! as possible (peers remember connections to it).
#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

use super::subnet::Subnet;

/// The first address after `last` that is not taken; `None` when all are.
pub(super) fn next_free(
    subnet: Subnet,
    last: IpAddr,
    is_taken: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut address = last;
    (0..subnet.capacity()).find_map(|_| {
        address = subnet.following(address);
        (!is_taken(address)).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// The address of this number in a network of the family.
    fn at(is_six: bool, number: u32) -> IpAddr {
        match is_six {
            true => Ipv6Addr::from_bits((0xfd00 << 112) + u128::from(number)).into(),
            false => Ipv4Addr::from_bits((10 << 24) + number).into(),
        }
    }

    proptest! {
        #[test]
        fn the_next_address_is_free_for_pods_and_not_the_last_while_others_are_left(
            is_six: bool,
            host_bits in 2u8..=6,
            last in 0u32..64,
            taken in proptest::collection::btree_set(0u32..64, 0..64),
        ) {
            let at = |number| at(is_six, number);
            let prefix = if is_six { 128 } else { 32 } - host_bits;
            let subnet = Subnet::new(at(0), prefix).unwrap();
            let taken: BTreeSet<IpAddr> = taken.into_iter().map(at).collect();
            let free = (0..64).map(at).filter(|a| subnet.is_for_pods(*a) && !taken.contains(a));
            let free = free.count();
            match next_free(subnet, at(last), |address| taken.contains(&address)) {
                None => prop_assert_eq!(free, 0),
                Some(address) => {
                    prop_assert!(subnet.is_for_pods(address));
                    prop_assert!(!taken.contains(&address));
                    prop_assert!(address != at(last) || free == 1);
                }
            }
        }
    }
}
