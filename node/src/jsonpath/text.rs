//! How values are written: bare texts and numbers, all else as JSON, or as Go prints it.

use serde_json::Value;

/// The values of one section, a space between each.
pub(super) fn of(values: &[Value]) -> String {
    let texts: Vec<_> = values.iter().map(written).collect();
    texts.join(" ")
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => go_json(value),
    }
}

/// JSON in which Go escapes what could mean something in HTML.
fn go_json(value: &Value) -> String {
    let mut json = String::new();
    for character in value.to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => json.push(character),
        }
    }
    json
}

/// A value as Go prints it in a column: `[a b]`, `map[k:v]`.
pub(crate) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(go_text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let pair = |(name, value): (&String, &Value)| format!("{name}:{}", go_text(value));
            let fields: Vec<_> = fields.iter().map(pair).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// What Go calls the type of a decoded value.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
