//! One answer from the hints of all.

use proptest::prelude::*;

use super::*;
use crate::pinning::machine::made::machine;

fn mask(nodes: &[u32]) -> NodeMask {
    nodes.iter().copied().collect()
}

fn hint(nodes: &[u32], preferred: bool) -> Hint {
    Hint {
        nodes: Some(mask(nodes)),
        preferred,
    }
}

fn rules(policy: TopologyPolicy, nodes: u32, options: &[(&str, &str)]) -> TopologyRules {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options = options.iter().map(owned).collect();
    let machine = machine([nodes, 1, 1, 1, 1]);
    TopologyRules::new((policy, Scope::Container), &options, &machine).unwrap()
}

fn says(name: &str, hints: Option<Vec<Hint>>) -> Hints {
    [(name.to_owned(), hints)].into()
}

/// What each policy makes of it, on a machine of two nodes.
fn merged(providers: &[Hints]) -> [Option<Hint>; 3] {
    [
        TopologyPolicy::BestEffort,
        TopologyPolicy::Restricted,
        TopologyPolicy::SingleNumaNode,
    ]
    .map(|policy| merge(&rules(policy, 2, &[]), providers))
}

#[test]
fn what_all_prefer_is_chosen_by_every_policy() {
    let cpu = says(
        "cpu",
        Some(vec![
            hint(&[0], true),
            hint(&[1], true),
            hint(&[0, 1], false),
        ]),
    );
    let device = says("gpu", Some(vec![hint(&[1], true), hint(&[0, 1], false)]));
    assert_eq!(merged(&[device, cpu]), [Some(hint(&[1], true)); 3]);
}

#[test]
fn what_cannot_be_near_is_let_in_by_those_who_only_try() {
    let cpu = says("cpu", Some(vec![hint(&[0], true), hint(&[0, 1], false)]));
    let device = says("gpu", Some(vec![hint(&[1], true), hint(&[0, 1], false)]));
    let best_effort = Some(hint(&[0], false));
    assert_eq!(merged(&[device, cpu]), [best_effort, None, None]);
}

#[test]
fn what_needs_two_nodes_is_restricted_and_not_of_a_single_one() {
    let cpu = says("cpu", Some(vec![hint(&[0, 1], true)]));
    let both = Some(hint(&[0, 1], true));
    assert_eq!(merged(&[Hints::new(), cpu]), [both, both, None]);
}

#[test]
fn what_does_not_matter_is_let_in_and_what_is_not_there_is_not() {
    let anything = says("gpu", None);
    let everywhere = Some(hint(&[0, 1], true));
    let nowhere_in_particular = Some(Hint {
        nodes: None,
        preferred: true,
    });
    assert_eq!(
        merged(&[anything, Hints::new()]),
        [everywhere, everywhere, nowhere_in_particular]
    );
    let none = says("cpu", Some(Vec::new()));
    assert_eq!(merged(&[none]), [Some(hint(&[0, 1], false)), None, None]);
}

#[test]
fn near_nodes_are_better_than_low_numbers_if_that_is_wished() {
    let cpu = || says("cpu", Some(vec![hint(&[0, 2], true), hint(&[2, 3], true)]));
    let by_number = rules(TopologyPolicy::BestEffort, 4, &[]);
    assert_eq!(merge(&by_number, &[cpu()]), Some(hint(&[0, 2], true)));
    let options = [("prefer-closest-numa-nodes", "true")];
    let by_distance = rules(TopologyPolicy::BestEffort, 4, &options);
    assert_eq!(merge(&by_distance, &[cpu()]), Some(hint(&[2, 3], true)));
}

#[test]
fn a_machine_of_many_nodes_has_to_be_allowed() {
    let options = |most: &str| [("max-allowable-numa-nodes".to_owned(), most.to_owned())].into();
    let large = machine([9, 1, 1, 1, 1]);
    let new = |options: &BTreeMap<String, String>| {
        TopologyRules::new((TopologyPolicy::Restricted, Scope::Pod), options, &large)
    };
    assert_eq!(
        new(&BTreeMap::new()).unwrap_err(),
        "unsupported on machines with more than 8 NUMA Nodes"
    );
    assert!(new(&options("9")).is_ok());
    assert_eq!(
        new(&options("7")).unwrap_err(),
        "the minimum value of \"max-allowable-numa-nodes\" should not be less than 8"
    );
    let unknown = [("x".to_owned(), "y".to_owned())].into();
    assert_eq!(
        TopologyRules::check(&unknown).unwrap(),
        "unknown Topology Manager Policy option: \"x\""
    );
}

fn any_hints(nodes: u32) -> impl Strategy<Value = Option<Vec<Hint>>> {
    let one = (1..(1_u32 << nodes), any::<bool>()).prop_map(move |(bits, preferred)| Hint {
        nodes: Some((0..nodes).filter(|node| bits & (1 << node) != 0).collect()),
        preferred,
    });
    prop::option::of(prop::collection::vec(one, 0..5))
}

/// The best of all ways to choose, each looked at by itself.
fn by_hand(all: &[Vec<Hint>], everywhere: NodeMask) -> Vec<(NodeMask, bool)> {
    let mut ways = vec![Vec::new()];
    for hints in all {
        ways = ways
            .into_iter()
            .flat_map(|way: Vec<Hint>| {
                hints.iter().map(move |hint| {
                    let mut longer = way.clone();
                    longer.push(*hint);
                    longer
                })
            })
            .collect();
    }
    let merged = ways.into_iter().map(|way| {
        let named: Vec<NodeMask> = way.iter().filter_map(|hint| hint.nodes).collect();
        let is_same = named.windows(2).all(|two| two[0] == two[1]);
        let nodes = named.iter().fold(everywhere, |all, one| all.common(*one));
        (nodes, is_same && way.iter().all(|hint| hint.preferred))
    });
    merged.filter(|(nodes, _)| !nodes.is_empty()).collect()
}

proptest! {
    #[test]
    fn the_answer_is_one_of_the_ways_and_preferred_if_any_is(
        hints in prop::collection::vec(any_hints(3), 1..4),
    ) {
        let rules = rules(TopologyPolicy::BestEffort, 3, &[]);
        let named = hints.iter().enumerate();
        let providers: Vec<Hints> =
            named.map(|(index, hints)| says(&index.to_string(), hints.clone())).collect();
        let best = merge(&rules, &providers).unwrap();
        let all: Vec<Vec<Hint>> = hints
            .iter()
            .map(|hints| match hints.as_deref() {
                None => vec![Hint { nodes: None, preferred: true }],
                Some([]) => vec![Hint { nodes: None, preferred: false }],
                Some(hints) => hints.to_vec(),
            })
            .collect();
        let ways = by_hand(&all, rules.nodes);
        let (nodes, preferred) = (best.nodes.unwrap(), best.preferred);
        match ways.is_empty() {
            true => prop_assert_eq!((nodes, preferred), (rules.nodes, false)),
            false => prop_assert!(ways.contains(&(nodes, preferred))),
        }
        prop_assert_eq!(preferred, ways.iter().any(|(_, preferred)| *preferred));
        if preferred {
            let narrowest = ways.iter().filter(|(_, preferred)| *preferred);
            prop_assert!(narrowest.into_iter().all(|(other, _)| !other.is_narrower(nodes)));
        }
    }
}
