//! The table of types that a pod consists of, read from its text.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

const CORE: &str = include_str!("core-1.36.types");

/// What a Go type is made of.
#[derive(Debug)]
pub(super) enum Type {
    Pointer(Box<Self>),
    List(Box<Self>),
    Map(Box<Self>),
    Named(&'static str),
}

/// One field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// The type as Go writes it.
    pub(super) written: &'static str,
    pub(super) r#type: Type,
    /// The key in JSON; none when the field's own keys stand beside its siblings'.
    pub(super) key: Option<&'static str>,
    /// What it is when it is left out.
    pub(super) default: Option<Value>,
}

/// All types by name.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// Names of other types.
    pub(super) aliases: BTreeMap<&'static str, Type>,
    /// Fields in the order of Go.
    pub(super) structs: BTreeMap<&'static str, Vec<Field>>,
}

/// The types of a pod.
pub(super) fn core() -> &'static Types {
    static TYPES: LazyLock<Types> = LazyLock::new(|| parse(CORE));
    &TYPES
}

fn parse(text: &'static str) -> Types {
    let mut types = Types::default();
    let mut open = "";
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((name, is)) = line.split_once(" = ") {
            types.aliases.insert(name, r#type(is));
        } else if let Some(line) = line.strip_prefix("  ") {
            types.structs.entry(open).or_default().push(field(line));
        } else {
            open = line;
        }
    }
    types
}

fn field(line: &'static str) -> Field {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().expect("a field has a name, a type and a key");
    let (name, written, key) = (word(), word(), word());
    Field {
        name,
        written,
        r#type: r#type(written),
        key: (key != ".").then_some(key),
        default: words.next().map(default),
    }
}

fn r#type(written: &'static str) -> Type {
    if let Some(to) = written.strip_prefix('*') {
        Type::Pointer(Box::new(r#type(to)))
    } else if let Some(of) = written.strip_prefix("[]") {
        Type::List(Box::new(r#type(of)))
    } else if let Some((_, of)) = written
        .strip_prefix("map[")
        .and_then(|rest| rest.split_once(']'))
    {
        Type::Map(Box::new(r#type(of)))
    } else {
        Type::Named(written)
    }
}

/// A JSON value, or a word that stands for itself.
fn default(written: &str) -> Value {
    serde_json::from_str(written).unwrap_or_else(|_| written.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(of: &Type) -> &'static str {
        match of {
            Type::Pointer(of) | Type::List(of) | Type::Map(of) => named(of),
            Type::Named(name) => name,
        }
    }

    #[test]
    fn every_type_that_a_field_has_is_known() {
        let known_to_the_walk = [
            "bool",
            "int32",
            "int64",
            "intstr.IntOrString",
            "resource.Quantity",
            "string",
            "v1.FieldsV1",
            "v1.Time",
        ];
        let types = core();
        let of_fields = types
            .structs
            .values()
            .flatten()
            .map(|field| named(&field.r#type));
        for name in of_fields.chain(types.aliases.values().map(named)) {
            let is_known = known_to_the_walk.contains(&name)
                || types.structs.contains_key(name)
                || types.aliases.contains_key(name);
            assert!(is_known, "{name}");
        }
    }

    #[test]
    fn a_default_is_a_value_of_json_or_a_word() {
        assert_eq!(default("10"), Value::from(10));
        assert_eq!(default("true"), Value::from(true));
        assert_eq!(default("\"\""), Value::from(""));
        assert_eq!(default("TCP"), Value::from("TCP"));
    }
}
