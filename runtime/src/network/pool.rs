//! Which address is given next.
//!
//! Round robin: the one after the last given, so that an address that was just freed rests as long
//! as possible (peers remember connections to it).
#![deny(clippy::disallowed_methods)]

use std::net::Ipv4Addr;

use super::subnet::Ipv4Subnet;

/// The first address after `last` that is not taken; `None` when all are.
pub(super) fn next_free(
    subnet: Ipv4Subnet,
    last: Ipv4Addr,
    is_taken: impl Fn(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    let mut address = last;
    (0..subnet.capacity()).find_map(|_| {
        address = subnet.following(address);
        (!is_taken(address)).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_next_address_is_free_for_pods_and_not_the_last_while_others_are_left(
            prefix in 26u8..=30,
            last in 0u32..64,
            taken in proptest::collection::btree_set(0u32..64, 0..64),
        ) {
            let base = Ipv4Addr::new(10, 0, 0, 0);
            let subnet = Ipv4Subnet::new(base, prefix).unwrap();
            let at = |offset: u32| Ipv4Addr::from_bits(base.to_bits() + offset);
            let taken: BTreeSet<Ipv4Addr> = taken.into_iter().map(at).collect();
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
