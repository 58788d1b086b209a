//! One answer from the hints of all: pure.
//!
//! Every way to choose one hint of each resource gives the nodes that all of them have in common. Of these
//! ways only the different results matter, so they are kept as a set while one resource after the other
//! is looked at: a machine with many nodes has millions of ways, and some hundred results.

#![deny(clippy::disallowed_methods)]

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::rules::{TopologyPolicy, TopologyRules};
use super::{Hint, Hints, NodeMask};

/// What some hints, one of each resource, come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Merged {
    nodes: NodeMask,
    /// The nodes that all hints named, as long as they all named the same and were preferred.
    agreed: Agreed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Agreed {
    OnAnything,
    On(NodeMask),
    No,
}

/// Where a container's resources shall come from; nothing when it must not be let in.
pub(in crate::pinning) fn merge(rules: &TopologyRules, providers: &[Hints]) -> Option<Hint> {
    let mut all: Vec<Vec<Hint>> = providers.iter().flat_map(flat).collect();
    if rules.policy == TopologyPolicy::SingleNumaNode {
        for hints in &mut all {
            hints.retain(|hint| hint.preferred && hint.nodes.is_none_or(|one| one.count() == 1));
        }
    }
    let best = best(rules, &all);
    let best = match best.nodes {
        // Everywhere is no answer.
        Some(nodes) if rules.is_sure() && nodes == rules.nodes => Hint {
            nodes: None,
            ..best
        },
        _ => best,
    };
    match rules.policy {
        TopologyPolicy::None | TopologyPolicy::BestEffort => Some(best),
        TopologyPolicy::Restricted | TopologyPolicy::SingleNumaNode => {
            Some(best).filter(|best| best.preferred)
        }
    }
}

/// The hints of each resource of one provider.
fn flat(hints: &Hints) -> Vec<Vec<Hint>> {
    let any = |preferred| {
        vec![Hint {
            nodes: None,
            preferred,
        }]
    };
    if hints.is_empty() {
        return vec![any(true)];
    }
    let of_each = hints.values().map(|hints| match hints {
        None => any(true),
        Some(hints) if hints.is_empty() => any(false),
        Some(hints) => hints.clone(),
    });
    of_each.collect()
}

fn best(rules: &TopologyRules, all: &[Vec<Hint>]) -> Hint {
    let begun = Merged {
        nodes: rules.nodes,
        agreed: Agreed::OnAnything,
    };
    let mut results = BTreeSet::from([begun]);
    for hints in all {
        let both = results
            .iter()
            .flat_map(|merged| hints.iter().map(|hint| merged.with(*hint)));
        results = both.collect();
    }
    let found = results
        .into_iter()
        .filter(|merged| !merged.nodes.is_empty());
    let wished = widest_need(all);
    let best = found.min_by(|one, other| compare(rules, wished, (*one, *other)));
    best.map_or(
        Hint {
            nodes: Some(rules.nodes),
            preferred: false,
        },
        |best| Hint {
            nodes: Some(best.nodes),
            preferred: best.is_preferred(),
        },
    )
}

impl Merged {
    fn with(self, hint: Hint) -> Self {
        let nodes = hint
            .nodes
            .map_or(self.nodes, |nodes| self.nodes.common(nodes));
        let agreed = match (hint.nodes, self.agreed) {
            _ if !hint.preferred => Agreed::No,
            (None, before) => before,
            (Some(nodes), Agreed::OnAnything) => Agreed::On(nodes),
            (Some(nodes), Agreed::On(before)) if nodes == before => Agreed::On(before),
            (Some(_), Agreed::On(_) | Agreed::No) => Agreed::No,
        };
        Self { nodes, agreed }
    }

    fn is_preferred(self) -> bool {
        self.agreed != Agreed::No
    }
}

/// How many nodes the resource needs that needs most.
fn widest_need(all: &[Vec<Hint>]) -> usize {
    let fewest = all.iter().filter_map(|hints| {
        let nodes = hints.iter().filter_map(|hint| hint.nodes);
        nodes.map(NodeMask::count).min()
    });
    fewest.max().unwrap_or(0)
}

/// The better one first. Of those that are not preferred, those are better that have as many nodes as are
/// needed, then those with fewer, of these the larger ones, then those with more.
fn compare(rules: &TopologyRules, wished: usize, (one, other): (Merged, Merged)) -> Ordering {
    let fit = |merged: Merged| {
        let count = merged.nodes.count();
        match count.cmp(&wished) {
            _ if merged.is_preferred() => (0, 0),
            Ordering::Equal => (1, 0),
            Ordering::Less => (2, wished - count),
            Ordering::Greater => (3, 0),
        }
    };
    let by_fit = fit(one).cmp(&fit(other));
    by_fit.then_with(|| nearness(rules, one.nodes, other.nodes))
}

/// Fewer nodes first, then such as are near to each other if that matters, then low numbers.
fn nearness(rules: &TopologyRules, one: NodeMask, other: NodeMask) -> Ordering {
    let by_count = one.count().cmp(&other.count());
    let by_distance = || match &rules.distances {
        None => Ordering::Equal,
        Some(_) => distance(rules, one).total_cmp(&distance(rules, other)),
    };
    by_count
        .then_with(by_distance)
        .then_with(|| one.narrowness(other))
}

/// The mean distance between the nodes of a set.
fn distance(rules: &TopologyRules, nodes: NodeMask) -> f64 {
    let distances = rules.distances.as_ref();
    let between = |from: u32, to: u32| {
        let row = distances.and_then(|all| all.get(&from));
        let to = usize::try_from(to).unwrap_or(usize::MAX);
        let known = row.and_then(|row| row.get(to)).copied().unwrap_or(0);
        f64::from(u32::try_from(known).unwrap_or(u32::MAX))
    };
    let pairs = nodes
        .iter()
        .flat_map(|from| nodes.iter().map(move |to| (from, to)));
    let all: Vec<f64> = pairs.map(|(from, to)| between(from, to)).collect();
    let count = f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX)).max(1.0);
    all.iter().sum::<f64>() / count
}
