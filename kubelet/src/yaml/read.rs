//! Typed things out of a tree: with the path and line of what does not fit, and of the fields that
//! nobody knows.
//!
//! Types are taken as JSON takes them (upstream turns YAML into JSON first): text is not made of a
//! number, nor a number of text.
#![deny(clippy::disallowed_methods)]

use std::cell::RefCell;
use std::fmt;
use std::slice;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::tree::{Entry, Node, Value};

/// Something read, and what was written beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// What was read.
    pub value: T,
    /// Paths of fields that it does not have: `spec.containers[0].imagee`.
    pub unknown: Vec<String>,
}

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", Prefix(.path))]
pub struct Refusal {
    /// Where, counted from 1.
    pub line: u64,
    /// Which field; empty for a document as a whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

struct Prefix<'a>(&'a str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            path => write!(f, "{path}: "),
        }
    }
}

impl Node {
    /// Reads what is described here.
    pub fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<Read<T>, Refusal> {
        let unknown = RefCell::default();
        let place = Place {
            node: self,
            path: &Path::Root,
            unknown: &unknown,
        };
        match T::deserialize(place) {
            Ok(value) => Ok(Read {
                value,
                unknown: unknown.into_inner(),
            }),
            Err(error) => Err(error.at(self.line, &Path::Root).refusal()),
        }
    }
}

/// The way from the top to a value.
enum Path<'a> {
    Root,
    Name(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Name(Self::Root, name) => f.write_str(name),
            Self::Name(above, name) => write!(f, "{above}.{name}"),
            Self::Index(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// What is wrong, and where as soon as that is known.
#[derive(Debug)]
struct Fault(Box<(String, Option<(u64, String)>)>);

impl Fault {
    /// Says where, unless it was said nearer to the fault.
    fn at(mut self, line: u64, path: &Path<'_>) -> Self {
        self.0.1.get_or_insert_with(|| (line, path.to_string()));
        self
    }

    fn refusal(self) -> Refusal {
        let (message, place) = *self.0;
        let (line, path) = place.unwrap_or_default();
        Refusal {
            line,
            path,
            message,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.0)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new((message.to_string(), None)))
    }
}

/// A value with the way to it.
#[derive(Clone, Copy)]
struct Place<'de, 'p> {
    node: &'de Node,
    path: &'p Path<'p>,
    unknown: &'p RefCell<Vec<String>>,
}

impl<'de> Deserializer<'de> for Place<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_i64(value),
                (_, Ok(value)) => visitor.visit_u64(value),
                _ => Err(de::Error::custom(format_args!("{value} is too large"))),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items {
                place: self,
                items: items.iter().enumerate(),
            }),
            Value::Mapping(entries) => visitor.visit_map(Fields {
                place: self,
                entries: entries.iter(),
                current: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Value::Text(text) = &self.node.value else {
            let found = Unexpected::Other(self.node.value.kind());
            return Err(de::Error::invalid_type(found, &"one of some words"));
        };
        let word: StrDeserializer<'_, Fault> = text.as_str().into_deserializer();
        visitor.visit_enum(word)
    }

    /// Who reads a value so does not know its field.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.unknown.borrow_mut().push(self.path.to_string());
        visitor.visit_unit()
    }

    /// Text is often asked for, and a number or a word like `yes` often written in its place.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let found = match &self.node.value {
            Value::Bool(value) => format!("`{value}`"),
            Value::Integer(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            _ => return self.deserialize_any(visitor),
        };
        Err(de::Error::custom(format_args!(
            "expected text, found {found}: write it in quotes"
        )))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier
    }
}

