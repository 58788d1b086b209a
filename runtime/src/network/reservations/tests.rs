//! Reservations on disk: who has what after any sequence of calls and of crashes.

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

fn pod(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 8, last)
}

#[test]
fn a_sandbox_keeps_its_address_however_often_it_asks() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), pod(2));
    assert_eq!(reservations.reserve(&id(2)).unwrap(), pod(3));
    assert_eq!(reservations.reserve(&id(1)).unwrap(), pod(2));
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
    assert_eq!(reservations.reserve(&id(1)).unwrap(), pod(2));
    let next = reservations.reserve(&id(3)).unwrap();
    assert_eq!(next, pod(4), "10.9.8.3 was just freed");
}

#[test]
fn a_freed_address_comes_back_when_its_turn_comes() {
    let dir = TempDir::new().unwrap();
    let mut reservations = open(&dir, "10.9.8.0/29");
    let given: Vec<_> = (0..7)
        .map(|n| {
            let address = reservations.reserve(&id(n)).unwrap();
            reservations.release(&id(n)).unwrap();
            address
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
    assert_eq!(reservations.reserve(&id(9)).unwrap(), pod(5));
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
    assert_eq!(reservations.reserve(&id(2)).unwrap(), pod(3));
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
        let address = reservations.reserve(&id(1)).unwrap();
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
    assert_eq!(reservations.reserve(&id(2)).unwrap(), pod(3));
    assert_eq!(reservations.reserve(&id(1)).unwrap(), pod(2));
}

#[test]
fn what_is_not_a_reservation_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, "10.9.8.0/24"));
    let stray = dir.path().join("addresses/README");
    fs::write(&stray, "hello").unwrap();
    let mut reservations = open(&dir, "10.9.8.0/24");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), pod(2));
    assert_eq!(fs::read_to_string(stray).unwrap(), "hello");
}

#[test]
fn a_reservation_of_another_pod_cidr_is_kept_until_it_is_released() {
    let dir = TempDir::new().unwrap();
    open(&dir, "10.9.8.0/24").reserve(&id(1)).unwrap();
    let mut reservations = open(&dir, "10.7.0.0/24");
    assert_eq!(reservations.reserve(&id(1)).unwrap(), pod(2));
    let other = reservations.reserve(&id(2)).unwrap();
    assert_eq!(other, Ipv4Addr::new(10, 7, 0, 2));
    reservations.release(&id(1)).unwrap();
    assert!(reservations.owners.contains_key(&other));
    assert_eq!(reservations.owners.len(), 1);
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
        let mut reservations = open(&dir, "10.9.8.0/27");
        let mut expected: BTreeMap<SandboxId, Ipv4Addr> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Reserve(n) => match reservations.reserve(&id(n)) {
                    Ok(address) => {
                        let known = expected.insert(id(n), address);
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
                    reservations = open(&dir, "10.9.8.0/27");
                }
            }
            let owners: BTreeSet<_> = expected.values().collect();
            prop_assert_eq!(owners.len(), expected.len());
            prop_assert_eq!(&reservations.by_owner, &expected);
        }
    }
}
