//! From a manifest's text to pods as Kubernetes describes them, unknown fields named.
//!
//! A file holds YAML or JSON (which is YAML), one or more documents, each a v1 `Pod`, `PodList` or
//! `List` of pods.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;
use serde::Deserialize;
use serde_ignored::Path;

/// A pod as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The pod.
    pub pod: core::Pod,
    /// Paths of fields that Kubernetes does not know.
    pub unknown: Vec<String>,
}

/// Why a text is not a manifest.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {message}")]
pub struct DecodeError {
    /// Where, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub message: String,
}

/// All pods of a manifest.
pub fn decode(text: &str) -> Result<Vec<Decoded>, DecodeError> {
    let mut pods = Vec::new();
    for document in documents(text) {
        pods.extend(decode_document(&document)?);
    }
    Ok(pods)
}

/// One document of a file: its text, behind as many empty lines as stand before it, so that line
/// numbers are the file's.
struct Document {
    text: String,
    first_line: u64,
}

/// Splits a file at its `---` lines, which cannot stand inside any value.
fn documents(text: &str) -> Vec<Document> {
    let mut documents = vec![Document {
        text: String::new(),
        first_line: 1,
    }];
    for (index, line) in text.lines().enumerate() {
        let current = documents.last_mut().expect("there is always one");
        if let Some(rest) = separator(line) {
            let text = format!("{}{rest}\n", "\n".repeat(index));
            let first_line = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            documents.push(Document { text, first_line });
        } else {
            current.text.push_str(line);
            current.text.push('\n');
        }
    }
    documents
}

/// What follows the separator on its line.
fn separator(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("---")?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(rest)
}

/// Says what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// A list of pods.
#[derive(Deserialize)]
struct List {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    items: Vec<core::Pod>,
}

fn decode_document(document: &Document) -> Result<Vec<Decoded>, DecodeError> {
    let header: Option<Header> = with_yaml(document, |yaml| Deserialize::deserialize(yaml))?;
    let Some(header) = header else {
        return Ok(Vec::new());
    };
    match (header.api_version.as_str(), header.kind.as_str()) {
        ("v1", "Pod") => {
            let (pod, unknown) = tracked::<core::Pod>(document)?;
            let unknown = unknown.iter().map(|steps| written(steps)).collect();
            Ok(vec![Decoded { pod, unknown }])
        }
        ("v1", "List" | "PodList") => {
            let (list, unknown) = tracked::<List>(document)?;
            Ok(items(list, &unknown))
        }
        (version, kind) => Err(DecodeError {
            line: document.first_line,
            message: format!(
                "apiVersion {version:?}, kind {kind:?} is neither a v1 Pod nor a v1 List of pods"
            ),
        }),
    }
}

/// Gives each pod of a list the unknown fields that are its own.
fn items(list: List, unknown: &[Vec<Step>]) -> Vec<Decoded> {
    let fields_of = |index: usize| {
        let of_item = |steps: &&Vec<Step>| steps.get(1) == Some(&Step::Index(index));
        unknown
            .iter()
            .filter(of_item)
            .map(|steps| written(&steps[2..]))
            .collect()
    };
    list.items
        .into_iter()
        .enumerate()
        .map(|(index, pod)| Decoded {
            pod,
            unknown: fields_of(index),
        })
        .collect()
}

/// Decodes a document, and the paths of what it says beyond `T`.
fn tracked<T: for<'de> Deserialize<'de>>(
    document: &Document,
) -> Result<(T, Vec<Vec<Step>>), DecodeError> {
    let mut unknown = Vec::new();
    let value = with_yaml(document, |yaml| {
        serde_ignored::deserialize(yaml, |path| unknown.push(steps(&path)))
    })?;
    // A list's metadata says nothing about a pod.
    unknown.retain(|steps| {
        steps.first() != Some(&Step::Key("metadata".to_owned())) || steps.len() > 1
    });
    Ok((value, unknown))
}

