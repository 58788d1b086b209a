//! The kubelet's configuration: KubeletConfiguration v1beta1 and flags, as upstream has them.
//!
//! ```text
//! config.yaml, *.conf ─► document ─┐  merged in this order   ┌─► validate ─► every problem at once
//! flags ─────────────► flags ──────┴─────► fields ─► Loaded ─┼─► effect ───► one warning
//!                                                            └─► Settings (app/settings.rs)
//! ```
//!
//! All of it is pure: who calls has read the files.
#![deny(clippy::disallowed_methods)]

mod document;
mod duration;
mod effect;
mod fields;
mod flags;
mod gates;
mod logging;
mod nested;
mod problem;
mod standalone;
mod validate;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use document::Document;
pub use document::Text;
pub use duration::Duration;
pub use fields::Configuration;
pub use flags::{Flag, all as all_flags};
pub use logging::LogWishes;
#[cfg(test)]
pub(crate) use nested::ShutdownGracePeriod;
pub use problem::{Place, Problem, Problems};
pub use validate::{CgroupVersion, Machine, Swap};

/// Everything that configures a kubelet.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Documents of kind KubeletConfiguration; a later one is laid over the earlier.
    pub documents: Vec<Text>,
    /// Upstream's flags and their values, laid over all documents.
    pub flags: Vec<(String, String)>,
    /// What it has to do with.
    pub machine: Machine,
}

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Every field.
    pub configuration: Configuration,
    /// The fields that were written, in a file or as a flag.
    given: BTreeSet<String>,
    /// Flags without a field.
    flags: Map<String, Value>,
}

/// The fields of one document, as they are written.
pub fn fields_of(text: &Text) -> Result<Map<String, Value>, Problem> {
    Document::read(text).map(|document| document.fields)
}

