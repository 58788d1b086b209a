//! Which objects a list or a watch is of.

use serde_json::Value;

/// What a query selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Paths of fields and their values.
    fields: Vec<(String, String, bool)>,
    labels: Vec<(String, String)>,
}

impl Selection {
    /// Reads `fieldSelector` and `labelSelector`: `a=b`, `a==b`, and for fields `a!=b`.
    pub(super) fn read(fields: Option<&str>, labels: Option<&str>) -> Self {
        let words = |text: Option<&str>| -> Vec<String> {
            let words = text.unwrap_or_default().split(',');
            words
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let field = |word: String| match word.split_once("!=") {
            Some((path, value)) => Some((path.to_owned(), value.to_owned(), false)),
            None => {
                let (path, value) = word.split_once('=')?;
                let value = value.trim_start_matches('=');
                Some((path.to_owned(), value.to_owned(), true))
            }
        };
        let label = |word: String| {
            let (name, value) = word.split_once('=')?;
            Some((name.to_owned(), value.trim_start_matches('=').to_owned()))
        };
        Self {
            fields: words(fields).into_iter().filter_map(field).collect(),
            labels: words(labels).into_iter().filter_map(label).collect(),
        }
    }

    /// Whether an object is selected.
    pub(super) fn has(&self, object: &Value) -> bool {
        let field = |(path, value, is): &(String, String, bool)| {
            let pointer = format!("/{}", path.replace('.', "/"));
            let there = object.pointer(&pointer).and_then(Value::as_str);
            (there.unwrap_or_default() == value) == *is
        };
        let label = |(name, value): &(String, String)| {
            object["metadata"]["labels"][name.as_str()] == value.as_str()
        };
        self.fields.iter().all(field) && self.labels.iter().all(label)
    }
}
