//! What each file looks like.

use std::collections::BTreeMap;

use crate::source::{self, Source};

const LONGEST: usize = 500;
const LONG: usize = 350;

#[test]
fn every_rust_file_says_first_what_it_is_for() {
    let sources = source::rust();
    let silent = sources
        .iter()
        .filter(|source| !source.text.starts_with("//!"));
    let complaints: Vec<_> = silent
        .map(|source| format!("{}: no //! on top", source.path))
        .collect();
    crate::assert_none(&complaints);
}

#[test]
fn no_file_is_too_long_to_be_one_idea() {
    let sources = source::rust();
    let lengths: BTreeMap<&str, usize> = sources
        .iter()
        .filter(|source| !source.path.contains("/tests/") && !source.path.ends_with("tests.rs"))
        .map(|source| (source.path.as_str(), source.code().len()))
        .collect();
    for (path, lines) in lengths.iter().filter(|(_, lines)| **lines > LONG) {
        println!("{path}: {lines} lines");
    }
    let mut sorted: Vec<_> = lengths.values().collect();
    sorted.sort();
    println!(
        "{} files, median {} lines",
        sorted.len(),
        sorted[sorted.len() / 2]
    );
    let too_long = lengths.iter().filter(|(_, lines)| **lines > LONGEST);
    let complaints: Vec<_> = too_long
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    crate::assert_none(&complaints);
}

/// Complains of every line that holds one of `words`.
fn lines_with<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
    words: &[&str],
    about: &str,
) -> Vec<String> {
    let complain = |source: &'a Source| -> Vec<String> {
        let lines = source.statements_and_comments();
        let bad = lines
            .into_iter()
            .filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        bad.map(|line| source.complain(line, about)).collect()
    };
    sources.into_iter().flat_map(complain).collect()
}

impl Source {
    fn statements_and_comments(&self) -> Vec<source::Line<'_>> {
        if self.is_test() {
            self.lines()
        } else {
            self.code()
        }
    }
}

#[test]
fn code_never_unwraps_without_a_reason() {
    let sources = source::rust();
    let code = sources.iter().filter(|source| !source.is_test());
    crate::assert_none(&lines_with(
        code,
        &[concat!(".unw", "rap()")],
        "say why it cannot fail",
    ));
}

#[test]
fn nothing_is_left_to_be_done_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unim", "plemented!("),
    ];
    crate::assert_none(&lines_with(&source::rust(), &marks, "unfinished"));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let places = [concat!("/wo", "rk/"), concat!("/home/", "user")];
    let files = source::files(&["rs", "md", "toml", "yaml", "sh", "Makefile"]);
    crate::assert_none(&lines_with(&files, &places, "a path of somebody's machine"));
}
