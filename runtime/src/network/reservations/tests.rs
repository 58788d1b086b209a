//! Reservations on disk: who has what after any sequence of calls and of crashes.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn id(n: u16) -> SandboxId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    SandboxId::from_random(bytes)
}

fn open(dir: &TempDir, cidr: &str) -> Reservations {
    Reservations::open(dir.path(), cidr.parse().unwrap()).unwrap()
}

fn pod(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 9, 8, last).into()
}

fn ips(text: &str) -> Vec<IpAddr> {
    text.split(',').map(|ip| ip.parse().unwrap()).collect()
}

#[test]
fn a_sandbox_keeps_its_address_however_often_it_asks() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), [pod(2)]);
    assert_eq!(reservations.reserve(&id(2)).unwrap(), [pod(3)]);
    assert_eq!(reservations.reserve(&id(1)).unwrap(), [pod(2)]);
}

#[test]
fn reservations_and_the_turn_outlive_the_process() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24");
    reservations.reserve(&id(1)).unwrap();
    reservations.reserve(&id(2)).unwrap();
    reservations.release(&id(2)).unwrap();
    drop(reservations);
    let mut reservations = open(&dir, "10.9.8.0/24");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), [pod(2)]);
    let next = reservations.reserve(&id(3)).unwrap();
    assert_eq!(next, [pod(4)], "10.9.8.3 was just freed");
}

#[test]
fn a_freed_address_comes_back_when_its_turn_comes() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/29");
    let given: Vec<_> = (0..7)
        .map(|n| {
            let address = reservations.reserve(&id(n)).unwrap();
            reservations.release(&id(n)).unwrap();
            address[0]
        })
        .collect();
    assert_eq!(given, [2, 3, 4, 5, 6, 2, 3].map(pod));
}

#[test]
fn a_full_pool_says_so_and_recovers() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/29");
    for n in 0..5 {
        reservations.reserve(&id(n)).unwrap();
    }
    let error = reservations.reserve(&id(9)).unwrap_err();
    let message = "no address is left in 10.9.8.0/29: 5 are taken";
    assert_eq!(error.to_string(), message);
    reservations.release(&id(3)).unwrap();
    assert_eq!(reservations.reserve(&id(9)).unwrap(), [pod(5)]);
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = TempDir::new().unwrap();
    let first = open(&dir, "10.9.8.0/24");
    let second = Reservations::open(dir.path(), "10.9.8.0/24".parse().unwrap());
    assert!(matches!(second, Err(OpenReservationsError::Locked(_))));
    drop(first);
    open(&dir, "10.9.8.0/24");
}

#[test]
fn retaining_frees_what_is_not_live_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24");
    for n in 1..=3 {
        reservations.reserve(&id(n)).unwrap();
    }
    let live = BTreeSet::from([id(2), id(77)]);
    assert_eq!(reservations.retain(&live).unwrap(), [id(1), id(3)]);
    assert_eq!(reservations.retain(&live).unwrap(), []);
    drop(reservations);
    let mut reservations = open(&dir, "10.9.8.0/24");
    assert_eq!(reservations.reserve(&id(2)).unwrap(), [pod(3)]);
}

#[test]
fn a_crash_before_the_reservation_skips_an_address_at_most() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, "10.9.8.0/24"));
    for torn in [
        "10.9.8.5       \n",
        "10.9.8.5",
        "",
        "garbage, long enough\n",
    ] {
        fs::write(dir.path().join("last"), torn).unwrap();
        let mut reservations = open(&dir, "10.9.8.0/24");
        let address = reservations.reserve(&id(1)).unwrap()[0];
        assert!([pod(2), pod(6)].contains(&address), "{torn:?}: {address}");
        reservations.release(&id(1)).unwrap();
    }
}

#[test]
fn a_crash_after_the_reservation_does_not_give_the_address_again() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, "10.9.8.0/24"));
    fs::write(dir.path().join(format!("addresses/10.9.8.2@{}", id(1))), "").unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24");
    assert_eq!(reservations.reserve(&id(2)).unwrap(), [pod(3)]);
    assert_eq!(reservations.reserve(&id(1)).unwrap(), [pod(2)]);
}

#[test]
fn what_is_not_a_reservation_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, "10.9.8.0/24"));
    let stray = dir.path().join("addresses/README");
    fs::write(&stray, "hello").unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), [pod(2)]);
    assert_eq!(fs::read_to_string(stray).unwrap(), "hello");
}

