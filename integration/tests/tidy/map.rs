//! ARCHITECTURE.md names every top module folder, and names none that is not there.
//!
//! The map of a crate is a code block below a heading that is the crate's folder, such as
//! `### runtime/src`: there every word that ends with a slash is a folder.

use std::collections::BTreeSet;
use std::fs;

/// Crates with module folders.
const MAPPED: &[&str] = &["kubelet/src", "runtime/src", "node/src", "integration/src"];

/// The folders that the text names, from the top of the repository.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut place = None;
    let mut is_in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_in_block = !is_in_block;
        } else if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_matches(['#', ' ', '`', '/']);
            place = MAPPED.iter().find(|folder| **folder == heading);
        } else if let (true, Some(place)) = (is_in_block, place) {
            let folders = line
                .split_whitespace()
                .filter_map(|word| word.strip_suffix('/'));
            names.extend(folders.map(|folder| format!("{place}/{folder}")));
        }
    }
    names
}

/// The module folders that are there.
fn present() -> BTreeSet<String> {
    let folders_of = |place: &&str| {
        let entries = fs::read_dir(crate::top().join(place)).expect("a crate has sources");
        let folders = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("mod.rs").exists());
        let names: Vec<_> = folders
            .map(|entry| format!("{place}/{}", entry.file_name().to_string_lossy()))
            .collect();
        names
    };
    MAPPED.iter().flat_map(folders_of).collect()
}

#[test]
fn the_map_names_every_module_folder_and_no_other() {
    let text = fs::read_to_string(crate::top().join("ARCHITECTURE.md")).expect("there is a map");
    let (named, present) = (named(&text), present());
    let missing = present
        .difference(&named)
        .map(|folder| format!("{folder}: not in the map"));
    let gone = named
        .difference(&present)
        .filter(|folder| !crate::top().join(folder).is_dir())
        .map(|folder| format!("{folder}: in the map, not there"));
    let complaints: Vec<_> = missing.chain(gone).collect();
    crate::assert_none(&complaints);
}

#[test]
fn a_map_is_read_from_the_blocks_below_a_crates_heading() {
    let text = "## Map\n### runtime/src\n```\ncri/  the edge: decode P\nimage/ snapshot/\n```\n### x/y\n```\nz/\n```\n";
    let expected = [
        "runtime/src/cri",
        "runtime/src/image",
        "runtime/src/snapshot",
    ];
    assert_eq!(
        named(text).iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
}
