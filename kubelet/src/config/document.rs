//! One YAML document of a configuration: its values, and the line at which each field stands.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::problem::{Place, Problem};

/// The text of one document, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file.
    pub file: PathBuf,
    /// The line of the file in which it begins, counted from 1.
    pub first_line: u64,
    /// What it says, behind as many empty lines as stand before it in the file: what counts lines in
    /// it counts the file's.
    pub text: String,
}

/// A document that was read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    file: PathBuf,
    /// Its fields, without `apiVersion` and `kind`.
    pub(super) fields: Map<String, Value>,
    lines: BTreeMap<String, u64>,
    first_line: u64,
}

impl Document {
    /// Reads a document, which must be a KubeletConfiguration of v1beta1.
    pub(super) fn read(text: &Text) -> Result<Self, Problem> {
        let at = |line: u64, message: String| Problem {
            place: Place::Line(text.file.clone(), line),
            message,
        };
        let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
        let node: Option<Node> =
            serde_saphyr::from_str_with_options(&text.text, options).map_err(|error| {
                let line = error
                    .location()
                    .map_or(text.first_line, |location| location.line());
                at(line, error.to_string())
            })?;
        let Some(Node::Map(entries)) = node else {
            return Err(at(text.first_line, "no apiVersion/kind".to_owned()));
        };
        let mut lines = BTreeMap::new();
        let Value::Object(mut fields) = into_value(Node::Map(entries), "", &mut lines) else {
            unreachable!("a map becomes an object")
        };
        let header = ["apiVersion", "kind"].map(|name| fields.remove(name));
        let header = header.map(|word| word.as_ref().and_then(Value::as_str).map(str::to_owned));
        match header.each_ref().map(Option::as_deref) {
            [
                Some("kubelet.config.k8s.io/v1beta1"),
                Some("KubeletConfiguration"),
            ] => Ok(Self {
                file: text.file.clone(),
                fields,
                lines,
                first_line: text.first_line,
            }),
            [None | Some(""), None | Some("")] => {
                Err(at(text.first_line, "no apiVersion/kind".to_owned()))
            }
            [version, kind] => Err(at(
                text.first_line,
                format!(
                    "unknown apiVersion/kind: {}, Kind={}; wanted: kubelet.config.k8s.io/v1beta1, \
                     Kind=KubeletConfiguration",
                    version.unwrap_or_default(),
                    kind.unwrap_or_default()
                ),
            )),
        }
    }

    /// Where a field stands, or what is nearest above it.
    pub(super) fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Place::Line(self.file.clone(), *line);
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return Place::Line(self.file.clone(), self.first_line),
            }
        }
    }
}

/// A YAML value that remembers where its keys stand.
enum Node {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

fn into_value(node: Node, path: &str, lines: &mut BTreeMap<String, u64>) -> Value {
    match node {
        Node::Scalar(value) => value,
        Node::List(items) => {
            let items = items.into_iter().enumerate();
            let values =
                items.map(|(index, item)| into_value(item, &format!("{path}[{index}]"), lines));
            Value::Array(values.collect())
        }
        Node::Map(entries) => {
            let mut fields = Map::new();
            for (key, node) in entries {
                let below = if path.is_empty() {
                    key.value.clone()
                } else {
                    format!("{path}.{}", key.value)
                };
                lines.insert(below.clone(), key.referenced.line());
                let value = into_value(node, &below, lines);
                fields.insert(key.value, value);
            }
            Value::Object(fields)
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a number of JSON"))?;
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}
