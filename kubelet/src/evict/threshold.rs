//! Thresholds, read from a configuration.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Disks, Signal};
use crate::config::Configuration;
use crate::model::Quantity;

/// Hard thresholds when none are written.
const DEFAULT: [(&str, &str); 5] = [
    ("imagefs.available", "15%"),
    ("imagefs.inodesFree", "5%"),
    ("memory.available", "100Mi"),
    ("nodefs.available", "10%"),
    ("nodefs.inodesFree", "5%"),
];

/// How much.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount {
    /// So many units, as they were written.
    Quantity {
        /// How many.
        units: i128,
        /// In which words.
        text: String,
    },
    /// A part of all that there is.
    Share(f64),
}

/// A signal must not fall below a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Which.
    pub signal: Signal,
    /// Below what.
    pub value: Amount,
    /// For how long it may. A threshold without is a hard one.
    pub grace: Duration,
    /// How much more must be there until it counts as kept again.
    pub reclaim: Option<Amount>,
}

impl Amount {
    /// How much of a capacity it is.
    pub(super) fn of(&self, capacity: i128) -> i128 {
        match self {
            Self::Quantity { units, .. } => *units,
            Self::Share(share) => {
                // Far more exact than any disk needs.
                let parts = (share * 1e9).round();
                let parts = parts as i128;
                capacity * parts / 1_000_000_000
            }
        }
    }
}

impl Threshold {
    /// Whether pods are ended at once.
    pub(super) fn is_hard(&self) -> bool {
        self.grace.is_zero()
    }
}

/// The thresholds of a configuration, and everything that is wrong with them.
pub fn thresholds(configuration: &Configuration) -> (Vec<Threshold>, Vec<String>) {
    let mut wrong = Vec::new();
    let hard = read(&hard(configuration), &mut wrong, value);
    let soft = read(&configuration.eviction_soft, &mut wrong, value);
    let periods = &configuration.eviction_soft_grace_period;
    let periods = read(periods, &mut wrong, |signal, text| {
        period(signal, text).map(Some)
    });
    let reclaims = &configuration.eviction_minimum_reclaim;
    let reclaims = read(reclaims, &mut wrong, |signal, text| {
        reclaim(signal, text).map(Some)
    });
    let mut all: Vec<_> = hard
        .into_iter()
        .map(|(signal, value)| threshold(signal, value, Duration::ZERO))
        .collect();
    for (signal, value) in soft {
        match periods.get(&signal) {
            Some(period) => all.push(threshold(signal, value, *period)),
            None => wrong.push(format!(
                "grace period must be specified for the soft eviction threshold {}",
                signal.name()
            )),
        }
    }
    for one in &mut all {
        one.reclaim = reclaims.get(&one.signal).cloned();
    }
    let enforced = &configuration.enforce_node_allocatable;
    if enforced.iter().any(|one| one == "pods") {
        all.extend(of_all_pods(&all));
    }
    (all, wrong)
}

/// What is kept of memory for the node is kept from all pods together, too.
fn of_all_pods(all: &[Threshold]) -> Vec<Threshold> {
    let is_of_memory = |one: &&Threshold| one.signal == Signal::MemoryAvailable && one.is_hard();
    let of_memory = all.iter().filter(is_of_memory);
    of_memory
        .map(|one| Threshold {
            signal: Signal::AllocatableMemoryAvailable,
            ..one.clone()
        })
        .collect()
}

