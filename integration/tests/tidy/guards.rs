//! Every test that docs/security.md and docs/kubelet.md name is there; every row of libcontainer's defects
//! names one, and every row of the kubelet's features that is said to be done.

use std::collections::BTreeSet;
use std::fs;

use crate::source;

/// Rows of the list of libcontainer's defects.
const ROWS: u32 = 23;

/// Pages whose tests are looked for.
const PAGES: [&str; 2] = ["docs/security.md", "docs/kubelet.md"];

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

/// What is wrong with a row of the kubelet's features: it has a state, and what is done names its test.
fn fault_of_feature(line: &str) -> Option<&'static str> {
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    let [_, "P0" | "P1", _, state, ..] = cells[..] else {
        return None;
    };
    match state {
        "done" if tests_in(line).next().is_none() => Some("done, and no test is named"),
        "done" | "part" | "untested" | "no" => None,
        _ => Some("no such state: done, part, untested or no"),
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(crate::top().join(name)).expect("there is such a page")
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let sources = source::files(&["rs"]);
    let is_there = |name: &str| {
        let head = format!("fn {name}(");
        sources.iter().any(|file| file.text.contains(&head))
    };
    let complaints = PAGES.iter().flat_map(|name| {
        let page = page(name);
        let named: BTreeSet<_> = page.lines().flat_map(tests_in).collect();
        let missing = named.into_iter().filter(|test| !is_there(test));
        let complaints = missing.map(|test| format!("{name}: {test}: no such test"));
        complaints.collect::<Vec<_>>()
    });
    crate::assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_feature_of_the_kubelet_has_a_state_and_a_test_when_it_is_done() {
    let name = "docs/kubelet.md";
    let page = page(name);
    let lines = page.lines().zip(1..);
    let faults = lines.filter_map(|(line, number)| {
        let fault = fault_of_feature(line)?;
        Some(format!("{name}:{number}: {fault}"))
    });
    crate::assert_none(&faults.collect::<Vec<_>>());
}

/// Rows that stand in a section for the second time, as a merge leaves them.
fn doubled(page: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut twice = Vec::new();
    for line in page.lines() {
        if line.starts_with("## ") {
            seen.clear();
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let [_, "P0" | "P1", feature, ..] = cells[..]
            && !seen.insert(feature)
        {
            twice.push(format!("{feature}: this row is there twice"));
        }
    }
    twice
}

#[test]
fn no_feature_of_the_kubelet_has_two_rows() {
    crate::assert_none(&doubled(&page("docs/kubelet.md")));
    let merged = "| P0 | `a` | done |\n| P0 | `a` | no |\n## Other\n| P0 | `a` | no |";
    assert_eq!(doubled(merged), ["`a`: this row is there twice"]);
}

#[test]
fn every_row_of_libcontainers_defects_has_a_test() {
    let page = page(PAGES[0]);
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
    assert_eq!(fault_of_feature("| | feature | state | shown by |"), None);
    assert_eq!(
        fault_of_feature("| P0 | x | done | `a_test_of_mine` |"),
        None
    );
    assert!(fault_of_feature("| P0 | x | done | no test |").is_some());
    assert!(fault_of_feature("| P1 | x | soon | `a_test_of_mine` |").is_some());
    assert_eq!(fault_of_feature("| P1 | x | no | needs a cluster |"), None);
}
