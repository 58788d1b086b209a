//! YAML files: split into documents, read into trees whose values know their lines, and from there
//! into whatever is described.
//!
//! Everything typed is read from [`Node`], never from the parser itself: serde makes the code of
//! each type once for every format that it is read from, and the parser's is ten times as much as a
//! tree's (docs/decisions/0215).
#![deny(clippy::disallowed_methods)]

mod quoted;
mod read;
mod tree;

pub use read::{Read, Refusal};
pub use tree::{Entry, Node, Value};

use std::borrow::Cow;

/// So many scalars of a document are mended, each with another look at all of it.
const MOST_MENDS: u32 = 256;

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
        let mut text = Cow::Borrowed(&self.text);
        let mut mends = 0..MOST_MENDS;
        loop {
            let options =
                serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
            let read = serde_saphyr::from_str_with_options(&text, options);
            let error = match read {
                Ok(Node {
                    value: Value::Null, ..
                }) => return Ok(None),
                Ok(node) => return Ok(Some(node)),
                Err(error) => error,
            };
            let at = error.location();
            let may_mend = mends.next().is_some();
            let mended = at
                .filter(|_| may_mend)
                .and_then(|at| quoted::mended(&text, (at.line(), at.column())));
            text = Cow::Owned(mended.ok_or_else(|| Refusal {
                line: at.map_or(self.first_line, |at| at.line()),
                path: String::new(),
                message: error.to_string(),
            })?);
        }
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
    fn an_escaped_apostrophe_is_one_as_go_reads_it() {
        let text = "a: 1\n---\n# ü\nb: [ü, \"\\'a\\' \\\"\", \"\\'\"]\nc: 'x\\'\n";
        let tree = documents(text)[1].tree().unwrap().unwrap();
        let read = tree.read::<serde_json::Value>().unwrap().value;
        assert_eq!(read["b"], serde_json::json!(["ü", "'a' \"", "'"]));
        assert_eq!(read["c"], "x\\");
        let refused = documents("a: \"\\y\"\n")[0].tree().unwrap_err();
        assert_eq!(refused.line, 1, "{refused:?}");
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_line() {
        let refusal = documents("a: 1\n---\nb: [\n")[1].tree().unwrap_err();
        assert!((3..=4).contains(&refusal.line), "{refusal:?}");
    }
}