/// The thresholds with those of the containers' disk, which are those of the disk that it is on:
/// what is configured for it does not count, as upstream.
pub(super) fn with_containerfs(all: &[Threshold], disks: Disks) -> Vec<Threshold> {
    use Signal::{
        ContainerfsAvailable, ContainerfsInodesFree, ImagefsAvailable, ImagefsInodesFree,
        NodefsAvailable, NodefsInodesFree,
    };
    let (bytes, inodes) = if disks == Disks::ImagesApart {
        (ImagefsAvailable, ImagefsInodesFree)
    } else {
        (NodefsAvailable, NodefsInodesFree)
    };
    let own = [ContainerfsAvailable, ContainerfsInodesFree];
    let kept = all.iter().filter(|one| !own.contains(&one.signal)).cloned();
    let like = |from: Signal, to: Signal| {
        let of_signal = all.iter().filter(move |one| one.signal == from);
        of_signal.map(move |one| Threshold {
            signal: to,
            ..one.clone()
        })
    };
    kept.chain(like(bytes, ContainerfsAvailable))
        .chain(like(inodes, ContainerfsInodesFree))
        .collect()
}

fn hard(configuration: &Configuration) -> BTreeMap<String, String> {
    let mut hard = configuration.eviction_hard.clone();
    if hard.is_empty() || configuration.merge_default_eviction_settings {
        for (signal, text) in DEFAULT {
            hard.entry(signal.to_owned())
                .or_insert_with(|| text.to_owned());
        }
    }
    hard
}

fn threshold(signal: Signal, value: Amount, grace: Duration) -> Threshold {
    Threshold {
        signal,
        value,
        grace,
        reclaim: None,
    }
}

fn read<T>(
    words: &BTreeMap<String, String>,
    wrong: &mut Vec<String>,
    one: impl Fn(Signal, &str) -> Result<Option<T>, String>,
) -> BTreeMap<Signal, T> {
    let mut read = BTreeMap::new();
    for (name, text) in words {
        let signal =
            Signal::named(name).ok_or_else(|| format!("unsupported eviction signal {name}"));
        match signal.and_then(|signal| Ok((signal, one(signal, text)?))) {
            Ok((signal, Some(value))) => {
                read.insert(signal, value);
            }
            Ok((_, None)) => {}
            Err(message) => wrong.push(message),
        }
    }
    read
}

/// Nothing for a threshold that never counts.
fn value(signal: Signal, text: &str) -> Result<Option<Amount>, String> {
    let name = signal.name();
    if matches!(text, "0%" | "100%") {
        return Ok(None);
    }
    match amount(signal, text)? {
        Amount::Share(share) if share < 0.0 => Err(format!(
            "eviction percentage threshold {name} must be >= 0%: {text}"
        )),
        Amount::Share(share) if share > 1.0 => Err(format!(
            "eviction percentage threshold {name} must be <= 100%: {text}"
        )),
        Amount::Quantity { units, .. } if units <= 0 => Err(format!(
            "eviction threshold {name} must be positive: {text}"
        )),
        amount => Ok(Some(amount)),
    }
}

fn reclaim(signal: Signal, text: &str) -> Result<Amount, String> {
    let name = signal.name();
    match amount(signal, text)? {
        Amount::Share(share) if share <= 0.0 => Err(format!(
            "eviction percentage minimum reclaim {name} must be positive: {text}"
        )),
        Amount::Quantity { units, .. } if units < 0 => Err(format!(
            "negative eviction minimum reclaim specified for {name}"
        )),
        amount => Ok(amount),
    }
}

fn amount(signal: Signal, text: &str) -> Result<Amount, String> {
    let wrong = || {
        format!(
            "{} {text:?} is neither a quantity nor a percentage",
            signal.name()
        )
    };
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().map_err(|_| wrong())?;
        return Ok(Amount::Share(percent / 100.0));
    }
    let quantity = Quantity::parse(text).map_err(|_| wrong())?;
    Ok(Amount::Quantity {
        units: quantity.units(),
        text: text.to_owned(),
    })
}

fn period(signal: Signal, text: &str) -> Result<Duration, String> {
    let period = crate::config::Duration::parse(text).filter(|period| !period.is_negative());
    let period = period.map(crate::config::Duration::to_std);
    period.ok_or_else(|| {
        format!(
            "invalid eviction grace period specified: {text} of {}, must be a positive value",
            signal.name()
        )
    })
}