/// Reads and checks a configuration.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut merged = Map::new();
    for text in &sources.documents {
        match Document::read(text) {
            Ok(document) => {
                problems.extend(mistakes(&document));
                merge_patch(&mut merged, document.fields);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let said = flags::read(&sources.flags).unwrap_or_else(|found| {
        problems.extend(found);
        flags::Said::default()
    });
    let mut nothing = Vec::new();
    for (flag, path, value) in said.fields {
        problems.extend(flag_mistake(flag, path, &value));
        if flags::may_say_nothing(path) {
            nothing.push((path, value.clone()));
        }
        flags::lay_over(&mut merged, path, value);
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    complete(&merged, (nothing, said.alone), sources.machine)
}

/// The configuration of fields that are each in order, if they are so together.
fn complete(
    merged: &Map<String, Value>,
    (nothing, flags): (Vec<(&str, Value)>, Map<String, Value>),
    machine: Machine,
) -> Result<Loaded, Problems> {
    let mut configuration = Configuration::default();
    for (name, value) in merged {
        configuration.set(name, value);
    }
    for (name, value) in nothing {
        configuration.say(name, &value);
    }
    let is_written = |(_, value): &(&String, &Value)| !value.is_null();
    let given = merged
        .iter()
        .filter(is_written)
        .map(|(name, _)| name.clone());
    let mut loaded = Loaded {
        configuration,
        given: given.collect(),
        flags,
    };
    standalone::settle(&mut loaded);
    let mut messages = validate::validate(&loaded.configuration, machine);
    messages.extend(standalone::problems(&loaded));
    if messages.is_empty() {
        return Ok(loaded);
    }
    let place = |message| Problem {
        place: Place::Configuration,
        message,
    };
    Err(Problems(messages.into_iter().map(place).collect()))
}

/// Unknown fields of a document, and values that cannot be their fields'.
fn mistakes(document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut scratch = Configuration::default();
    for (name, value) in &document.fields {
        let mut complain = |path: &str, message: String| {
            let place = document.place(path);
            problems.push(Problem { place, message });
        };
        match scratch.set(name, &without_nulls(value)) {
            None => complain(name, format!("unknown field {name:?}")),
            Some(reading) => {
                for below in reading.unknown {
                    let path = with_indexes(name, &below);
                    complain(&path, format!("unknown field {path:?}"));
                }
                if let Some(mismatch) = reading.mismatch {
                    complain(name, format!("{name}: {mismatch}"));
                }
            }
        }
    }
    problems
}

/// What is null below a field takes it away from an earlier document.
fn without_nulls(value: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let there = fields.iter().filter(|(_, value)| !value.is_null());
    let there = there.map(|(name, value)| (name.clone(), without_nulls(value)));
    Value::Object(there.collect())
}

/// `a.0.b` below `list` is `list[0].b`.
fn with_indexes(name: &str, below: &str) -> String {
    let mut path = name.to_owned();
    for step in below.split('.').filter(|step| *step != "?") {
        if step.parse::<usize>().is_ok() {
            path.push_str(&format!("[{step}]"));
        } else {
            path.push_str(&format!(".{step}"));
        }
    }
    path
}

/// Why the value of a flag cannot be its field's.
fn flag_mistake(flag: &str, path: &str, value: &Value) -> Option<Problem> {
    let mut fields = Map::new();
    flags::lay_over(&mut fields, path, value.clone());
    let (name, value) = fields.iter().next().expect("one field was laid");
    let reading = Configuration::default().set(name, value);
    let message = reading.expect("flags name known fields").mismatch?;
    let place = Place::Flag(flag.to_owned());
    Some(Problem { place, message })
}

/// RFC 7386: objects are merged, null takes away, anything else replaces.
fn merge_patch(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (target.get_mut(&name), value) {
            (_, Value::Null) => {
                target.remove(&name);
            }
            (Some(Value::Object(below)), Value::Object(patch)) => merge_patch(below, patch),
            (_, Value::Object(patch)) => {
                let mut below = Map::new();
                merge_patch(&mut below, patch);
                target.insert(name, Value::Object(below));
            }
            (_, value) => {
                target.insert(name, value);
            }
        }
    }
}

impl Loaded {
    /// Whether a field was written.
    pub fn is_given(&self, field: &str) -> bool {
        self.given.contains(field)
    }

    /// The value of a flag without a field, as text.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags
            .get(name)?
            .as_str()
            .filter(|text| !text.is_empty())
    }

    /// The value of a flag without a field, as a number.
    pub(crate) fn flag_number(&self, name: &str) -> Option<i64> {
        self.flags.get(name)?.as_i64()
    }

    /// The value of a flag without a field, as a duration; it was found to be one.
    pub(crate) fn flag_duration(&self, name: &str) -> Option<Duration> {
        Duration::parse(self.flag(name)?)
    }

    /// The pairs of a flag without a field.
    pub(crate) fn flag_words(&self, name: &str) -> Vec<(String, String)> {
        let pairs = self.flags.get(name).and_then(Value::as_object);
        let pairs = pairs.into_iter().flatten();
        pairs
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    /// The directory of the kubelet's own files, when it was said.
    pub fn root_dir(&self) -> Option<PathBuf> {
        self.flag("root-dir").map(PathBuf::from)
    }

    /// The cgroup below which pods are, when it was said.
    pub fn cgroup_root(&self) -> Option<&str> {
        let root = self.configuration.cgroup_root.as_str();
        (self.is_given("cgroupRoot") && !root.is_empty()).then_some(root)
    }

    /// Who makes the upper cgroups, when it was said; one of upstream's two words.
    pub fn cgroup_driver(&self) -> Option<&str> {
        self.is_given("cgroupDriver")
            .then_some(self.configuration.cgroup_driver.as_str())
    }

    /// The runtime's socket, when it was said.
    pub fn runtime_endpoint(&self) -> Option<&str> {
        self.is_given("containerRuntimeEndpoint")
            .then_some(self.configuration.container_runtime_endpoint.as_str())
    }

    /// One sentence about what was written and has no effect yet.
    pub fn warning(&self) -> Option<String> {
        let given = self.given.iter().map(String::as_str);
        let fields = effect::without_effect(given, self.flag("kubeconfig").is_some());
        let flags = effect::flags_without_effect(self.flags.keys().map(String::as_str));
        let flags = flags.iter().map(|name| format!("--{name}"));
        let gates = self.configuration.gates_without_effect();
        let gates = gates.map(|name| format!("featureGates.{name}"));
        let fields = fields.into_iter().map(str::to_owned);
        let all: Vec<_> = fields.chain(gates).chain(flags).collect();
        (!all.is_empty()).then(|| format!("configured, but without effect yet: {}", all.join(", ")))
    }
}

#[cfg(test)]
mod tests;
