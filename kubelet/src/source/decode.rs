//! From a manifest's text to what Kubernetes describes, unknown fields named.
//!
//! A file holds YAML or JSON (which is YAML), one or more documents, each a `Pod`, an object that
//! pods refer to, or a list of them.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::certificates::v1beta1::ClusterTrustBundle;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::storage::v1::CSIDriver;
use serde::de::DeserializeOwned;

use crate::yaml::{self, Node, Read, Refusal, Value};

/// One thing of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// As it was written.
    pub written: Written,
    /// Where it begins, counted from 1.
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
    /// What is said of a driver of volumes.
    CsiDriver(Box<CSIDriver>),
    /// Authorities that pods may trust.
    ClusterTrustBundle(Box<ClusterTrustBundle>),
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
    CsiDriver,
    ClusterTrustBundle,
}

/// What may stand in a manifest, for messages.
const READ_HERE: &str = "a v1 Pod, ConfigMap, Secret, PersistentVolume or \
                         PersistentVolumeClaim, nor a node.k8s.io/v1 RuntimeClass, nor a \
                         storage.k8s.io/v1 CSIDriver, nor a certificates.k8s.io/v1beta1 \
                         ClusterTrustBundle,";

impl Kind {
    fn of(header: &Header<'_>) -> Option<Self> {
        match (header.api_version, header.kind) {
            ("v1", "Pod") => Some(Self::Pod),
            ("v1", "ConfigMap") => Some(Self::ConfigMap),
            ("v1", "Secret") => Some(Self::Secret),
            ("v1", "PersistentVolume") => Some(Self::PersistentVolume),
            ("v1", "PersistentVolumeClaim") => Some(Self::PersistentVolumeClaim),
            ("node.k8s.io/v1", "RuntimeClass") => Some(Self::RuntimeClass),
            ("storage.k8s.io/v1", "CSIDriver") => Some(Self::CsiDriver),
            ("certificates.k8s.io/v1beta1", "ClusterTrustBundle") => Some(Self::ClusterTrustBundle),
            _ => None,
        }
    }

    /// What the items of a list are that do not say it themselves.
    fn of_items(header: &Header<'_>) -> Option<Self> {
        match (header.api_version, header.kind) {
            ("v1", "List" | "PodList") => Some(Self::Pod),
            ("v1", "ConfigMapList") => Some(Self::ConfigMap),
            ("v1", "SecretList") => Some(Self::Secret),
            _ => None,
        }
    }

    fn read(self, tree: &Node) -> Result<Read<Written>, Refusal> {
        match self {
            Self::Pod => written(tree, Written::Pod),
            Self::ConfigMap => written(tree, Written::ConfigMap),
            Self::Secret => written(tree, Written::Secret),
            Self::PersistentVolume => written(tree, Written::PersistentVolume),
            Self::PersistentVolumeClaim => written(tree, Written::PersistentVolumeClaim),
            Self::RuntimeClass => written(tree, Written::RuntimeClass),
            Self::CsiDriver => written(tree, Written::CsiDriver),
            Self::ClusterTrustBundle => written(tree, Written::ClusterTrustBundle),
        }
    }
}

fn written<T: DeserializeOwned>(
    tree: &Node,
    as_kind: fn(T) -> Written,
) -> Result<Read<Written>, Refusal> {
    let Read { value, unknown } = tree.read()?;
    Ok(Read {
        value: as_kind(value),
        unknown,
    })
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

impl From<Refusal> for DecodeError {
    fn from(refusal: Refusal) -> Self {
        Self {
            line: refusal.line,
            message: refusal.to_string(),
        }
    }
}

/// Everything in a manifest.
pub fn decode(text: &str) -> Result<Vec<Decoded>, DecodeError> {
    let mut all = Vec::new();
    for document in yaml::documents(text) {
        if let Some(tree) = document.tree()? {
            all.extend(decode_document(&tree)?);
        }
    }
    Ok(all)
}

/// Says what a document or an item of a list is.
struct Header<'a> {
    api_version: &'a str,
    kind: &'a str,
}

impl<'a> Header<'a> {
    fn of(tree: &'a Node) -> Self {
        let word = |name: &str| match tree.get(name).map(|node| &node.value) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        Self {
            api_version: word("apiVersion"),
            kind: word("kind"),
        }
    }
}

fn decode_document(tree: &Node) -> Result<Vec<Decoded>, DecodeError> {
    let header = Header::of(tree);
    if let Some(kind) = Kind::of(&header) {
        return decode_one(tree, kind).map(|one| vec![one]);
    }
    match Kind::of_items(&header) {
        Some(default) => items(tree)?
            .iter()
            .map(|item| decode_item(item, default))
            .collect(),
        None => {
            let Header { api_version, kind } = header;
            Err(DecodeError {
                line: tree.line,
                message: format!(
                    "apiVersion {api_version:?}, kind {kind:?} is neither {READ_HERE} nor a v1 List \
                     of them"
                ),
            })
        }
    }
}

/// The items of a list, of which there may be none.
fn items(list: &Node) -> Result<&[Node], DecodeError> {
    let Some(items) = list.get("items") else {
        return Ok(&[]);
    };
    match &items.value {
        Value::Null => Ok(&[]),
        Value::List(items) => Ok(items),
        other => Err(DecodeError {
            line: items.line,
            message: format!("items: {} where a list belongs", other.kind()),
        }),
    }
}

fn decode_item(item: &Node, default: Kind) -> Result<Decoded, DecodeError> {
    let header = Header::of(item);
    let kind = match (header.api_version, header.kind) {
        ("", "") => Some(default),
        _ => Kind::of(&header),
    };
    let kind = kind.ok_or_else(|| DecodeError {
        line: item.line,
        message: format!("an item is neither {READ_HERE}"),
    })?;
    decode_one(item, kind)
}

fn decode_one(tree: &Node, kind: Kind) -> Result<Decoded, DecodeError> {
    let Read { value, unknown } = kind.read(tree)?;
    Ok(Decoded {
        written: value,
        line: tree.line,
        unknown,
    })
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
