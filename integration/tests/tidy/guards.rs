//! Every test that docs/security.md names is there, and every row of libcontainer's defects names one.

use std::collections::BTreeSet;
use std::fs;

use crate::source;

/// Rows of the list of libcontainer's defects.
const ROWS: u32 = 23;

/// The names in backquotes that look like a test's: at least four words.
fn tests_in(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.chars().all(is_name) && name.split('_').count() >= 4
    })
}

/// The rows that a line of the first table is about: `| 5-7 |`, `| 14, 15 |`.
fn rows_in(line: &str) -> Vec<u32> {
    let cell = line.split('|').nth(1).unwrap_or_default();
    let ranges = cell.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse::<u32>().ok()?)
    });
    ranges.flatten().collect()
}

fn page() -> String {
    fs::read_to_string(crate::top().join("docs/security.md")).expect("there is such a page")
}

#[test]
fn every_test_that_guards_against_a_known_defect_is_there() {
    let sources = source::files(&["rs"]);
    let is_there = |name: &str| {
        let head = format!("fn {name}(");
        sources.iter().any(|file| file.text.contains(&head))
    };
    let page = page();
    let named: BTreeSet<_> = page.lines().flat_map(tests_in).collect();
    let missing = named.into_iter().filter(|name| !is_there(name));
    let complaints: Vec<_> = missing
        .map(|name| format!("docs/security.md: {name}: no such test"))
        .collect();
    crate::assert_none(&complaints);
}

#[test]
fn every_row_of_libcontainers_defects_has_a_test() {
    let page = page();
    let guarded: BTreeSet<u32> = page
        .lines()
        .filter(|line| tests_in(line).next().is_some())
        .flat_map(rows_in)
        .collect();
    assert_eq!(guarded, (1..=ROWS).collect());
}

#[test]
fn rows_and_tests_are_read_from_a_table() {
    assert_eq!(rows_in("| 5-7 | x | `a_b_c_d` |"), [5, 6, 7]);
    assert_eq!(rows_in("| 14, 15 | x |"), [14, 15]);
    assert!(rows_in("| CVE-2019-5736: x | y |").is_empty());
    let tests: Vec<_> = tests_in("| `/dev` | `a_test_of_mine`, `log_path` |").collect();
    assert_eq!(tests, ["a_test_of_mine"]);
}
