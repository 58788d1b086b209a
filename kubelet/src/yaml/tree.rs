//! YAML of any shape that knows the line of each value.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and the line on which it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Counted from 1.
    pub line: u64,
    /// What stands there.
    pub value: Value,
}

/// What YAML can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
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
pub struct Entry {
    /// The name.
    pub name: String,
    /// The line of the name.
    pub line: u64,
    /// What it stands for.
    pub node: Node,
}

impl Node {
    /// What stands under a name of this mapping.
    pub fn get(&self, name: &str) -> Option<&Node> {
        let Value::Mapping(entries) = &self.value else {
            return None;
        };
        let entry = entries.iter().find(|entry| entry.name == name)?;
        Some(&entry.node)
    }

    /// The line on which the field at `path` (`a.b[0].c`) stands, or the nearest that contains it.
    pub fn line_of(&self, path: &str) -> u64 {
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
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }

    /// The same as JSON; the lines are lost.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => (*value).into(),
            Self::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => Json::Null,
            },
            Self::Float(value) => (*value).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Mapping(entries) => {
                let field = |entry: &Entry| (entry.name.clone(), entry.node.value.to_json());
                Json::Object(entries.iter().map(field).collect())
            }
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

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() {
            Ok(Value::Float(value))
        } else {
            Err(E::custom("not a number of JSON"))
        }
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

    fn tree(text: &str) -> Node {
        crate::yaml::documents(text)[0].tree().unwrap().unwrap()
    }

    #[test]
    fn each_value_knows_its_line() {
        let node = tree("a: 1\nb:\n  - x\n  - c: true\n    d: null\n\ne: {f: 1.5}\n");
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
        assert!(crate::yaml::documents("a: 1\na: 2\n")[0].tree().is_err());
    }

    #[test]
    fn values_are_those_of_json() {
        let node = tree("{a: 0644, b: 'x', c: [true, null, 1.5], d: -3, e: 18446744073709551615}");
        assert_eq!(
            node.value.to_json(),
            serde_json::json!({
                "a": 420, "b": "x", "c": [true, null, 1.5], "d": -3, "e": u64::MAX
            })
        );
    }
}
