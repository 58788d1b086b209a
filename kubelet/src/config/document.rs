//! One YAML document of a configuration: its values, and the line at which each field stands.
#![deny(clippy::disallowed_methods)]

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::problem::{Place, Problem};
use crate::yaml::{self, Node};

/// The text of one document, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file.
    pub file: PathBuf,
    /// The line of the file in which it begins, counted from 1.
    pub first_line: u64,
    /// What it says, behind as many empty lines as stand before it in the file: what counts lines in
    /// it counts the file's.
    pub text: String,
}

/// A document that was read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    file: PathBuf,
    /// Its fields, without `apiVersion` and `kind`.
    pub(super) fields: Map<String, Value>,
    /// The whole of it, for the lines.
    tree: Node,
}

impl Document {
    /// Reads a document, which must be a KubeletConfiguration of v1beta1.
    pub(super) fn read(text: &Text) -> Result<Self, Problem> {
        let at = |line: u64, message: String| Problem {
            place: Place::Line(text.file.clone(), line),
            message,
        };
        let document = yaml::Document {
            first_line: text.first_line,
            text: text.text.clone(),
        };
        let tree = document
            .tree()
            .map_err(|refusal| at(refusal.line, refusal.to_string()))?;
        let Some(tree) = tree else {
            return Err(at(text.first_line, "no apiVersion/kind".to_owned()));
        };
        let Value::Object(mut fields) = tree.value.to_json() else {
            return Err(at(text.first_line, "no apiVersion/kind".to_owned()));
        };
        let header = ["apiVersion", "kind"].map(|name| fields.remove(name));
        let header = header.map(|word| word.as_ref().and_then(Value::as_str).map(str::to_owned));
        match header.each_ref().map(Option::as_deref) {
            [
                Some("kubelet.config.k8s.io/v1beta1"),
                Some("KubeletConfiguration"),
            ] => Ok(Self {
                file: text.file.clone(),
                fields,
                tree,
            }),
            [None | Some(""), None | Some("")] => {
                Err(at(text.first_line, "no apiVersion/kind".to_owned()))
            }
            [version, kind] => Err(at(
                text.first_line,
                format!(
                    "unknown apiVersion/kind: {}, Kind={}; wanted: kubelet.config.k8s.io/v1beta1, \
                     Kind=KubeletConfiguration",
                    version.unwrap_or_default(),
                    kind.unwrap_or_default()
                ),
            )),
        }
    }

    /// Where a field stands, or what is nearest above it.
    pub(super) fn place(&self, path: &str) -> Place {
        Place::Line(self.file.clone(), self.tree.line_of(path))
    }
}
