//! Who gets which CPUs, over any history of pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{PodUid, RestartPolicy};
use crate::pinning::machine::made::{cpus, machine};
use crate::pinning::{CpuPolicy, CpuSet, Holder, NodeMask, Settings};
use crate::plan::fixture;

fn settings(options: &[CpuOption], reserved_millis: u64) -> Settings {
    Settings {
        cpus: CpuPolicy::Static,
        cpu_options: CpuOptions::of(options),
        reserved_millis,
        ..Settings::default()
    }
}

fn rules(shape: [u32; 5], options: &[CpuOption], reserved_millis: u64) -> CpuRules {
    let machine = Arc::new(machine(shape));
    CpuRules::new(machine, &settings(options, reserved_millis)).unwrap()
}

fn holder(pod: &str, container: &str) -> Holder {
    Holder {
        pod: pod.into(),
        container: container.to_owned(),
    }
}

fn wish(count: usize, reusable: &CpuSet) -> CpuWish<'_> {
    CpuWish {
        count,
        near: None,
        reusable,
    }
}

fn begun(rules: &CpuRules) -> CpuBooks {
    CpuBooks::default().resume(rules).unwrap()
}

/// A guaranteed pod whose containers ask for so many thousandths of CPUs each.
fn guaranteed(init: &[(&str, u64)], regular: &[(&str, u64)]) -> Pod {
    let mut pod = fixture::pod(RestartPolicy::Always, &[], &[]);
    let container = |(name, millis): &(&str, u64)| {
        let mut container = fixture::container(name);
        let limits = &mut container.resources.limits;
        (limits.cpu_millis, limits.memory_bytes) = (Some(*millis), Some(1 << 20));
        container
    };
    pod.spec.init_containers = init.iter().map(container).collect();
    pod.spec.containers = regular.iter().map(container).collect();
    pod
}

#[test]
fn only_whole_cpus_of_guaranteed_pods_are_for_one_alone() {
    let mut pod = guaranteed(&[], &[("a", 2000), ("b", 1500)]);
    let counts =
        |pod: &Pod| Vec::from_iter(pod.spec.containers.iter().map(|one| exclusive(pod, one)));
    assert_eq!(counts(&pod), [2, 0]);
    pod.spec.containers[1].resources.limits.memory_bytes = None;
    assert_eq!(counts(&pod), [0, 0], "the pod is not guaranteed");
}

#[test]
fn a_pod_needs_what_its_steps_need_or_all_that_run_together() {
    let mut pod = guaranteed(
        &[("step", 4000), ("proxy", 1000), ("last", 2000)],
        &[("web", 2000)],
    );
    pod.spec.init_containers[1].restart_policy = Some(RestartPolicy::Always);
    assert_eq!(exclusive_of_pod(&pod), 4);
    pod.spec.init_containers[2].resources.limits.cpu_millis = Some(5000);
    assert_eq!(
        exclusive_of_pod(&pod),
        6,
        "the sidecar runs beside the last step"
    );
}

#[test]
fn what_is_reserved_is_rounded_up_and_nobodys_alone() {
    let rules = rules([1, 1, 1, 4, 2], &[], 1100);
    assert_eq!(rules.reserved().to_string(), "0,4");
    assert_eq!(rules.allocatable().to_string(), "1-3,5-7");
    let mut books = begun(&rules);
    assert_eq!(books.shared.to_string(), "0-7");
    let none = CpuSet::default();
    let got = books.settle(&rules, &holder("a", "main"), wish(6, &none));
    assert_eq!(got, Ok(Settled::Got(cpus("1-3,5-7"))));
    assert_eq!(
        books.usable(&rules, &holder("b", "main")).to_string(),
        "0,4"
    );
    let refused = books.settle(&rules, &holder("b", "main"), wish(1, &none));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "not enough cpus available to satisfy request: requested=1, available=0"
    );
    assert!(books.release_pod(&"a".into()));
    assert_eq!(books, begun(&rules));
}

#[test]
fn cpus_of_a_step_are_used_again() {
    let rules = rules([1, 1, 1, 4, 1], &[], 1000);
    let mut books = begun(&rules);
    let step = books.settle(&rules, &holder("a", "step"), wish(2, &CpuSet::default()));
    let reusable = cpus("1-2");
    assert_eq!(step, Ok(Settled::Got(reusable.clone())));
    let main = books.settle(&rules, &holder("a", "main"), wish(3, &reusable));
    assert_eq!(main, Ok(Settled::Got(cpus("1-3"))));
    let again = books.settle(&rules, &holder("a", "main"), wish(3, &reusable));
    assert_eq!(again, Ok(Settled::Had(cpus("1-3"))));
    assert_eq!(books.shared.to_string(), "0");
}

