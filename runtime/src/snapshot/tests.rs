//! What a container's directories look like, before and after.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

#[test]
fn the_topmost_layer_comes_first() {
    let layers = ["base", "app"].map(PathBuf::from);
    let overlay = overlay(&layers, Path::new("/c"));
    assert_eq!(overlay.lower, ["app", "base"].map(PathBuf::from));
    assert_eq!(overlay.target, Path::new("/c/rootfs"));
}

#[test]
fn the_root_directory_has_the_mode_of_the_image_and_nobody_else_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let layer = dir.path().join("layer");
    fs::create_dir(&layer).unwrap();
    fs::set_permissions(&layer, fs::Permissions::from_mode(0o1777)).unwrap();
    let container = dir.path().join("containers/one");
    let overlay = create(&[layer], &container, None).unwrap();
    assert_eq!(overlay.upper.metadata().unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(container.metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn creating_and_removing_twice_is_the_same_as_once() {
    let dir = tempfile::tempdir().unwrap();
    let container = dir.path().join("one");
    let first = create(&[], &container, None).unwrap();
    assert_eq!(create(&[], &container, None).unwrap(), first);
    assert!(
        first.lower[0].is_dir(),
        "an image without layers has an empty root"
    );
    fs::write(container.join("record"), "kept").unwrap();
    fs::create_dir_all(first.upper.join("a/b")).unwrap();
    for _ in 0..2 {
        remove(&container).unwrap();
    }
    let left: Vec<_> = fs::read_dir(&container)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["record"]);
}
