//! From a manifest's text to what Kubernetes describes, unknown fields named.
//!
//! A file holds YAML or JSON (which is YAML), one or more documents, each a `Pod`, an object that
//! pods refer to, or a list of them.
#![deny(clippy::disallowed_methods)]

mod list;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::node::v1::RuntimeClass;
use serde::Deserialize;
use serde_ignored::Path;

use list::{ListSeed, kinds};

/// One thing of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// As it was written.
    pub written: Written,
    /// Where its document begins, counted from 1.
    pub line: u64,
    /// Paths of fields that Kubernetes does not know.
    pub unknown: Vec<String>,
}

/// What a manifest describes, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// A pod.
    Pod(Box<core::Pod>),
    /// An object that pods refer to.
    ConfigMap(core::ConfigMap),
    /// An object that pods refer to.
    Secret(core::Secret),
    /// An object that claims are bound to.
    PersistentVolume(Box<core::PersistentVolume>),
    /// An object that pods refer to.
    PersistentVolumeClaim(Box<core::PersistentVolumeClaim>),
    /// An object that pods refer to.
    RuntimeClass(Box<RuntimeClass>),
}

/// The kinds that a manifest may describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pod,
    ConfigMap,
    Secret,
    PersistentVolume,
    PersistentVolumeClaim,
    RuntimeClass,
}

/// What may stand in a manifest, for messages.
const READ_HERE: &str = "a v1 Pod, ConfigMap, Secret, PersistentVolume or \
                         PersistentVolumeClaim, nor a node.k8s.io/v1 RuntimeClass,";

impl Kind {
    fn of(header: &Header) -> Option<Self> {
        match (header.api_version.as_str(), header.kind.as_str()) {
            ("v1", "Pod") => Some(Self::Pod),
            ("v1", "ConfigMap") => Some(Self::ConfigMap),
            ("v1", "Secret") => Some(Self::Secret),
            ("v1", "PersistentVolume") => Some(Self::PersistentVolume),
            ("v1", "PersistentVolumeClaim") => Some(Self::PersistentVolumeClaim),
            ("node.k8s.io/v1", "RuntimeClass") => Some(Self::RuntimeClass),
            _ => None,
        }
    }

    /// What the items of a list are that do not say it themselves.
    fn of_items(header: &Header) -> Option<Self> {
        match (header.api_version.as_str(), header.kind.as_str()) {
            ("v1", "List" | "PodList") => Some(Self::Pod),
            ("v1", "ConfigMapList") => Some(Self::ConfigMap),
            ("v1", "SecretList") => Some(Self::Secret),
            _ => None,
        }
    }

    fn read<'de, D: serde::Deserializer<'de>>(self, from: D) -> Result<Written, D::Error> {
        Ok(match self {
            Self::Pod => Written::Pod(Box::new(core::Pod::deserialize(from)?)),
            Self::ConfigMap => Written::ConfigMap(core::ConfigMap::deserialize(from)?),
            Self::Secret => Written::Secret(core::Secret::deserialize(from)?),
            Self::PersistentVolume => Written::PersistentVolume(Box::deserialize(from)?),
            Self::PersistentVolumeClaim => Written::PersistentVolumeClaim(Box::deserialize(from)?),
            Self::RuntimeClass => Written::RuntimeClass(Box::deserialize(from)?),
        })
    }
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

/// Everything in a manifest.
pub fn decode(text: &str) -> Result<Vec<Decoded>, DecodeError> {
    let mut all = Vec::new();
    for document in documents(text) {
        all.extend(decode_document(&document)?);
    }
    Ok(all)
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

fn decode_document(document: &Document) -> Result<Vec<Decoded>, DecodeError> {
    let header: Option<Header> = with_yaml(document, |yaml| Deserialize::deserialize(yaml))?;
    let Some(header) = header else {
        return Ok(Vec::new());
    };
    if let Some(kind) = Kind::of(&header) {
        return decode_one(document, kind).map(|one| vec![one]);
    }
    match Kind::of_items(&header) {
        Some(default) => decode_list(document, default),
        None => Err(refused(document, &header)),
    }
}

fn refused(document: &Document, header: &Header) -> DecodeError {
    let Header { api_version, kind } = header;
    DecodeError {
        line: document.first_line,
        message: format!(
            "apiVersion {api_version:?}, kind {kind:?} is neither {READ_HERE} nor a v1 List of them"
        ),
    }
}

fn decode_one(document: &Document, kind: Kind) -> Result<Decoded, DecodeError> {
    let mut unknown = Vec::new();
    let written = with_yaml(document, |yaml| {
        let mut note = |path: Path<'_>| unknown.push(written(&steps(&path)));
        kind.read(serde_ignored::Deserializer::new(yaml, &mut note))
    })?;
    Ok(Decoded {
        written,
        line: document.first_line,
        unknown,
    })
}

/// A list is read twice: for what its items are, and for the items.
fn decode_list(document: &Document, default: Kind) -> Result<Vec<Decoded>, DecodeError> {
    let kinds = with_yaml(document, |yaml| kinds(yaml, default))?;
    let mut unknown = Vec::new();
    let items = with_yaml(document, |yaml| {
        let mut note = |path: Path<'_>| unknown.push(steps(&path));
        let yaml = serde_ignored::Deserializer::new(yaml, &mut note);
        serde::de::DeserializeSeed::deserialize(ListSeed(&kinds), yaml)
    })?;
    // What a list says beside its items says nothing about them.
    let fields_of = |index: usize| {
        let of_item = |steps: &&Vec<Step>| steps.get(1) == Some(&Step::Index(index));
        let of_item = unknown.iter().filter(of_item);
        of_item.map(|steps| written(&steps[2..])).collect()
    };
    let decoded = items.into_iter().enumerate().map(|(index, item)| Decoded {
        written: item,
        line: document.first_line,
        unknown: fields_of(index),
    });
    Ok(decoded.collect())
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
        let all = decode(text).unwrap();
        let name = |one: Decoded| match one.written {
            Written::Pod(pod) => pod.metadata.name,
            Written::ConfigMap(map) => map.metadata.name.map(|name| format!("map {name}")),
            Written::Secret(secret) => secret.metadata.name.map(|name| format!("secret {name}")),
            other => panic!("not looked for: {other:?}"),
        };
        all.into_iter().filter_map(name).collect()
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
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {k: v}\n".to_owned(),
                vec!["map a", "secret b"],
            ),
            (
                "items:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n- metadata: {name: b}\napiVersion: v1\nkind: List\n".to_owned(),
                vec!["secret a", "b"],
            ),
            ("apiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: a}}]\n".to_owned(), vec!["map a"]),
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
            (
                "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service}\n",
                4..=4,
            ),
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
        let Written::Pod(pod) = &decode(text).unwrap()[0].written else {
            panic!("it is a pod");
        };
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
