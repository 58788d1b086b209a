//! Which nodes have a volume of a plugin of old, by the labels that its driver gives nodes.

use std::collections::BTreeSet;

use super::translate::{BETWEEN_ZONES, ZONES};
use crate::model::{InTree, LabelRequirement, StringMap};

type Terms = Vec<Vec<LabelRequirement>>;

/// Where regions are told, as of old and now.
const REGIONS: [&str; 2] = [
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/region",
];
const OLD: usize = 0;
const NOW: usize = 1;

/// What must hold for the labels of a node: what the volume says of zones, or else its own labels say,
/// about the driver's label.
pub(super) fn nodes(plugin: InTree, terms: Option<Terms>, labels: &StringMap) -> Option<Terms> {
    let Some(zone) = plugin.zone() else {
        return terms;
    };
    let terms = terms.unwrap_or_default();
    let age = age(&terms, labels);
    let zones = labels.get(ZONES[age]).map(|said| match plugin {
        InTree::Vsphere => vec![said.as_str()],
        _ => said.split(BETWEEN_ZONES).collect(),
    });
    let terms = moved(terms, ZONES[age], (zone, zones));
    let terms = match plugin.region() {
        Some(region) => {
            let said = labels.get(REGIONS[age]);
            let said = said.map(|one| vec![one.as_str()]);
            moved(terms, REGIONS[age], (region, said))
        }
        None if age == OLD => moved(terms, REGIONS[OLD], (REGIONS[NOW], None)),
        None => terms,
    };
    (!terms.is_empty()).then_some(terms)
}

/// Whether the volume's labels of zones are those of old.
fn age(terms: &Terms, labels: &StringMap) -> usize {
    let is_required = |age: &usize| terms.iter().flatten().any(|one| one.key() == ZONES[*age]);
    let is_said = |age: &usize| labels.contains_key(ZONES[*age]);
    let ages = [NOW, OLD];
    let found = ages.iter().find(|age| is_required(age));
    let found = found.or_else(|| ages.iter().find(|age| is_said(age)));
    found.copied().unwrap_or(NOW)
}

/// What is required of one label, required of another; what only labels say is required too.
fn moved(terms: Terms, from: &str, (to, said): (&str, Option<Vec<&str>>)) -> Terms {
    let mut required = terms.iter().flatten().filter(|one| one.key() == from);
    if required.any(|one| !one.values().is_empty()) {
        let about = |one: LabelRequirement| match one.key() == from {
            true => one.about(to),
            false => one,
        };
        let terms = terms.into_iter();
        return terms
            .map(|term| term.into_iter().map(about).collect())
            .collect();
    }
    let said: BTreeSet<_> = said.into_iter().flatten().map(str::trim).collect();
    let said: Vec<_> = said.into_iter().filter(|one| !one.is_empty()).collect();
    if said.is_empty() {
        return terms;
    }
    let values: Vec<_> = said.into_iter().map(str::to_owned).collect();
    let mut terms = match terms.is_empty() {
        true => vec![Vec::new()],
        false => terms,
    };
    for term in &mut terms {
        term.push(LabelRequirement::In(to.to_owned(), values.clone()));
    }
    terms
}