#[test]
fn whole_cores_are_given_or_nothing() {
    let rules = rules([1, 1, 1, 4, 2], &[CpuOption::WholeCores], 1000);
    let mut books = begun(&rules);
    let none = CpuSet::default();
    let told = |books: &mut CpuBooks, count| {
        let refused = books.settle(&rules, &holder("b", "main"), wish(count, &none));
        refused.unwrap_err().to_string()
    };
    assert_eq!(
        told(&mut books, 3),
        "SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2"
    );
    let got = books.settle(&rules, &holder("a", "main"), wish(4, &none));
    assert_eq!(got, Ok(Settled::Got(cpus("1-2,5-6"))));
    assert_eq!(
        told(&mut books, 4),
        "SMT Alignment Error: not enough free physical CPUs: available physical CPUs = 2, \
         requested CPUs = 4, CPUs per core = 2"
    );
}

#[test]
fn strictly_reserved_cpus_are_not_even_shared() {
    let rules = rules([1, 1, 1, 4, 1], &[CpuOption::Strict], 1000);
    let books = begun(&rules);
    assert_eq!(books.shared.to_string(), "1-3");
    assert_eq!(books.clone().resume(&rules), Ok(books.clone()));
    let mut full = books;
    full.settle(&rules, &holder("a", "main"), wish(3, &CpuSet::default()))
        .unwrap();
    assert_eq!(
        full.usable(&rules, &holder("b", "main")).to_string(),
        "0",
        "nothing else is left"
    );
    assert_eq!(full.clone().resume(&rules), Ok(full));
    let mut of_others = begun(&self::rules([1, 1, 1, 4, 1], &[], 1000));
    of_others.shared = cpus("0-3");
    assert_eq!(
        of_others.resume(&rules).unwrap_err(),
        "some of strictly reserved cpus: \"0\" are present in defaultCpuSet: \"0-3\""
    );
}

#[test]
fn books_that_do_not_fit_the_machine_are_refused() {
    let rules = rules([1, 1, 1, 4, 1], &[], 1000);
    let books = |shared: &str, own: &str| CpuBooks {
        shared: cpus(shared),
        held: BTreeMap::from([(holder("a", "main"), cpus(own))]),
    };
    let told = |books: CpuBooks| books.resume(&rules).unwrap_err();
    assert_eq!(told(books("", "1")), "default cpuset cannot be empty");
    assert_eq!(
        told(books("1-3", "0")),
        "not all reserved cpus: \"0\" are present in defaultCpuSet: \"1-3\""
    );
    assert_eq!(
        told(books("0-3", "1")),
        "pod: a, container: main cpuset: \"1\" overlaps with default cpuset \"0-3\""
    );
    assert_eq!(
        told(books("0,2-3", "1,4")),
        "current set of available CPUs \"0-3\" doesn't match with CPUs in state \"0-4\""
    );
    assert!(books("0,2-3", "1").resume(&rules).is_ok());
}

#[test]
fn near_cpus_are_given_first_and_far_ones_if_they_must() {
    let rules = rules([2, 1, 1, 2, 1], &[], 1000);
    let mut books = begun(&rules);
    let none = CpuSet::default();
    let near = CpuWish {
        near: Some(NodeMask::from_iter([1])),
        ..wish(1, &none)
    };
    let got = books.settle(&rules, &holder("a", "main"), near);
    assert_eq!(got, Ok(Settled::Got(cpus("2"))));
    let many = CpuWish { count: 2, ..near };
    let got = books.settle(&rules, &holder("b", "main"), many);
    assert_eq!(got, Ok(Settled::Got(cpus("1,3"))));
}

