//! YAML files: split into documents, read into trees whose values know their lines, and from there
//! into whatever is described.
//!
//! Everything typed is read from [`Node`], never from the parser itself: serde makes the code of
//! each type once for every format that it is read from, and the parser's is ten times as much as a
//! tree's (docs/decisions/0215).
#![deny(clippy::disallowed_methods)]

mod read;
mod tree;

pub use read::{Read, Refusal};
pub use tree::{Entry, Node, Value};

/// One document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it begins, counted from 1.
    pub first_line: u64,
    /// What it says, behind as many empty lines as stand before it in the file: what counts lines in
    /// it counts the file's.
    pub text: String,
}

/// Splits a file at its `---` lines, which cannot stand inside any value.
pub fn documents(text: &str) -> Vec<Document> {
    let mut documents = vec![Document {
        first_line: 1,
        text: String::new(),
    }];
    for (line, number) in text.lines().zip(1_u64..) {
        let current = documents.last_mut().expect("there is always one");
        if let Some(rest) = separator(line) {
            let before = usize::try_from(number - 1).unwrap_or(usize::MAX);
            documents.push(Document {
                first_line: number,
                text: format!("{}{rest}\n", "\n".repeat(before)),
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

impl Document {
    /// What stands in it; nothing when that is only comments.
    ///
    /// Numbers with a leading zero are octal, as in YAML 1.1: modes of files are written so.
    pub fn tree(&self) -> Result<Option<Node>, Refusal> {
        let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
        let node: Node =
            serde_saphyr::from_str_with_options(&self.text, options).map_err(|error| Refusal {
                line: error
                    .location()
                    .map_or(self.first_line, |location| location.line()),
                path: String::new(),
                message: error.to_string(),
            })?;
        Ok((node.value != Value::Null).then_some(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Vec<(u64, String)> {
        let all = documents(file).into_iter();
        all.map(|one| (one.first_line, one.text.trim_start_matches('\n').to_owned()))
            .collect()
    }

    #[test]
    fn a_file_is_split_at_lines_of_three_dashes() {
        let rows = [
            ("", vec![(1, "")]),
            ("a: 1", vec![(1, "a: 1\n")]),
            ("a: 1\n---\nb: 1\n", vec![(1, "a: 1\n"), (2, "b: 1\n")]),
            (
                "--- # first\na: 1\n",
                vec![(1, ""), (1, " # first\na: 1\n")],
            ),
            ("a: |\n  ---\n---x\n", vec![(1, "a: |\n  ---\n---x\n")]),
        ];
        for (file, expected) in rows {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(line, text)| (line, text.to_owned()))
                .collect();
            assert_eq!(texts(file), expected, "{file:?}");
        }
    }

    #[test]
    fn a_document_of_comments_says_nothing() {
        for text in ["", "# nothing\n", "null\n", "\n\n"] {
            assert_eq!(documents(text)[0].tree(), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_line() {
        let refusal = documents("a: 1\n---\nb: [\n")[1].tree().unwrap_err();
        assert!((3..=4).contains(&refusal.line), "{refusal:?}");
    }
}
