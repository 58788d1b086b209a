//! The value of a flag, as the JSON that its field would hold.

use serde_json::{Map, Value, json};

use super::Shape;
use crate::config::Duration;

/// Reads it; an error says what is wrong with it.
pub(super) fn read(text: &str, shape: Shape) -> Result<Value, String> {
    match shape {
        Shape::Boolean => boolean(text).map(Value::Bool),
        Shape::Number => {
            let number: Result<i64, _> = text.parse();
            number
                .map(Value::from)
                .map_err(|_| format!("{text:?} is not a number"))
        }
        Shape::Duration => match Duration::parse(text) {
            Some(_) => Ok(text.into()),
            None => Err(format!("invalid duration {text:?}")),
        },
        Shape::Text => Ok(text.into()),
        Shape::List => Ok(items(text).map(Value::from).collect()),
        Shape::Words => pairs(text, '='),
        Shape::Thresholds => pairs(text, '<'),
        Shape::Files => items(text).map(file).collect(),
        Shape::Switches => switches(text),
        Shape::Headers => headers(text),
        Shape::Taints => items(text).map(taint).collect(),
        Shape::Memory => text
            .split(';')
            .filter(|one| !one.is_empty())
            .map(memory)
            .collect(),
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// The words that Go takes for truth.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

fn pair(item: &str, between: char) -> Result<(&str, &str), String> {
    let pair = item
        .split_once(between)
        .map(|(key, value)| (key.trim(), value.trim()));
    pair.filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| format!("malformed pair {item:?}, expect a key, {between:?} and a value"))
}

fn pairs(text: &str, between: char) -> Result<Value, String> {
    let pairs = items(text).map(|item| {
        let (key, value) = pair(item, between)?;
        Ok((key.to_owned(), value.into()))
    });
    pairs
        .collect::<Result<Map<_, _>, String>>()
        .map(Value::Object)
}

fn switches(text: &str) -> Result<Value, String> {
    let pairs = items(text).map(|item| {
        let (key, value) = pair(item, '=')?;
        Ok((key.to_owned(), boolean(value)?.into()))
    });
    pairs
        .collect::<Result<Map<_, _>, String>>()
        .map(Value::Object)
}

fn headers(text: &str) -> Result<Value, String> {
    let mut all = Map::new();
    for item in items(text) {
        let (name, value) = pair(item, ':')?;
        let values = all.entry(name).or_insert_with(|| json!([]));
        values
            .as_array_mut()
            .expect("it was made a list")
            .push(value.into());
    }
    Ok(Value::Object(all))
}

/// `pattern=N`
fn file(item: &str) -> Result<Value, String> {
    let (pattern, level) = pair(item, '=')?;
    let level: u32 = level
        .parse()
        .map_err(|_| format!("{level:?} is not a number"))?;
    Ok(json!({ "filePattern": pattern, "verbosity": level }))
}

/// `key=value:effect` or `key:effect`
fn taint(item: &str) -> Result<Value, String> {
    let (key, effect) = item
        .rsplit_once(':')
        .ok_or_else(|| format!("{item:?} is not a taint like key=value:NoSchedule"))?;
    let (key, value) = key.split_once('=').unwrap_or((key, ""));
    Ok(json!({ "key": key, "value": value, "effect": effect }))
}

fn memory(item: &str) -> Result<Value, String> {
    let malformed = || format!("{item:?} is not a reservation like 0:memory=1Gi");
    let (node, limits) = item.split_once(':').ok_or_else(malformed)?;
    let node: i32 = node.trim().parse().map_err(|_| malformed())?;
    Ok(json!({ "numaNode": node, "limits": pairs(limits, '=')? }))
}
