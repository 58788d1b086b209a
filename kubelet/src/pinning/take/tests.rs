//! Which CPUs are taken, on machines of known shape and on any.

use proptest::prelude::*;

use super::*;
use crate::pinning::machine::made::{cpus, machine};

/// Two sockets of two cores of two threads; 4 to 7 are the second threads of 0 to 3.
const TWO_SOCKETS: [u32; 5] = [2, 1, 1, 2, 2];
/// One socket with two caches of two cores of two threads each.
const TWO_CACHES: [u32; 5] = [1, 1, 2, 2, 2];

fn taken(shape: [u32; 5], busy: &str, count: usize, options: &[CpuOption]) -> String {
    let machine = machine(shape);
    let free = machine.all().without(&cpus(busy));
    let taken = take(&machine, &free, count, &CpuOptions::of(options));
    taken.unwrap().to_string()
}

#[test]
fn what_lies_together_is_taken_together() {
    let rows = [
        ("", 0, ""),
        ("", 1, "0"),
        ("", 2, "0,4"),
        ("", 3, "0-1,4"),
        ("", 4, "0-1,4-5"),
        ("", 5, "0-2,4-5"),
        ("", 8, "0-7"),
        // The rest of what is begun comes first, but for whole cores.
        ("0", 1, "4"),
        ("0", 2, "1,5"),
        ("0", 3, "1,4-5"),
        ("0", 4, "2-3,6-7"),
        ("0,1,2", 2, "3,7"),
    ];
    for (busy, count, expected) in rows {
        let taken = taken(TWO_SOCKETS, busy, count, &[]);
        assert_eq!(taken, expected, "{count} beside {busy:?}");
    }
}

#[test]
fn threads_are_of_as_many_cores_as_can_be_if_that_is_wished() {
    let across = [CpuOption::AcrossCores];
    assert_eq!(taken(TWO_SOCKETS, "", 2, &across), "0-1");
    assert_eq!(taken(TWO_SOCKETS, "", 3, &across), "0-1,4");
    assert_eq!(taken(TWO_SOCKETS, "0", 2, &across), "1,4");
}

#[test]
fn of_several_nodes_the_same_number_is_taken_if_that_is_wished() {
    let across = [CpuOption::AcrossNodes];
    assert_eq!(taken(TWO_SOCKETS, "", 4, &across), "0-1,4-5");
    assert_eq!(taken(TWO_SOCKETS, "", 6, &across), "0-4,6");
    let whole = [CpuOption::AcrossNodes, CpuOption::WholeCores];
    assert_eq!(taken(TWO_SOCKETS, "", 6, &whole), "0-2,4-6");
    // Four nodes of two CPUs: five are of three nodes, and what is left is as even as can be.
    assert_eq!(taken([4, 1, 1, 2, 1], "", 5, &across), "0-4");
}

#[test]
fn as_few_caches_as_can_be_are_used_if_that_is_wished() {
    let by_cache = [CpuOption::ByCache];
    assert_eq!(taken(TWO_CACHES, "", 4, &by_cache), "0-1,4-5");
    assert_eq!(taken(TWO_CACHES, "0,4", 2, &by_cache), "1,5");
    assert_eq!(taken(TWO_CACHES, "0,4", 3, &by_cache), "2-3,6");
    assert_eq!(taken(TWO_CACHES, "0,4", 3, &[]), "1-2,5");
    assert_eq!(taken(TWO_CACHES, "0,4", 6, &by_cache), "1-3,5-7");
}

#[test]
fn too_few_are_told_in_upstreams_words() {
    let machine = machine(TWO_SOCKETS);
    let error = take(&machine, &cpus("1-2"), 3, &CpuOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not enough cpus available to satisfy request: requested=3, available=2"
    );
}

/// Any machine of one to eight nodes.
fn any_machine() -> impl Strategy<Value = Machine> {
    (1..=2_u32, 1..=4_u32, 1..=2_u32, 1..=3_u32, 1..=2_u32).prop_map(
        |(sockets, nodes, caches, cores, threads)| {
            machine([sockets, nodes, caches, cores, threads])
        },
    )
}

fn any_options() -> impl Strategy<Value = CpuOptions> {
    prop::sample::select(vec![
        vec![],
        vec![CpuOption::WholeCores],
        vec![CpuOption::AcrossNodes],
        vec![CpuOption::AcrossNodes, CpuOption::WholeCores],
        vec![CpuOption::AcrossCores],
        vec![CpuOption::ByCache],
    ])
    .prop_map(|options| CpuOptions::of(&options))
}

proptest! {
    #[test]
    fn so_many_are_taken_as_are_wished_for_and_none_that_is_not_free(
        machine in any_machine(),
        options in any_options(),
        busy in prop::collection::btree_set(0..96_u32, 0..40),
        count in 0..40_usize,
    ) {
        let free = machine.all().without(&busy.into_iter().collect());
        match take(&machine, &free, count, &options) {
            Ok(taken) => {
                prop_assert_eq!(taken.len(), count);
                prop_assert!(taken.is_within(&free));
                prop_assert_eq!(take(&machine, &free, count, &options), Ok(taken));
            }
            Err(_) => prop_assert!(count > free.len()),
        }
    }
}
