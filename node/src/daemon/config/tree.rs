//! YAML of any shape that knows the line of each value.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and the line on which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Counted from 1.
    pub(crate) line: u64,
    /// What stands there.
    pub(crate) value: Value,
}

/// What YAML can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Names with their values, in order.
    Mapping(Vec<Entry>),
}

/// One name of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The name.
    pub(crate) name: String,
    /// The line of the name.
    pub(crate) line: u64,
    /// What it stands for.
    pub(crate) node: Node,
}

impl Node {
    /// The line on which the field at `path` (`a.b[0].c`) stands, or the nearest that contains it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for who reads the kubelet's document")
    )]
    pub(crate) fn line_of(&self, path: &str) -> u64 {
        let mut steps = path
            .split(['.', '['])
            .map(|step| step.trim_end_matches(']'));
        self.line_of_steps(self.line, &mut steps)
    }

    fn line_of_steps<'a>(&self, here: u64, steps: &mut impl Iterator<Item = &'a str>) -> u64 {
        let Some(step) = steps.next() else {
            return here;
        };
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .find(|entry| entry.name == step)
                .map_or(here, |entry| entry.node.line_of_steps(entry.line, steps)),
            Value::List(items) => {
                let item = step.parse().ok().and_then(|index: usize| items.get(index));
                item.map_or(here, |item| item.line_of_steps(item.line, steps))
            }
            _ => here,
        }
    }
}

impl Value {
    /// What it is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            line: spanned.referenced.line(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = mapping.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                name: name.value,
                line: name.referenced.line(),
                node: mapping.next_value()?,
            });
        }
        Ok(Value::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_knows_its_line() {
        let text = "a: 1\nb:\n  - x\n  - c: true\n    d: null\n\ne: {f: 1.5}\n";
        let node: Node = serde_saphyr::from_str(text).unwrap();
        let rows = [
            ("a", 1),
            ("b", 2),
            ("b[0]", 3),
            ("b[1].c", 4),
            ("b[1].d", 5),
            ("e", 7),
            ("e.f", 7),
            ("e.g", 7),
            ("b[7]", 2),
        ];
        for (path, line) in rows {
            assert_eq!(node.line_of(path), line, "{path}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        assert!(serde_saphyr::from_str::<Node>("a: 1\na: 2\n").is_err());
    }
}
