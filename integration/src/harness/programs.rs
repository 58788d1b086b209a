//! Where the programs and images under test are.

use std::env;
use std::path::{Path, PathBuf};

/// A program of this build: in PODLING_BIN_DIR, or beside the test's own executable.
pub fn program(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `make test-programs`, or set PODLING_BIN_DIR",
        path.display()
    );
    path
}

fn directory() -> PathBuf {
    if let Some(directory) = env::var_os("PODLING_BIN_DIR") {
        return directory.into();
    }
    let test = env::current_exe().expect("a process has an executable");
    // target/TUPLE/PROFILE/deps/TEST, or an example or bin one level up.
    let mut directory = test.parent().expect("an executable is in a folder");
    if directory.ends_with("deps") {
        directory = directory.parent().expect("deps is in a folder");
    }
    directory.to_owned()
}

/// An image archive that `make test-images` made: `busybox`, `nginx` or `redis`.
pub fn image_archive(name: &str) -> PathBuf {
    let folder = env::var_os("PODLING_IMAGES_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-images"),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.oci.tar"));
    assert!(
        path.exists(),
        "{} is not built: run `make test-images`, or set PODLING_IMAGES_DIR",
        path.display()
    );
    path
}