#[test]
fn hints_are_the_nodes_that_have_enough_and_the_fewest_are_preferred() {
    let rules = rules([2, 1, 1, 2, 1], &[], 1000);
    let mut books = begun(&rules);
    let pod = guaranteed(&[], &[("web", 2000)]);
    let of_web = (&pod, &pod.spec.containers[0]);
    let shown = |books: &CpuBooks| {
        let hints = books.hints(&rules, of_web, &CpuSet::default()).unwrap();
        let nodes = |hint: &crate::pinning::Hint| hint.nodes.unwrap().to_string();
        Vec::from_iter(hints.iter().map(|hint| (nodes(hint), hint.preferred)))
    };
    let both = ("0,1".to_owned(), false);
    assert_eq!(shown(&books), [("1".to_owned(), true), both.clone()]);
    let none = CpuSet::default();
    books
        .settle(&rules, &holder("other", "main"), wish(1, &none))
        .unwrap();
    assert_eq!(shown(&books), [("1".to_owned(), true), both]);
    books
        .settle(&rules, &Holder::of(&pod, of_web.1), wish(2, &none))
        .unwrap();
    assert_eq!(
        shown(&books)[0],
        ("1".to_owned(), true),
        "as they were given"
    );
    let shares = guaranteed(&[], &[("web", 1500)]);
    let of_web = (&shares, &shares.spec.containers[0]);
    assert_eq!(books.hints(&rules, of_web, &none), None);
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Comes {
        pod: u32,
        steps: Vec<usize>,
        regular: Vec<usize>,
    },
    Goes(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u32, prop::collection::vec(1..4_usize, 0..2), prop::collection::vec(0..5_usize, 1..3))
            .prop_map(|(pod, steps, regular)| Step::Comes { pod, steps, regular }),
        2 => (0..6_u32).prop_map(Step::Goes),
    ]
}

fn any_shape() -> impl Strategy<Value = [u32; 5]> {
    (1..=2_u32, 1..=4_u32, 1..=2_u32, 1..=2_u32, 1..=2_u32).prop_map(
        |(sockets, nodes, caches, cores, threads)| [sockets, nodes, caches, cores, threads],
    )
}

/// Carries a step out; as much as can be had of what a pod wishes for.
fn take_step(books: &mut CpuBooks, rules: &CpuRules, step: &Step) {
    match step {
        Step::Goes(pod) => {
            books.release_pod(&uid(*pod));
        }
        Step::Comes {
            pod,
            steps,
            regular,
        } => {
            let mut reusable = CpuSet::default();
            let steps = steps.iter().map(|count| (count, true));
            let all = steps.chain(regular.iter().map(|count| (count, false)));
            for (index, (count, is_step)) in all.enumerate().filter(|(_, (count, _))| **count > 0) {
                let holder = holder(uid(*pod).as_str(), &index.to_string());
                let settled = books.settle(rules, &holder, wish(*count, &reusable));
                let Ok(Settled::Got(own) | Settled::Had(own)) = settled else {
                    books.release_pod(&uid(*pod));
                    return;
                };
                reusable = match is_step {
                    true => reusable.with(&own),
                    false => reusable.without(&own),
                };
            }
        }
    }
}

fn uid(pod: u32) -> PodUid {
    format!("pod-{pod}").as_str().into()
}

/// No CPU is two pods', none is lost, and the reserved ones stay everybody's.
fn check(books: &CpuBooks, rules: &CpuRules) {
    let mut of_pods: BTreeMap<&PodUid, CpuSet> = BTreeMap::new();
    for (holder, own) in &books.held {
        let of_pod = of_pods.entry(&holder.pod).or_default();
        *of_pod = of_pod.with(own);
    }
    let count: usize = of_pods.values().map(CpuSet::len).sum();
    assert_eq!(count, books.taken().len(), "no CPU is two pods'");
    assert!(books.taken().common(&books.shared).is_empty());
    assert!(books.taken().common(rules.reserved()).is_empty());
    assert_eq!(books.taken().with(&books.shared), rules.shared_at_first());
    let policy = "static";
    let read = read(policy, &write(policy, books)).unwrap();
    assert_eq!(
        read.resume(rules).as_ref(),
        Ok(books),
        "the next kubelet goes on with them"
    );
}

proptest! {
    #[test]
    fn over_any_history_no_cpu_is_given_twice_and_none_is_lost(
        shape in any_shape(),
        options in prop::sample::select(vec![
            vec![],
            vec![CpuOption::AcrossNodes],
            vec![CpuOption::Strict, CpuOption::ByCache],
            vec![CpuOption::AcrossCores],
        ]),
        history in prop::collection::vec(any_step(), 0..30),
    ) {
        let rules = rules(shape, &options, 1000);
        // On a machine of one CPU nothing is left to be shared strictly.
        prop_assume!(!rules.shared_at_first().is_empty());
        let (mut books, mut again) = (begun(&rules), begun(&rules));
        for step in &history {
            take_step(&mut books, &rules, step);
            take_step(&mut again, &rules, step);
            check(&books, &rules);
            prop_assert_eq!(&books, &again, "the same history gives the same CPUs");
        }
        books.keep_only(&BTreeSet::new());
        prop_assert_eq!(books, begun(&rules), "in the end all are free");
    }
}
