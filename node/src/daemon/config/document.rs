//! The documents of a configuration file, each for the one who reads it.
//!
//! ```text
//! config.yaml ─► documents ─┬─ RuntimeConfiguration ─► config/runtime.rs
//!                           └─ KubeletConfiguration ─► the kubelet's part
//! ```
#![deny(clippy::disallowed_methods)]

use serde::Deserialize;

use super::problem::Problem;
use super::tree::Node;

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

/// One document of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// Its YAML, behind as many empty lines as stand before it in the file: what counts lines in it
    /// counts the file's.
    pub(crate) text: String,
    /// The line on which it begins.
    pub(crate) first_line: u64,
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
    for document in documents(text) {
        let header = match document.read::<Option<Header>>() {
            Ok(Some(header)) => header,
            // Between two separators is nothing but comments.
            Ok(None) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        number += 1;
        let refuse = |message| Problem::File {
            line: document.first_line,
            message: format!("document {number}: {message}"),
        };
        match header.kind() {
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

impl Document {
    /// The whole document, with the line of each value.
    pub(crate) fn tree(&self) -> Result<Node, Problem> {
        self.read()
    }

    fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Problem> {
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(&self.text, options).map_err(|error| Problem::File {
            line: error
                .location()
                .map_or(self.first_line, |location| location.line()),
            message: error.to_string(),
        })
    }
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

impl Header {
    fn kind(&self) -> Result<Kind, String> {
        let mut all = Kind::ALL.into_iter();
        all.find(|kind| (kind.api_version(), kind.name()) == (&self.api_version, &self.kind))
            .ok_or_else(|| {
                let known = Kind::ALL.map(|kind| format!("{} {}", kind.api_version(), kind.name()));
                format!(
                    "apiVersion {:?}, kind {:?} is not known here: {} are",
                    self.api_version,
                    self.kind,
                    known.join(" and ")
                )
            })
    }
}

/// Splits a file at its `---` lines, which cannot stand inside any value.
fn documents(text: &str) -> Vec<Document> {
    let mut documents = vec![Document {
        text: String::new(),
        first_line: 1,
    }];
    for (line, number) in text.lines().zip(1..) {
        let current = documents.last_mut().expect("there is always one");
        if let Some(rest) = separator(line) {
            let before = "\n".repeat(usize::try_from(number - 1).unwrap_or(usize::MAX));
            documents.push(Document {
                text: format!("{before}{rest}\n"),
                first_line: number,
            });
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
        assert_eq!(kubelet.tree().unwrap().line_of("maxPods"), 6);
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
