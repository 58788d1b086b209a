//! Prints a pod as Go does it for hashes: every field with its type, what is not set too.
//!
//! Maps are sorted; a list, map or pointer that is not set is `<nil>`, which an empty one is not.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::quantity::Quantity;
use super::types::{Field, Type, Types};

/// How Go prints the zone of a machine in UTC, once it has been used.
const UTC: &str = "{name:(string)Local zone:([]time.zone)[{name:(string)UTC offset:(int)0 isDST:(bool)false}] \
                   tx:([]time.zoneTrans)[{when:(int64)-9223372036854775808 index:(uint8)0 isstd:(bool)false \
                   isutc:(bool)false}] extend:(string)UTC0 cacheStart:(int64)-9223372036854775808 \
                   cacheEnd:(int64)9223372036854775807 cacheZone:(*time.zone){name:(string)UTC offset:(int)0 \
                   isDST:(bool)false}}";

/// Seconds from the year 1, where Go begins to count, to 1970.
const TO_1970: i64 = 62_135_596_800;

/// The print of a pod that has its internal shape.
pub(super) fn dump(types: &Types, pod: &Value) -> String {
    let mut printer = Printer {
        types,
        text: "(*core.Pod)".to_owned(),
    };
    printer.named("core.Pod", Some(pod));
    printer.text
}

struct Printer<'a> {
    types: &'a Types,
    text: String,
}

impl Printer<'_> {
    fn value(&mut self, of: &Type, value: Option<&Value>) {
        match (of, value) {
            (Type::Named(name), value) => self.named(name, value),
            (_, None) => self.push("<nil>"),
            (Type::Pointer(to), value) => self.value(to, value),
            (Type::List(of), Some(list)) => self.list(list, |printer, item| {
                printer.value(of, Some(item));
            }),
            (Type::Map(of), Some(map)) => self.map(map, |printer, item| {
                printer.value(of, Some(item));
            }),
        }
    }

    fn named(&mut self, name: &str, value: Option<&Value>) {
        match name {
            "bool" => self.print(value.and_then(Value::as_bool).unwrap_or_default()),
            "int32" | "int64" => self.print(value.and_then(Value::as_i64).unwrap_or_default()),
            "string" => self.push(value.and_then(Value::as_str).unwrap_or_default()),
            "core.ResourceList" => match value {
                None => self.push("<nil>"),
                // Amounts of resources are whole thousandths.
                Some(map) => self.map(map, |printer, item| {
                    printer.print(quantity(Some(item)).rounded_to_milli());
                }),
            },
            "intstr.IntOrString" => self.int_or_string(value),
            "resource.Quantity" => self.print(quantity(value)),
            "v1.FieldsV1" => self.raw_fields(value),
            "v1.Time" => self.time(value),
            _ => match self.types.structs.get(name) {
                Some(fields) => self.fields(fields, value),
                None => self.value(&self.types.aliases[name], value),
            },
        }
    }

    fn fields(&mut self, fields: &[Field], value: Option<&Value>) {
        self.push("{");
        for (index, field) in fields.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            self.print(format_args!("{space}{}:({})", field.name, field.written));
            let value = match field.key {
                None => value,
                Some(key) => present(field, value.and_then(|value| value.get(key))),
            };
            self.value(&field.r#type, value);
        }
        self.push("}");
    }

    fn list(&mut self, list: &Value, print: impl Fn(&mut Self, &Value)) {
        self.push("[");
        for (index, item) in list.as_array().into_iter().flatten().enumerate() {
            self.push(if index == 0 { "" } else { " " });
            print(self, item);
        }
        self.push("]");
    }

    fn map(&mut self, map: &Value, print: impl Fn(&mut Self, &Value)) {
        let mut entries: Vec<_> = map.as_object().into_iter().flatten().collect();
        entries.sort_by_key(|(key, _)| *key);
        self.push("map[");
        for (index, (key, item)) in entries.into_iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            self.print(format_args!("{space}{key}:"));
            print(self, item);
        }
        self.push("]");
    }

    fn int_or_string(&mut self, value: Option<&Value>) {
        let number = value.and_then(Value::as_i64).unwrap_or_default();
        let text = value.and_then(Value::as_str);
        self.print(format_args!(
            "{{Type:(intstr.Type){} IntVal:(int32){number} StrVal:(string){}}}",
            i32::from(text.is_some()),
            text.unwrap_or_default()
        ));
    }

    /// A moment; the time zone of the machine, which Go prints too, is taken to be UTC.
    fn time(&mut self, value: Option<&Value>) {
        let moment = value
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<Timestamp>().ok());
        let (nanos, seconds, zone) = match moment {
            None => (0, 0, "<nil>"),
            Some(moment) => (
                moment.subsec_nanosecond(),
                moment.as_second() + TO_1970,
                UTC,
            ),
        };
        self.print(format_args!(
            "{{Time:(time.Time){{wall:(uint64){nanos} ext:(int64){seconds} loc:(*time.Location){zone}}}}}"
        ));
    }

    /// Whose field it is, as the bytes of its JSON.
    fn raw_fields(&mut self, value: Option<&Value>) {
        let json = value.map(Value::to_string).unwrap_or_default();
        let bytes: Vec<_> = json.bytes().map(|byte| byte.to_string()).collect();
        self.print(format_args!("{{Raw:([]uint8)[{}]}}", bytes.join(" ")));
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn print(&mut self, what: impl std::fmt::Display) {
        write!(self.text, "{what}").expect("a String takes every write");
    }
}

/// What is written, or the default. What is zero without being a pointer counts as left out.
fn present<'a>(field: &'a Field, value: Option<&'a Value>) -> Option<&'a Value> {
    let is_pointer = matches!(field.r#type, Type::Pointer(_));
    value
        .filter(|value| !value.is_null())
        .filter(|value| is_pointer || field.default.is_none() || !is_zero(value))
        .or(field.default.as_ref())
}

fn is_zero(value: &Value) -> bool {
    value.as_str() == Some("") || value.as_i64() == Some(0)
}

fn quantity(value: Option<&Value>) -> Quantity {
    let text = value.and_then(Value::as_str);
    text.map(Quantity::parse).unwrap_or_default()
}