#[test]
fn a_reservation_of_another_pod_cidr_is_kept_until_it_is_released() {
    let dir = TempDir::new().unwrap();
    open(&dir, "10.9.8.0/24").reserve(&id(1)).unwrap();
    let mut reservations = open(&dir, "10.7.0.0/24");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), [pod(2)]);
    let other = reservations.reserve(&id(2)).unwrap();
    assert_eq!(other, ips("10.7.0.2"));
    reservations.release(&id(1)).unwrap();
    assert!(reservations.owners.contains_key(&other[0]));
    assert_eq!(reservations.owners.len(), 1);
}

#[test]
fn a_sandbox_has_an_address_of_each_network_in_one_file() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24,fd09::/64");
    assert_eq!(
        reservations.reserve(&id(1)).unwrap(),
        ips("10.9.8.2,fd09::2")
    );
    assert_eq!(
        reservations.reserve(&id(2)).unwrap(),
        ips("10.9.8.3,fd09::3")
    );
    let files = fs::read_dir(dir.path().join("addresses")).unwrap();
    assert_eq!(files.count(), 2);
    reservations.release(&id(1)).unwrap();
    drop(reservations);

    // The other order of families counts for new sandboxes alone.
    let mut reservations = open(&dir, "fd09::/64,10.9.8.0/24");
    assert_eq!(
        reservations.reserve(&id(2)).unwrap(),
        ips("10.9.8.3,fd09::3")
    );
    assert_eq!(
        reservations.reserve(&id(3)).unwrap(),
        ips("fd09::4,10.9.8.4")
    );
    for n in 2..=3 {
        reservations.release(&id(n)).unwrap();
    }
    assert!(reservations.owners.is_empty());
    assert_eq!(
        fs::read_dir(dir.path().join("addresses")).unwrap().count(),
        0
    );
}

#[test]
fn reservations_of_ipv4_alone_are_taken_over_when_ipv6_comes() {
    let dir = TempDir::new().unwrap();
    open(&dir, "10.9.8.0/24").reserve(&id(1)).unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24,fd09::/64");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), ips("10.9.8.2"));
    assert_eq!(
        reservations.reserve(&id(2)).unwrap(),
        ips("10.9.8.3,fd09::2")
    );
}

#[test]
fn a_pair_is_given_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/30,fd09::/64");
    reservations.reserve(&id(1)).unwrap();
    let error = reservations.reserve(&id(2)).unwrap_err();
    let message = "no address is left in 10.9.8.0/30: 1 are taken";
    assert_eq!(error.to_string(), message);
    assert_eq!(reservations.owners.len(), 2);
}

#[test]
fn two_pods_of_ipv6_alone_never_share_a_hardware_address() {
    let dir = TempDir::new().unwrap();
    // A sandbox of another network that has, by bad luck, the hardware address of fd09::2.
    let unlucky = (1u128..)
        .map(|n| (0xfd0a << 112) + (n << 64) + 2)
        .map(Ipv6Addr::from_bits);
    let wanted = mac::of_pod(&ips("fd09::2"));
    let mut unlucky = unlucky
        .map(IpAddr::V6)
        .filter(|ip| mac::of_pod(&[*ip]) == wanted);
    let unlucky = unlucky.next().expect("one in 65,536 has it");
    drop(open(&dir, "fd09::/64"));
    fs::write(
        dir.path().join(format!("addresses/{unlucky}@{}", id(1))),
        "",
    )
    .unwrap();
    let mut reservations = open(&dir, "fd09::/64");
    assert_eq!(reservations.reserve(&id(2)).unwrap(), ips("fd09::3"));
}

/// What can happen to a sandbox, by a small number.
#[derive(Clone, Debug)]
enum Step {
    Reserve(u16),
    Release(u16),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u16..40).prop_map(Step::Reserve),
        4 => (0u16..40).prop_map(Step::Release),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_address_has_two_owners_after_a_thousand_steps(
        steps in proptest::collection::vec(step(), 1000),
    ) {
        let dir = TempDir::new().unwrap();
        let mut reservations = open(&dir, "10.9.8.0/27,fd09::/122");
        let mut expected: BTreeMap<SandboxId, Vec<IpAddr>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Reserve(n) => match reservations.reserve(&id(n)) {
                    Ok(address) => {
                        let known = expected.insert(id(n), address.clone());
                        prop_assert!(known.is_none_or(|known| known == address));
                    }
                    Err(_) => prop_assert_eq!(expected.len(), 29),
                },
                Step::Release(n) => {
                    reservations.release(&id(n)).unwrap();
                    expected.remove(&id(n));
                }
                Step::Restart => {
                    drop(reservations);
                    reservations = open(&dir, "10.9.8.0/27,fd09::/122");
                }
            }
            let owners: BTreeSet<_> = expected.values().flatten().collect();
            prop_assert_eq!(owners.len(), 2 * expected.len());
            prop_assert_eq!(&reservations.by_owner, &expected);
        }
    }
}