fn with_yaml<T>(
    document: &Document,
    read: impl FnOnce(serde_saphyr::Deserializer<'_, '_>) -> Result<T, serde_saphyr::Error>,
) -> Result<T, DecodeError> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
    serde_saphyr::with_deserializer_from_str_with_options(&document.text, options, read).map_err(
        |error| DecodeError {
            line: error
                .location()
                .map_or(document.first_line, |location| location.line()),
            message: error.to_string(),
        },
    )
}

/// One step of the path to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &Path<'_>) -> Vec<Step> {
    let below = |parent: &Path<'_>, step| {
        let mut all = steps(parent);
        all.push(step);
        all
    };
    match path {
        Path::Root => Vec::new(),
        Path::Seq { parent, index } => below(parent, Step::Index(*index)),
        Path::Map { parent, key } => below(parent, Step::Key(key.clone())),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => steps(parent),
    }
}

/// `spec.containers[0].imagee`.
fn written(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let pods = decode(text).unwrap();
        pods.into_iter()
            .filter_map(|one| one.pod.metadata.name)
            .collect()
    }

    #[test]
    fn a_file_may_hold_yaml_json_lists_and_several_documents() {
        let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n");
        let rows = [
            (String::new(), vec![]),
            ("# nothing\n---\n".to_owned(), vec![]),
            (pod("a"), vec!["a"]),
            (format!("{}---\n{}", pod("a"), pod("b")), vec!["a", "b"]),
            (format!("--- # first\n{}--- \n{}---\n", pod("a"), pod("b")), vec!["a", "b"]),
            (
                "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"a\"}}".to_owned(),
                vec!["a"],
            ),
            (
                "apiVersion: v1\nkind: List\nmetadata: {}\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n- metadata: {name: b}\n".to_owned(),
                vec!["a", "b"],
            ),
            ("apiVersion: v1\nkind: PodList\nitems: []\n".to_owned(), vec![]),
        ];
        for (text, expected) in rows {
            assert_eq!(names(&text), expected, "{text}");
        }
    }

    #[test]
    fn an_error_names_the_line_of_the_file() {
        let good = "apiVersion: v1\nkind: Pod\n---\n";
        let rows = [
            ("apiVersion: v1\nkind: Pod\nspec: [\n", 3..=4),
            (
                "apiVersion: v1\nkind: Pod\nspec:\n  hostNetwork: perhaps\n",
                4..=4,
            ),
            ("apiVersion: apps/v1\nkind: Deployment\n", 1..=1),
            ("just words\n", 1..=1),
        ];
        for (text, lines) in rows {
            let error = decode(text).unwrap_err();
            assert!(lines.contains(&error.line), "{text}: {error}");
            let error = decode(&format!("{good}{text}")).unwrap_err();
            let later = lines.start() + 2..=lines.end() + 3;
            assert!(
                later.contains(&error.line),
                "behind another document: {text}: {error}"
            );
        }
    }

    #[test]
    fn unknown_fields_are_named_with_their_path() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  restartPolice: Never\n  \
                    containers:\n  - name: web\n    imagee: x\n    securityContext: {runAsUsr: 1}\n";
        assert_eq!(
            decode(text).unwrap()[0].unknown,
            [
                "spec.restartPolice",
                "spec.containers[0].imagee",
                "spec.containers[0].securityContext.runAsUsr"
            ]
        );
    }

    #[test]
    fn unknown_fields_of_a_list_belong_to_their_pod() {
        let text = "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n\
                    - metadata: {name: a}\n- metadata: {name: b}\n  spek: {}\n";
        let unknown: Vec<_> = decode(text)
            .unwrap()
            .into_iter()
            .map(|one| one.unknown)
            .collect();
        assert_eq!(unknown, [vec![], vec!["spek".to_owned()]]);
    }

    #[test]
    fn numbers_serve_as_quantities() {
        let text = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    resources: {limits: {cpu: 1}}\n";
        let pod = &decode(text).unwrap()[0].pod;
        let container = &pod.spec.as_ref().unwrap().containers[0];
        let limits = container
            .resources
            .as_ref()
            .unwrap()
            .limits
            .as_ref()
            .unwrap();
        assert_eq!(limits["cpu"].0, "1");
    }
}
