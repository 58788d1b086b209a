//! Upstream's flags: which field of the configuration each one sets, and how its value is written.
#![deny(clippy::disallowed_methods)]

mod table;
mod value;

use serde_json::{Map, Value};

use super::problem::{Place, Problem};
pub(super) use table::{ALIASES, ALONE};

/// A flag that upstream's kubelet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without the dashes before it.
    pub name: &'static str,
    /// Whether it may stand without a value, for `true`.
    pub is_switch: bool,
    /// One sentence.
    pub help: &'static str,
}

/// How the value of a flag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `true`, `false`
    Boolean,
    /// `10250`
    Number,
    /// `1m30s`
    Duration,
    /// As it is.
    Text,
    /// `a,b`
    List,
    /// `a=1,b=2`
    Words,
    /// `a<1,b<2`
    Thresholds,
    /// `file=1,other*=2`
    Files,
    /// `a=true,b=false`
    Switches,
    /// `a:1,a:2`
    Headers,
    /// `key=value:effect`
    Taints,
    /// `0:memory=1Gi,hugepages-1Gi=1;1:memory=2Gi`
    Memory,
}

/// Every flag.
pub fn all() -> impl Iterator<Item = Flag> {
    let of_fields = ALIASES.iter().map(|(name, path, shape)| Flag {
        name,
        is_switch: *shape == Shape::Boolean,
        help: path,
    });
    let alone = ALONE.iter().map(|(name, shape, help)| Flag {
        name,
        is_switch: *shape == Shape::Boolean,
        help,
    });
    of_fields.chain(alone)
}

/// What the flags of a command line say.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Fields to lay over those of files, each with its flag.
    pub(super) fields: Vec<(&'static str, &'static str, Value)>,
    /// Flags without a field, and their values.
    pub(super) alone: Map<String, Value>,
}

/// Reads flags and their values, in the order of the command line.
pub(super) fn read(given: &[(String, String)]) -> Result<Said, Vec<Problem>> {
    let mut said = Said::default();
    let mut problems = Vec::new();
    for (name, text) in given {
        let of_field = ALIASES.iter().find(|(flag, ..)| flag == name);
        let alone = ALONE.iter().find(|(flag, ..)| flag == name);
        let read = match (of_field, alone) {
            (Some((flag, path, shape)), _) => {
                value::read(text, *shape).map(|value| said.fields.push((flag, path, value)))
            }
            (None, Some((flag, shape, _))) => value::read(text, *shape).map(|value| {
                said.alone.insert((*flag).to_owned(), value);
            }),
            (None, None) => Err("unknown flag".to_owned()),
        };
        if let Err(message) = read {
            problems.push(Problem {
                place: Place::Flag(name.clone()),
                message,
            });
        }
    }
    if problems.is_empty() {
        Ok(said)
    } else {
        Err(problems)
    }
}

/// Whether zero, said by a flag, is none at all, where files mean the default by it. Upstream has it so of all
/// flags; of most others none at all is no use.
pub(super) fn may_say_nothing(path: &str) -> bool {
    ["imageMinimumGCAge", "evictionPressureTransitionPeriod"].contains(&path)
}

/// Lays a value over the field at a path, making what is above it. Feature gates are added to those
/// that are there; everything else is replaced.
pub(super) fn lay_over(fields: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        Some((first, rest)) => {
            let below = fields
                .entry(first)
                .or_insert_with(|| Value::Object(Map::new()));
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            let below = below.as_object_mut().expect("it was just made one");
            lay_over(below, rest, value);
        }
        None => match (fields.get_mut(path), value) {
            (Some(Value::Object(there)), Value::Object(added)) if path == "featureGates" => {
                there.extend(added);
            }
            (_, value) => {
                fields.insert(path.to_owned(), value);
            }
        },
    }
}

#[cfg(test)]
mod tests;
