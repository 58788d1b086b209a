//! `--sort-by`: objects in the order of one of their fields.

use std::cmp::Ordering;

use serde_json::Value;

use crate::jsonpath::{EvaluateError, Template};

/// Why objects cannot be sorted so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SortError {
    /// None has the field.
    #[error("couldn't find any field with path {0:?} in the list of objects")]
    Nowhere(String),
    /// The path does not fit one.
    #[error("cannot sort by {path}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        source: EvaluateError,
    },
}

/// Sorts by what a path finds; what does not have it comes first.
pub(crate) fn sort_by(
    objects: Vec<Value>,
    path: &str,
    template: &Template,
) -> Result<Vec<Value>, SortError> {
    let keyed = objects.into_iter().map(|object| {
        let found = template.find(&object).map_err(|source| SortError::Path {
            path: path.to_owned(),
            source,
        })?;
        Ok((found.into_iter().flatten().next(), object))
    });
    let mut keyed = keyed.collect::<Result<Vec<_>, _>>()?;
    if !keyed.is_empty() && keyed.iter().all(|(key, _)| key.is_none()) {
        return Err(SortError::Nowhere(path.to_owned()));
    }
    keyed.sort_by(|(left, _), (right, _)| order(left.as_ref(), right.as_ref()));
    Ok(keyed.into_iter().map(|(_, object)| object).collect())
}

fn order(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    match (left, right) {
        (Some(Value::String(left)), Some(Value::String(right))) => texts(left, right),
        (Some(Value::Number(left)), Some(Value::Number(right))) => left
            .as_f64()
            .partial_cmp(&right.as_f64())
            .unwrap_or(Ordering::Equal),
        (Some(Value::Bool(left)), Some(Value::Bool(right))) => left.cmp(right),
        (Some(_), Some(_)) => Ordering::Equal,
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

/// Quantities by what they amount to, other texts by their letters.
fn texts(left: &str, right: &str) -> Ordering {
    match (quantity(left), quantity(right)) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        _ => left.cmp(right),
    }
}

/// `100m`, `1Gi`, `2e3`
fn quantity(text: &str) -> Option<f64> {
    let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-');
    let end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let power = |letters: &str, base: f64| {
        let at = "KMGTPE".find(letters)?;
        Some(base.powi(i32::try_from(at).ok()? + 1))
    };
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        _ if suffix.len() == 1 && suffix != "K" => power(suffix, 1000.0)?,
        _ => match suffix.strip_suffix('i') {
            Some(letter) if letter.len() == 1 => power(letter, 1024.0)?,
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E'])?;
                10_f64.powi(exponent.parse().ok()?)
            }
        },
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sorted(values: Value) -> Result<Value, SortError> {
        let objects = values.as_array().unwrap().iter().cloned();
        let objects = objects.map(|value| json!({ "v": value })).collect();
        let template = Template::relaxed("v").unwrap();
        let sorted = sort_by(objects, "{.v}", &template)?;
        Ok(sorted.iter().map(|object| object["v"].clone()).collect())
    }

    #[test]
    fn values_of_each_kind_have_their_order() {
        let rows = [
            (json!(["b", "a", "B"]), json!(["B", "a", "b"])),
            (json!([10, 9, 1.5]), json!([1.5, 9, 10])),
            (json!([true, false]), json!([false, true])),
            (
                json!(["1Gi", "100m", "2", "1G", "3e2"]),
                json!(["100m", "2", "3e2", "1G", "1Gi"]),
            ),
            (
                json!(["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]),
                json!(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
            ),
        ];
        for (given, expected) in rows {
            assert_eq!(sorted(given), Ok(expected));
        }
    }

    #[test]
    fn what_lacks_the_field_comes_first_and_not_all_may() {
        let template = Template::relaxed("v").unwrap();
        let objects = vec![json!({ "v": 1 }), json!({}), json!({ "v": 0 })];
        let sorted = sort_by(objects, "{.v}", &template).unwrap();
        assert_eq!(sorted, [json!({}), json!({ "v": 0 }), json!({ "v": 1 })]);
        assert_eq!(
            sort_by(vec![json!({})], "{.v}", &template)
                .unwrap_err()
                .to_string(),
            "couldn't find any field with path \"{.v}\" in the list of objects"
        );
    }
}
