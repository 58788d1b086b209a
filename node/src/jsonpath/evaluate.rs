//! What a path finds in an object.

use std::cmp::Ordering;

use serde_json::Value;

use super::text::{go_text, type_name};
use super::{Comparison, EvaluateError, Filter, Section, Slice, Step};

type Values = Vec<Value>;

/// Adds what sections find, in their order.
pub(super) fn sections(
    sections: &[Section],
    object: &Value,
    found: &mut Vec<Values>,
) -> Result<(), EvaluateError> {
    for section in sections {
        match section {
            Section::Text(text) => found.push(vec![text.as_str().into()]),
            Section::Path(path) => found.push(walk(path, object)?),
            Section::Range(path, below) => {
                for value in walk(path, object)? {
                    self::sections(below, &value, found)?;
                }
            }
        }
    }
    Ok(())
}

fn walk(path: &[Step], object: &Value) -> Result<Values, EvaluateError> {
    let mut values = vec![object.clone()];
    for step in path {
        values = take(step, values)?;
    }
    Ok(values)
}

fn take(step: &Step, values: Values) -> Result<Values, EvaluateError> {
    match step {
        Step::Literal(literal) => Ok(vec![literal.clone()]),
        Step::Union(paths) => {
            let mut all = Vec::new();
            for path in paths {
                for value in &values {
                    all.extend(walk(path, value)?);
                }
            }
            Ok(all)
        }
        Step::Descent => {
            let mut all = Vec::new();
            values.iter().for_each(|value| descend(value, &mut all));
            Ok(all)
        }
        Step::Field(_) | Step::Wildcard | Step::Index(_) | Step::Slice(_) | Step::Filter(_) => {
            let mut all = Vec::new();
            for value in values.iter().filter(|value| !value.is_null()) {
                all.extend(take_from(step, value)?);
            }
            Ok(all)
        }
    }
}

/// A step from one value.
fn take_from(step: &Step, value: &Value) -> Result<Values, EvaluateError> {
    match step {
        Step::Field(name) => Ok(value.get(name).cloned().into_iter().collect()),
        Step::Index(index) => element(list(value)?, *index),
        Step::Slice(slice) => part(list(value)?, *slice),
        Step::Filter(filter) => filtered(filter, value),
        Step::Wildcard | Step::Descent | Step::Union(_) | Step::Literal(_) => Ok(below(value)),
    }
}

/// Everything directly in a value.
fn below(value: &Value) -> Values {
    match value {
        Value::Array(items) => items.clone(),
        Value::Object(fields) => fields.values().cloned().collect(),
        _ => Vec::new(),
    }
}

/// A value that holds something, and all that is in it and holds something.
fn descend(value: &Value, all: &mut Values) {
    let is_empty = match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    if is_empty {
        return;
    }
    all.push(value.clone());
    below(value).iter().for_each(|value| descend(value, all));
}

fn list(value: &Value) -> Result<&[Value], EvaluateError> {
    let items = value.as_array().map(Vec::as_slice);
    items.ok_or(EvaluateError::NoList(type_name(value)))
}

fn length(items: &[Value]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// One element; a negative index counts from the end.
fn element(items: &[Value], index: i64) -> Result<Values, EvaluateError> {
    let length = length(items);
    let at = if index < 0 { index + length } else { index };
    let found = usize::try_from(at).ok().and_then(|at| items.get(at));
    let found = found.ok_or(EvaluateError::OutOfBounds { index: at, length })?;
    Ok(vec![found.clone()])
}

fn part(items: &[Value], slice: Slice) -> Result<Values, EvaluateError> {
    let length = length(items);
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let from = from_end(slice.from.unwrap_or(0));
    let to = from_end(slice.to.unwrap_or(length));
    if from == to {
        return Ok(Vec::new());
    }
    if from >= length || from < 0 {
        let index = from;
        return Err(EvaluateError::OutOfBounds { index, length });
    }
    if to > length || to < 0 {
        let index = to - 1;
        return Err(EvaluateError::OutOfBounds { index, length });
    }
    if from > to {
        return Err(EvaluateError::Backwards { from, to });
    }
    let step = slice.step.unwrap_or(1);
    let step = usize::try_from(step).ok().filter(|step| *step > 0);
    let step = step.ok_or(EvaluateError::NoStep)?;
    let bound = |index| usize::try_from(index).unwrap_or(0);
    let items = &items[bound(from)..bound(to)];
    Ok(items.iter().step_by(step).cloned().collect())
}

fn filtered(filter: &Filter, value: &Value) -> Result<Values, EvaluateError> {
    let items = value.as_array();
    let items = items.ok_or_else(|| EvaluateError::NotFiltered(go_text(value)))?;
    let mut passed = Vec::new();
    for item in items {
        if passes(filter, item)? {
            passed.push(item.clone());
        }
    }
    Ok(passed)
}

fn passes(filter: &Filter, item: &Value) -> Result<bool, EvaluateError> {
    let Some((comparison, right)) = &filter.comparison else {
        // What cannot be looked for is not there.
        return Ok(walk(&filter.left, item).is_ok_and(|found| !found.is_empty()));
    };
    let Some(left) = single(walk(&filter.left, item)?)? else {
        return Ok(false);
    };
    let Some(right) = single(walk(right, item)?)? else {
        return Ok(false);
    };
    compare(*comparison, &left, &right)
}

fn single(mut values: Values) -> Result<Option<Value>, EvaluateError> {
    let first = values.pop();
    if values.is_empty() {
        Ok(first)
    } else {
        Err(EvaluateError::Several)
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Result<bool, EvaluateError> {
    let order = order(left, right).ok_or(EvaluateError::Incompatible)?;
    match comparison {
        Comparison::Equal => return Ok(order == Ordering::Equal),
        Comparison::NotEqual => return Ok(order != Ordering::Equal),
        // Truth values are equal or not, and have no order.
        _ if left.is_boolean() => return Err(EvaluateError::Incompatible),
        _ => {}
    }
    Ok(match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        Comparison::Equal | Comparison::NotEqual => unreachable!("answered above"),
    })
}

/// How two values of one kind are ordered.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        _ => None,
    }
}
