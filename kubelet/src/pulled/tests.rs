//! What is known of pulls, over the end of a kubelet.

use tempfile::TempDir;

use super::*;
use crate::credential::{Login, Owner, SecretName};

const IMAGE: &str = "registry.test/app:1";

fn records(root: &TempDir) -> PullRecords {
    PullRecords::new(root.path(), Policy::default())
}

fn credential(secret: &str, password: &str) -> Credential {
    Credential {
        login: Login::new("user", password),
        hash: password.to_owned(),
        owner: Owner::Secret(SecretName {
            namespace: "default".to_owned(),
            name: secret.to_owned(),
            uid: String::new(),
        }),
    }
}

fn image() -> Image {
    Image {
        id: "id-1".to_owned(),
        tags: vec![IMAGE.to_owned()],
        ..Image::default()
    }
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn shown(check: Check) -> Shown {
    match check {
        Check::Show(shown) => shown,
        other => panic!("nothing has to be shown: {other:?}"),
    }
}

#[test]
fn an_image_that_nobody_pulled_is_everybodys() {
    let root = TempDir::new().unwrap();
    assert_eq!(records(&root).must_verify(IMAGE, "id-1"), Check::Free);
}

#[test]
fn an_image_that_was_pulled_without_a_secret_is_everybodys() {
    let root = TempDir::new().unwrap();
    let records = records(&root);
    records.begin(IMAGE).unwrap();
    records.pulled(IMAGE, "id-1", None, NOW);
    assert_eq!(records.must_verify(IMAGE, "id-1"), Check::Free);
    // By another name it was never pulled.
    assert_eq!(records.must_verify("other/app", "id-1"), Check::Pull);
}

#[test]
fn an_image_that_was_pulled_with_a_secret_is_for_those_who_have_it() {
    let root = TempDir::new().unwrap();
    let records = records(&root);
    records.begin(IMAGE).unwrap();
    records.pulled(IMAGE, "id-1", Some(&credential("a", "one")), NOW);
    let check = || shown(records.must_verify(IMAGE, "id-1"));
    assert!(!records.accepts(&check(), &[], NOW));
    assert!(!records.accepts(&check(), &[credential("b", "two")], NOW));
    assert!(records.accepts(&check(), &[credential("b", "one")], NOW));
    // What was found so counts from now on: b by its name.
    assert!(records.accepts(&check(), &[credential("b", "three")], NOW));
    // And the next kubelet knows it.
    let next = PullRecords::new(root.path(), Policy::default());
    let check = shown(next.must_verify(IMAGE, "id-1"));
    assert!(next.accepts(&check, &[credential("a", "four")], NOW));
}

#[test]
fn an_image_whose_pull_a_kubelet_did_not_see_through_has_to_be_pulled() {
    let root = TempDir::new().unwrap();
    records(&root).begin(IMAGE).unwrap();
    let next = records(&root);
    assert_eq!(next.must_verify(IMAGE, "id-1"), Check::Pull);
    next.recover(&[image()], NOW).unwrap();
    assert_eq!(next.must_verify(IMAGE, "id-1"), Check::Pull);
    assert_eq!(next.shelf().files.intents().unwrap(), Vec::<String>::new());
    next.begin(IMAGE).unwrap();
    next.pulled(IMAGE, "id-1", None, NOW);
    assert_eq!(next.must_verify(IMAGE, "id-1"), Check::Free);
}

#[test]
fn a_pull_that_failed_leaves_nothing_once_the_last_one_is_over() {
    let root = TempDir::new().unwrap();
    let records = records(&root);
    records.begin(IMAGE).unwrap();
    records.begin(IMAGE).unwrap();
    records.failed(IMAGE);
    assert_eq!(records.must_verify(IMAGE, "id-1"), Check::Pull);
    records.failed(IMAGE);
    assert_eq!(records.must_verify(IMAGE, "id-1"), Check::Free);
}

#[test]
fn records_of_images_that_are_gone_go_too() {
    let root = TempDir::new().unwrap();
    let records = records(&root);
    records.begin(IMAGE).unwrap();
    records.pulled(IMAGE, "id-1", Some(&credential("a", "one")), NOW);
    records.recover(&[image()], NOW).unwrap();
    assert!(matches!(records.must_verify(IMAGE, "id-1"), Check::Show(_)));
    records.recover(&[], NOW).unwrap();
    assert_eq!(records.must_verify(IMAGE, "id-1"), Check::Free);
}
