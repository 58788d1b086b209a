//! The documents of a configuration file, each for the one who reads it.
//!
//! ```text
//! config.yaml ─► documents ─┬─ RuntimeConfiguration ─► config/runtime.rs
//!                           └─ KubeletConfiguration ─► the kubelet's part
//! ```
#![deny(clippy::disallowed_methods)]

use podling_kubelet::yaml;
pub(crate) use podling_kubelet::yaml::Document;
use podling_kubelet::yaml::{Node, Refusal, Value};

use super::problem::Problem;

/// Whose a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours: the runtime.
    Runtime,
    /// Upstream's: the kubelet.
    Kubelet,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Runtime, Self::Kubelet];

    fn api_version(self) -> &'static str {
        match self {
            Self::Runtime => "podling.dev/v1alpha1",
            Self::Kubelet => "kubelet.config.k8s.io/v1beta1",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Runtime => "RuntimeConfiguration",
            Self::Kubelet => "KubeletConfiguration",
        }
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Documents {
    /// The runtime's.
    pub(crate) runtime: Option<Document>,
    /// The kubelet's.
    pub(crate) kubelet: Option<Document>,
}

/// Finds the documents of a file. What belongs to nobody is a problem, as is what is there twice.
pub(crate) fn split(text: &str, problems: &mut Vec<Problem>) -> Documents {
    let mut found = Documents::default();
    let mut number = 0;
    for document in yaml::documents(text) {
        let tree = match document.tree() {
            Ok(Some(tree)) => tree,
            // Between two separators is nothing but comments.
            Ok(None) => continue,
            Err(refusal) => {
                problems.push(problem(refusal));
                continue;
            }
        };
        number += 1;
        let refuse = |message| Problem::File {
            line: document.first_line,
            message: format!("document {number}: {message}"),
        };
        match kind(&tree) {
            Err(message) => problems.push(refuse(message)),
            Ok(kind) => {
                let place = match kind {
                    Kind::Runtime => &mut found.runtime,
                    Kind::Kubelet => &mut found.kubelet,
                };
                match place {
                    None => *place = Some(document),
                    Some(first) => problems.push(refuse(format!(
                        "there is a {} on line {} already",
                        kind.name(),
                        first.first_line
                    ))),
                }
            }
        }
    }
    found
}

/// The whole of a document, with the line of each value.
pub(crate) fn tree(document: &Document) -> Result<Node, Problem> {
    match document.tree() {
        Ok(Some(tree)) => Ok(tree),
        Ok(None) => unreachable!("a document that was found says what it is"),
        Err(refusal) => Err(problem(refusal)),
    }
}

fn problem(refusal: Refusal) -> Problem {
    Problem::File {
        line: refusal.line,
        message: refusal.to_string(),
    }
}

fn kind(tree: &Node) -> Result<Kind, String> {
    let word = |name: &str| match tree.get(name).map(|node| &node.value) {
        Some(Value::Text(text)) => text.as_str(),
        _ => "",
    };
    let (api_version, name) = (word("apiVersion"), word("kind"));
    let mut all = Kind::ALL.into_iter();
    all.find(|kind| (kind.api_version(), kind.name()) == (api_version, name))
        .ok_or_else(|| {
            let known = Kind::ALL.map(|kind| format!("{} {}", kind.api_version(), kind.name()));
            format!(
                "apiVersion {api_version:?}, kind {name:?} is not known here: {} are",
                known.join(" and ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNTIME: &str = "apiVersion: podling.dev/v1alpha1\nkind: RuntimeConfiguration\n";
    const KUBELET: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

    fn split_well(text: &str) -> Documents {
        let mut problems = Vec::new();
        let documents = split(text, &mut problems);
        assert_eq!(problems, [], "{text}");
        documents
    }

    #[test]
    fn documents_come_in_any_order_and_number() {
        for (text, runtime, kubelet) in [
            (String::new(), None, None),
            ("# nothing\n---\n---\n".to_owned(), None, None),
            (RUNTIME.to_owned(), Some(1), None),
            (format!("---\n{KUBELET}"), None, Some(1)),
            (format!("{RUNTIME}---\n{KUBELET}"), Some(1), Some(3)),
            (
                format!("# mine\n--- \n{KUBELET}---\n{RUNTIME}"),
                Some(5),
                Some(2),
            ),
        ] {
            let documents = split_well(&text);
            let line = |document: Option<Document>| document.map(|document| document.first_line);
            assert_eq!(line(documents.runtime), runtime, "{text}");
            assert_eq!(line(documents.kubelet), kubelet, "{text}");
        }
    }

    #[test]
    fn lines_of_a_document_are_lines_of_the_file() {
        let documents = split_well(&format!("{RUNTIME}---\n{KUBELET}maxPods: 7\n"));
        let kubelet = documents.kubelet.expect("it is there");
        assert_eq!(tree(&kubelet).unwrap().line_of("maxPods"), 6);
    }

    #[test]
    fn what_belongs_to_nobody_is_named_with_its_document_and_line() {
        for (text, expected) in [
            (
                "apiVersion: v1\nkind: Pod\n",
                "document 2: apiVersion \"v1\", kind \"Pod\" is not known here",
            ),
            (
                "a: b\n",
                "document 2: apiVersion \"\", kind \"\" is not known here",
            ),
            (
                RUNTIME,
                "document 2: there is a RuntimeConfiguration on line 1 already",
            ),
        ] {
            let mut problems = Vec::new();
            split(&format!("{RUNTIME}---\n{text}"), &mut problems);
            let [Problem::File { line: 3, message }] = &problems[..] else {
                panic!("{problems:?}");
            };
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn a_document_that_is_no_yaml_does_not_hide_the_problems_of_another() {
        let mut problems = Vec::new();
        let documents = split(
            &format!("a: [\n---\n{RUNTIME}---\nkind: X\n"),
            &mut problems,
        );
        assert!(documents.runtime.is_some());
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
