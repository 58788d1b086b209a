//! What an attacker writes.

use std::fs;

use super::*;

#[test]
fn a_name_with_dots_is_refused() {
    for name in [
        "../outside/secret",
        "a/../../outside/secret",
        "a/..",
        "..",
        "/../outside/new",
    ] {
        let unpacked = Layer::new().file(name, "pwned").unpack();
        assert!(
            matches!(unpacked.error(), UnpackError::Escape { .. }),
            "{name}"
        );
    }
}

#[test]
fn an_absolute_name_lands_inside() {
    let unpacked = Layer::new()
        .file("/etc/podling-test-escape", "inside")
        .unpack()
        .expect();
    unpacked.assert_contained();
    assert_eq!(unpacked.text("etc/podling-test-escape"), "inside");
}

#[test]
fn a_link_never_leads_a_later_entry_out() {
    for target in [
        "../outside",
        "../../../../../../../../outside",
        "/outside",
        "/proc/self/root",
    ] {
        let unpacked = Layer::new()
            .symlink("x", target)
            .file("x/secret", "pwned")
            .file("x/new", "pwned")
            .unpack();
        unpacked.assert_contained();
    }
}

#[test]
fn a_magic_link_is_not_followed() {
    let unpacked = Layer::new()
        .symlink("fd", "/proc/self/fd")
        .symlink("cwd", "/proc/self/cwd")
        .file("cwd/pwned", "")
        .file("fd/0/pwned", "")
        .unpack();
    unpacked.assert_contained();
    assert!(!Path::new("pwned").exists());
}

#[test]
fn a_file_over_a_link_replaces_the_link() {
    let unpacked = Layer::new()
        .symlink("x", "../outside/secret")
        .file("x", "mine")
        .unpack()
        .expect();
    unpacked.assert_contained();
    assert_eq!(unpacked.text("x"), "mine");
}

#[test]
fn a_directory_over_a_link_replaces_the_link() {
    let unpacked = Layer::new()
        .symlink("x", "../outside")
        .entry(EntryType::Directory, "x", "", 0o700, b"")
        .file("x/secret", "mine")
        .unpack()
        .expect();
    unpacked.assert_contained();
    assert!(fs::symlink_metadata(unpacked.path("x")).unwrap().is_dir());
}

#[test]
fn a_hard_link_reaches_nothing_outside() {
    for target in [
        "../outside/secret",
        "/outside/secret",
        "/etc/passwd",
        "x/secret",
    ] {
        let unpacked = Layer::new()
            .symlink("x", "../outside")
            .hard_link("stolen", target)
            .file("stolen", "pwned")
            .unpack();
        unpacked.error();
    }
    let unpacked = Layer::new()
        .symlink("x", "../outside/secret")
        .hard_link("y", "x")
        .unpack();
    unpacked.assert_contained();
    assert!(
        fs::symlink_metadata(unpacked.path("y"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_file_is_never_written_through_a_device_or_pipe() {
    let unpacked = Layer::new()
        .device(EntryType::Char, "dev", 1, 1)
        .file("dev", "content")
        .entry(EntryType::Fifo, "pipe", "", 0o600, b"")
        .file("pipe", "content")
        .unpack()
        .expect();
    assert_eq!(unpacked.text("dev"), "content");
    assert_eq!(unpacked.text("pipe"), "content");
}

#[test]
fn a_whiteout_hides_nothing_above_its_directory() {
    for name in [".wh...", ".wh..", ".wh.", "a/.wh..."] {
        let unpacked = Layer::new().file(name, "").unpack();
        assert!(
            matches!(unpacked.error(), UnpackError::Escape { .. }),
            "{name}"
        );
    }
}

#[test]
fn a_whiteout_through_a_link_stays_inside() {
    let unpacked = Layer::new()
        .symlink("x", "../outside")
        .file("x/.wh.secret", "")
        .file("x/.wh..wh..opq", "")
        .unpack();
    unpacked.assert_contained();
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    for kind in [EntryType::Symlink, EntryType::Regular] {
        let unpacked = Layer::new()
            .entry(kind, "./", "../outside", 0o777, b"")
            .unpack();
        // A regular file with a trailing slash is a directory in the oldest archives.
        assert_eq!(unpacked.result.is_err(), kind == EntryType::Symlink);
        unpacked.assert_contained();
    }
}

#[test]
fn a_loop_of_links_ends() {
    let unpacked = Layer::new()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/x", "")
        .unpack();
    unpacked.error();
}

#[test]
fn archives_that_lie_about_sizes_are_refused() {
    let truncated = Layer::new().file("a", "content").0;
    let unpacked = unpack_bytes(&truncated[..515], Limits::default());
    assert!(matches!(unpacked.error(), UnpackError::Malformed(_)));
    for size in [u64::MAX, u64::MAX / 2, 1 << 40] {
        let huge = Layer::new()
            .pax(&[("size", size.to_string().as_bytes())])
            .file("a", "x");
        huge.unpack().error();
    }
}

#[test]
fn a_header_with_a_wrong_checksum_is_refused() {
    let mut bytes = Layer::new().file("a", "x").done();
    bytes[0] = b'b';
    let unpacked = unpack_bytes(&bytes, Limits::default());
    assert!(matches!(unpacked.error(), UnpackError::Malformed(_)));
}

#[test]
fn owners_beyond_what_the_kernel_stores_are_refused() {
    for uid in ["4294967295", "4294967296", "18446744073709551615"] {
        Layer::new()
            .pax(&[("uid", uid.as_bytes())])
            .file("a", "x")
            .unpack()
            .error();
    }
}

#[test]
fn sparse_files_and_unknown_types_are_named() {
    let sparse = Layer::new()
        .pax(&[("GNU.sparse.major", b"1")])
        .file("s", "x")
        .unpack();
    assert!(sparse.error().to_string().contains("sparse"));
    let unknown = Layer::new()
        .entry(EntryType::new(b'Z'), "z", "", 0o644, b"")
        .unpack();
    assert!(matches!(unknown.error(), UnpackError::Unsupported { .. }));
}

#[test]
fn each_limit_stops_a_bomb() {
    let limits = Limits {
        entries: 3,
        bytes: 8192,
        path: 64,
        header: 2048,
        directories: 250,
    };
    let long = "n".repeat(90);
    let header = vec![b'x'; 4096];
    let bombs = [
        (
            Layer::new()
                .file("a", "")
                .file("b", "")
                .file("c", "")
                .file("d", ""),
            "entries",
        ),
        (Layer::new().file("a", &"x".repeat(9000)), "bytes"),
        (Layer::new().file(&long, ""), "bytes in a path"),
        (Layer::new().symlink("a", &long), "bytes in a path"),
        (
            Layer::new().pax(&[("comment", &header)]).file("a", ""),
            "extended headers",
        ),
        (
            Layer::new().entry(EntryType::XGlobalHeader, "g", "", 0, &header),
            "extended headers",
        ),
        (
            Layer::new()
                .dir(&long[..60])
                .dir(&long[..59])
                .dir(&long[..58]),
            "directory names",
        ),
    ];
    for (layer, what) in bombs {
        let unpacked = unpack_bytes(&layer.done(), limits);
        let error = unpacked.error();
        assert!(
            matches!(error, UnpackError::TooLarge { .. }),
            "{what}: {error:?}"
        );
        assert!(error.to_string().contains(what), "{error}");
    }
}