/// The items of a list.
struct Items<'de, 'p> {
    place: Place<'de, 'p>,
    items: std::iter::Enumerate<slice::Iter<'de, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        let path = &Path::Index(self.place.path, index);
        let place = Place {
            node,
            path,
            ..self.place
        };
        let item = seed.deserialize(place);
        item.map(Some).map_err(|fault| fault.at(node.line, path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The fields of a mapping.
struct Fields<'de, 'p> {
    place: Place<'de, 'p>,
    entries: slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let name = de::value::BorrowedStrDeserializer::new(&entry.name);
        let key = seed.deserialize(name);
        key.map(Some)
            .map_err(|fault: Fault| fault.at(entry.line, self.place.path))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let entry = self.current.expect("a value is asked for after its name");
        let path = &Path::Name(self.place.path, &entry.name);
        let place = Place {
            node: &entry.node,
            path,
            ..self.place
        };
        seed.deserialize(place)
            .map_err(|fault| fault.at(entry.line, path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::api::core::v1::{Pod, Secret};

    use super::*;

    fn tree(text: &str) -> Node {
        crate::yaml::documents(text)[0].tree().unwrap().unwrap()
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Everything {
        flag: bool,
        small: u8,
        large: u64,
        real: f64,
        text: String,
        colour: Colour,
        absent: Option<String>,
        names: BTreeMap<String, i32>,
        pair: (i8, i8),
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let tree = tree(
            "{flag: true, small: 255, large: 18446744073709551615, real: 2, text: '1', colour: red, \
             absent: null, names: {y: 1, 2: 3}, pair: [-1, 1]}",
        );
        let read: Read<Everything> = tree.read().unwrap();
        let names = [("y".to_owned(), 1), ("2".to_owned(), 3)];
        let expected = Everything {
            flag: true,
            small: 255,
            large: u64::MAX,
            real: 2.0,
            text: "1".to_owned(),
            colour: Colour::Red,
            absent: None,
            names: names.into(),
            pair: (-1, 1),
        };
        assert_eq!(read.value, expected);
        assert_eq!(read.unknown, [""; 0]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_path_and_line() {
        let rows = [
            (
                "spec: 3",
                1,
                "spec: invalid type: integer `3`, expected PodSpec",
            ),
            (
                "spec:\n  hostNetwork: perhaps",
                2,
                "spec.hostNetwork: invalid type: string \"perhaps\", expected a boolean",
            ),
            (
                "spec:\n  containers:\n  - env:\n    - {name: a,\n       value: 1}",
                5,
                "spec.containers[0].env[0].value: expected text, found the number 1: write it in quotes",
            ),
            (
                "metadata:\n  labels:\n    a: yes",
                3,
                "metadata.labels.a: expected text, found `true`: write it in quotes",
            ),
            (
                "spec:\n  terminationGracePeriodSeconds: 1.5",
                2,
                "spec.terminationGracePeriodSeconds: invalid type: floating point `1.5`, expected i64",
            ),
            (
                "spec:\n  terminationGracePeriodSeconds: 99999999999999999999",
                2,
                "spec.terminationGracePeriodSeconds: invalid type: floating point `100000000000000000000.0`, \
                 expected i64",
            ),
        ];
        for (text, line, message) in rows {
            let refusal = tree(text).read::<Pod>().unwrap_err();
            assert_eq!(
                (refusal.line, refusal.to_string().as_str()),
                (line, message)
            );
        }
    }

    #[test]
    fn fields_that_nobody_knows_are_named() {
        let tree = tree("{metadata: {nam: a}, spec: {containers: [{imagee: [x]}]}, more: 1}");
        let read = tree.read::<Pod>().unwrap();
        assert_eq!(
            read.unknown,
            ["metadata.nam", "spec.containers[0].imagee", "more"]
        );
    }

    #[test]
    fn bytes_are_written_in_base64() {
        let read = tree("data: {a: aGk=}").read::<Secret>().unwrap();
        assert_eq!(read.value.data.unwrap()["a"].0, b"hi");
        let refusal = tree("data: {a: '*'}").read::<Secret>().unwrap_err();
        assert_eq!(refusal.path, "data.a");
    }
}
