//! The Rust files of the repository, each line known to be code or test.

use std::fs;
use std::path::Path;

/// One file.
pub(crate) struct Source {
    /// Path from the top of the repository, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// One line with its number, counted from one.
pub(crate) type Line<'a> = (usize, &'a str);

impl Source {
    /// Whether the whole file is for tests.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let is_named_so = name == "tests.rs" || name.ends_with("_tests.rs");
        is_named_so
            || self
                .path
                .split('/')
                .any(|folder| folder == "tests" || folder == "benches")
            || self.path.starts_with("integration/")
    }

    /// The lines before the file's own tests, which come last.
    pub(crate) fn code(&self) -> Vec<Line<'_>> {
        let end = self
            .text
            .lines()
            .position(|line| line.trim() == "mod tests {");
        self.lines()
            .into_iter()
            .take(end.unwrap_or(usize::MAX))
            .collect()
    }

    /// The lines of `code` that are not comments.
    pub(crate) fn statements(&self) -> Vec<Line<'_>> {
        let mut lines = self.code();
        lines.retain(|(_, line)| !line.trim_start().starts_with("//"));
        lines
    }

    /// All lines.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .collect()
    }

    /// A complaint about a line.
    pub(crate) fn complain(&self, line: Line<'_>, about: &str) -> String {
        format!("{}:{}: {about}: {}", self.path, line.0, line.1.trim())
    }
}

/// Every file of ours with one of these extensions, sorted by path.
pub(crate) fn files(extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    collect(super::top(), extensions, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file.
pub(crate) fn rust() -> Vec<Source> {
    files(&["rs"])
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
        let path = entry.expect("an entry can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_symlink() || name == "target" || name == ".git" {
            continue;
        }
        if path.is_dir() {
            collect(&path, extensions, found);
        } else if extensions
            .iter()
            .any(|extension| name.ends_with(&format!(".{extension}")))
        {
            let relative = path
                .strip_prefix(super::top())
                .expect("it was found below the top");
            let text = fs::read_to_string(&path).expect("sources are text");
            found.push(Source {
                path: relative.to_string_lossy().into_owned(),
                text,
            });
        }
    }
}

/// Whether `line` holds `word` with nothing on either side that could belong to a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

#[test]
fn a_word_is_found_only_whole() {
    assert!(has_word("use tokio::net;", "tokio"));
    assert!(!has_word("use tokio_util::sync;", "tokio"));
    assert!(!has_word("forbid(unsafe_code)", "unsafe"));
}
