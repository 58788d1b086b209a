//! A set of CPUs, written as the kernel and every kubelet write it (`0-2,5`): pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fmt;

/// No machine has a CPU of this number: a list that names it is a mistake.
const TOO_MANY: u32 = 1 << 16;

/// A set of CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuSet(BTreeSet<u32>);

/// Why a text is no list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCpuSet {
    /// Part of it is no number.
    #[error("strconv.Atoi: parsing {0:?}: invalid syntax")]
    Number(String),
    /// A number is larger than any machine has.
    #[error("strconv.Atoi: parsing {0:?}: value out of range")]
    Range(String),
    /// A range ends before it begins.
    #[error("invalid range {text:?} ({first} > {last})")]
    Reversed {
        /// The range.
        text: String,
        /// Its beginning.
        first: u32,
        /// Its end.
        last: u32,
    },
}

impl CpuSet {
    /// Reads a list.
    pub fn parse(text: &str) -> Result<Self, InvalidCpuSet> {
        let mut set = BTreeSet::new();
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(set));
        }
        for part in text.split(',') {
            match part.split_once('-') {
                None => drop(set.insert(number(part)?)),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        let text = part.to_owned();
                        return Err(InvalidCpuSet::Reversed { text, first, last });
                    }
                    set.extend(first..=last);
                }
            }
        }
        Ok(Self(set))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    pub fn has(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// Whether all of these are among those.
    pub fn is_within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }

    /// These and those.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).copied().collect())
    }

    /// These but for those.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self(self.0.difference(&others.0).copied().collect())
    }

    /// Those that are in both.
    #[must_use]
    pub fn common(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).copied().collect())
    }

    /// Takes one in.
    pub fn insert(&mut self, cpu: u32) {
        self.0.insert(cpu);
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for cpu in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == cpu => *last = cpu,
                _ => ranges.push((cpu, cpu)),
            }
        }
        for (index, (first, last)) in ranges.into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<u32, InvalidCpuSet> {
    let number: u32 = text
        .parse()
        .map_err(|_| InvalidCpuSet::Number(text.to_owned()))?;
    (number < TOO_MANY)
        .then_some(number)
        .ok_or_else(|| InvalidCpuSet::Range(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_written_as_short_as_it_can_be() {
        let rows = [
            ("", ""),
            ("3", "3"),
            ("0,1,2,5", "0-2,5"),
            ("4-4,2-3", "2-4"),
            (" 0-1\n", "0-1"),
        ];
        for (text, written) in rows {
            assert_eq!(CpuSet::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_list_is_told_in_upstreams_words() {
        let told = |text: &str| CpuSet::parse(text).unwrap_err().to_string();
        assert_eq!(told("1.3"), "strconv.Atoi: parsing \"1.3\": invalid syntax");
        assert_eq!(told("0-5,3-1"), "invalid range \"3-1\" (3 > 1)");
        assert!(told("0-4000000000").ends_with("value out of range"));
    }
}
