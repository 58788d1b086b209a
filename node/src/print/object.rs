//! API objects as JSON and YAML, laid out as kubectl lays them out: keys sorted, JSON indented by
//! four, the items of a YAML list as far left as their key.

use serde::Serialize;
use serde_json::{Value, json};

/// Why an object could not be written; none is known, but serialisers may refuse.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrintError {
    /// serde_json refused.
    #[error("cannot write the object as JSON")]
    Json(#[source] serde_json::Error),
    /// serde-saphyr refused.
    #[error("cannot write the object as YAML")]
    Yaml(#[source] serde_saphyr::ser::Error),
}

/// A `v1` List of objects.
pub(crate) fn list(items: Vec<Value>) -> Value {
    json!({
        "apiVersion": "v1",
        "items": items,
        "kind": "List",
        "metadata": { "resourceVersion": "" },
    })
}

/// JSON with a final line feed.
pub(crate) fn to_json(object: &Value) -> Result<String, PrintError> {
    let mut bytes = Vec::new();
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, layout);
    object
        .serialize(&mut serializer)
        .map_err(PrintError::Json)?;
    bytes.push(b'\n');
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
}

/// YAML with a final line feed.
pub(crate) fn to_yaml(object: &Value) -> Result<String, PrintError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: true };
    serde_saphyr::to_string_with_options(object, options).map_err(PrintError::Yaml)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "c" }] },
        })
    }

    #[test]
    fn a_list_in_json_is_indented_by_four_with_sorted_keys() {
        let text = to_json(&list(vec![one_pod()])).unwrap();
        let head = "{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        {\n            \"apiVersion\": \"v1\",\n            \"kind\": \"Pod\",";
        assert!(text.starts_with(head), "{text}");
        assert!(
            text.ends_with("\"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n"),
            "{text}"
        );
    }

    #[test]
    fn a_list_in_yaml_keeps_its_items_below_their_key() {
        let text = to_yaml(&list(vec![one_pod()])).unwrap();
        let expected = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: web\n  spec:\n    containers:\n    - name: c\nkind: List\nmetadata:\n  resourceVersion: \"\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn texts_that_look_like_something_else_are_quoted_in_yaml() {
        let text =
            to_yaml(&json!({ "a": "true", "b": "1", "c": "two\nlines\n", "d": null })).unwrap();
        assert_eq!(
            text,
            "a: \"true\"\nb: \"1\"\nc: |\n  two\n  lines\nd: null\n"
        );
    }
}
