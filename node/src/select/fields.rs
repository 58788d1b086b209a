//! Field selectors: `status.phase=Running,metadata.name!=web`.

use std::str::FromStr;

use serde_json::Value;

use crate::resource::Resource;

/// Requirements that all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    field: String,
    value: String,
    wants: Wants,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Equal,
    Other,
}

/// A field that objects of a kind are not selected by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field label not supported: {field}; {words} are selected by: {by}")]
pub(crate) struct NoSuchField {
    field: String,
    words: &'static str,
    by: String,
}

const PODS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];
const NODES: &[&str] = &["metadata.name", "spec.unschedulable"];
const EVENTS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

impl FieldSelector {
    /// Whether objects of this kind are selected by such fields.
    pub(crate) fn check(&self, resource: Resource) -> Result<(), NoSuchField> {
        let known = match resource {
            Resource::Pods => PODS,
            Resource::Nodes => NODES,
            Resource::Events => EVENTS,
        };
        let unknown = self
            .0
            .iter()
            .find(|one| !known.contains(&one.field.as_str()));
        unknown.map_or(Ok(()), |unknown| {
            Err(NoSuchField {
                field: unknown.field.clone(),
                words: resource.words(),
                by: known.join(", "),
            })
        })
    }

    /// Whether an object has such fields.
    pub(crate) fn takes(&self, object: &Value) -> bool {
        self.0.iter().all(|one| {
            let is_equal = value(object, &one.field) == one.value;
            is_equal == (one.wants == Wants::Equal)
        })
    }
}

/// A field as the API server compares it.
fn value(object: &Value, field: &str) -> String {
    let path = match field {
        "source" => "source.component",
        field => field,
    };
    let found = path.split('.').fold(object, |object, name| &object[name]);
    match found {
        Value::String(text) => text.clone(),
        Value::Null if matches!(field, "spec.hostNetwork" | "spec.unschedulable") => {
            "false".to_owned()
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

impl FromStr for FieldSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = split(text, ',').into_iter();
        let requirements = parts.filter(|part| !part.is_empty()).map(|part| {
            requirement(part)
                .ok_or_else(|| format!("invalid selector: {text:?}; can't understand {part:?}"))
        });
        requirements.collect::<Result<_, _>>().map(Self)
    }
}

fn requirement(text: &str) -> Option<Requirement> {
    let sign = split(text, '=').first()?.len();
    if sign == text.len() {
        return None;
    }
    let (before, after) = text.split_at(sign);
    let (field, wants) = match before.strip_suffix('!') {
        Some(field) => (field, Wants::Other),
        None => (before, Wants::Equal),
    };
    let value = after.strip_prefix("==").or(after.strip_prefix('='))?;
    Some(Requirement {
        field: field.trim().to_owned(),
        value: unescaped(value)?,
        wants,
    })
}

/// The pieces between separators that no backslash stands before.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_escaped = false;
    text.split(|character| {
        let parts = character == separator && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        parts
    })
    .collect()
}

/// A value without its backslashes; a bare separator in it is none.
fn unescaped(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next()? {
                escaped @ ('\\' | ',' | '=') => value.push(escaped),
                _ => return None,
            },
            '=' => return None,
            _ => value.push(character),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_compared_as_texts() {
        let pod = json!({
            "metadata": { "name": "a=b,c" },
            "spec": { "restartPolicy": "Always" },
            "status": { "phase": "Running" },
        });
        let rows = [
            ("", true),
            ("status.phase=Running", true),
            ("status.phase==Running", true),
            ("status.phase!=Running", false),
            ("status.phase=Running,spec.restartPolicy=Never", false),
            ("spec.hostNetwork=false", true),
            ("status.podIP=", true),
            (r"metadata.name=a\=b\,c", true),
        ];
        for (text, takes) in rows {
            let selector: FieldSelector = text.parse().unwrap();
            assert_eq!(selector.takes(&pod), takes, "{text}");
            assert_eq!(selector.check(Resource::Pods), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["status.phase", "a=b=c", r"a=\x"] {
            assert!(text.parse::<FieldSelector>().is_err(), "{text}");
        }
        let selector: FieldSelector = "status.phase=Running".parse().unwrap();
        let refused = selector.check(Resource::Nodes).unwrap_err().to_string();
        assert!(
            refused.starts_with("field label not supported: status.phase; nodes are selected by"),
            "{refused}"
        );
    }
}
