//! Tests of the records.

use std::fs::OpenOptions;
use std::io::Write;

use super::*;
use crate::model::{SandboxConfig, SandboxState};

fn record(fill: u8) -> SandboxRecord {
    SandboxRecord::reserved(SandboxId::from_random([fill; 32]), SandboxConfig::default())
}

fn store() -> (tempfile::TempDir, Store) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&Layout::below(root.path())).unwrap();
    (root, store)
}

fn only_state(store: &Store) -> SandboxState {
    match store.sandboxes.load().unwrap().pop() {
        Some(Found::Record(record)) => record.state,
        other => panic!("one record expected, not {other:?}"),
    }
}

#[test]
fn the_last_state_counts() {
    let (_root, store) = store();
    let mut sandbox = record(1);
    store.sandboxes.create(&sandbox).unwrap();
    sandbox.state = SandboxState::Stopped;
    store.sandboxes.save(&sandbox).unwrap();
    assert_eq!(only_state(&store), SandboxState::Stopped);
}

#[test]
fn a_record_of_an_earlier_version_has_neither_cgroup_parent_nor_labels_and_is_whole() {
    let (_root, store) = store();
    let sandbox = record(1);
    store.sandboxes.create(&sandbox).unwrap();
    let path = store.sandboxes.journal(sandbox.id.as_str());
    let earlier = fs::read_to_string(&path)
        .unwrap()
        .replace("\"cgroup_parent\":null,", "")
        .replace("\"selinux\":null,", "")
        .replace(",\"selinux\":null", "");
    assert!(!earlier.contains("selinux"), "{earlier}");
    fs::write(&path, earlier).unwrap();
    let found = store.sandboxes.load().unwrap();
    assert!(matches!(&found[..], [Found::Record(found)] if *found == sandbox));
}

#[test]
fn a_torn_line_is_ignored_and_the_next_state_still_counts() {
    let (_root, store) = store();
    let mut sandbox = record(1);
    store.sandboxes.create(&sandbox).unwrap();
    let path = store.sandboxes.journal(sandbox.id.as_str());
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"\n{\"id\":\"0101").unwrap();
    assert_eq!(only_state(&store), SandboxState::Reserved);
    sandbox.state = SandboxState::Stopped;
    store.sandboxes.save(&sandbox).unwrap();
    assert_eq!(only_state(&store), SandboxState::Stopped);
}

#[test]
fn a_directory_without_a_whole_record_is_remains() {
    let (_root, store) = store();
    let sandbox = record(2);
    store.sandboxes.create(&sandbox).unwrap();
    fs::write(store.sandboxes.journal(sandbox.id.as_str()), b"\n{").unwrap();
    let found = store.sandboxes.load().unwrap();
    assert!(matches!(&found[..], [Found::Remains(id)] if *id == sandbox.id));
}

#[test]
fn a_discarded_record_is_gone_at_once_and_discarding_it_again_is_fine() {
    let (_root, store) = store();
    let sandbox = record(3);
    store.sandboxes.create(&sandbox).unwrap();
    store.sandboxes.discard(&sandbox.id).unwrap();
    store.sandboxes.discard(&sandbox.id).unwrap();
    assert!(store.sandboxes.load().unwrap().is_empty());
}

#[test]
fn what_was_discarded_is_swept_and_what_was_not_stays() {
    let (_root, store) = store();
    for fill in [4, 5] {
        store.sandboxes.create(&record(fill)).unwrap();
    }
    store.sandboxes.discard(&record(4).id).unwrap();
    store.sandboxes.sweep().unwrap();
    assert_eq!(fs::read_dir(&store.sandboxes.dir).unwrap().count(), 1);
    assert_eq!(store.sandboxes.load().unwrap().len(), 1);
}
