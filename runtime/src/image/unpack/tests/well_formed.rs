//! What image builders write.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use super::*;

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    let length = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

fn is_whiteout(path: &Path) -> bool {
    let meta = fs::symlink_metadata(path).unwrap();
    meta.file_type().is_char_device() && meta.rdev() == 0
}

#[test]
fn files_keep_content_owner_mode_and_time() {
    let layer = Layer::new()
        .dir("bin/")
        .header(EntryType::Regular, "bin/su", "", b"program", |header| {
            header.set_mode(0o4755);
            header.set_uid(1234);
            header.set_gid(4321);
        })
        .pax(&[("mtime", b"1234567890.5")])
        .dir("var")
        .file("var/later", "");
    let unpacked = layer.unpack().expect();
    let meta = fs::metadata(unpacked.path("bin/su")).unwrap();
    assert_eq!(
        (meta.uid(), meta.gid(), meta.mode() & 0o7777),
        (1234, 4321, 0o4755)
    );
    assert_eq!(meta.mtime(), 1000);
    let var = fs::metadata(unpacked.path("var")).unwrap();
    assert_eq!(
        (var.mtime(), var.mtime_nsec()),
        (1_234_567_890, 500_000_000)
    );
    let finished = unpacked.result.unwrap();
    assert_eq!(
        finished.footprint,
        Footprint {
            bytes: 4 * 4096,
            inodes: 5
        }
    );
    assert_eq!(
        finished.implicit,
        [Path::new("")],
        "the archive does not name its root"
    );
}

#[test]
fn the_mask_of_the_process_does_not_count() {
    let layer = Layer::new()
        .entry(EntryType::Directory, "tmp", "", 0o1777, b"")
        .entry(EntryType::Regular, "open", "", 0o666, b"")
        .entry(EntryType::Fifo, "pipe", "", 0o622, b"");
    let unpacked = layer.unpack().expect();
    for (path, mode) in [("tmp", 0o1777), ("open", 0o666), ("pipe", 0o622)] {
        let meta = fs::symlink_metadata(unpacked.path(path)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, mode, "{path}");
    }
}

#[test]
fn links_are_kept_as_written() {
    let unpacked = Layer::new()
        .file("a", "shared")
        .hard_link("b", "/a")
        .hard_link("c", "./b")
        .symlink("absolute", "/etc/passwd")
        .symlink("up", "../../../up")
        .unpack()
        .expect();
    assert_eq!(fs::metadata(unpacked.path("a")).unwrap().nlink(), 3);
    assert_eq!(
        fs::read_link(unpacked.path("absolute")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert_eq!(
        fs::read_link(unpacked.path("up")).unwrap(),
        Path::new("../../../up")
    );
}

#[test]
fn devices_and_pipes_are_made() {
    let unpacked = Layer::new()
        .device(EntryType::Char, "null", 1, 3)
        .device(EntryType::Block, "disk", 7, 200)
        .entry(EntryType::Fifo, "pipe", "", 0o600, b"")
        .unpack()
        .expect();
    let meta = |path| fs::symlink_metadata(unpacked.path(path)).unwrap();
    assert_eq!(meta("null").rdev(), rustix::fs::makedev(1, 3));
    assert!(meta("disk").file_type().is_block_device());
    assert!(meta("pipe").file_type().is_fifo());
}

#[test]
fn whiteouts_become_what_overlayfs_understands() {
    let unpacked = Layer::new()
        .dir("etc")
        .file("etc/.wh.gone", "")
        .file("opt/.wh..wh..opq", "")
        .file(".wh..wh.plnk", "")
        .unpack()
        .expect();
    assert!(is_whiteout(&unpacked.path("etc/gone")));
    assert_eq!(
        xattr(&unpacked.path("opt"), "trusted.overlay.opaque").unwrap(),
        b"y"
    );
    assert!(!unpacked.path(".wh..wh.plnk").exists());
}

#[test]
fn a_name_that_is_hidden_and_made_again_hides_only_what_is_below() {
    for order in [["d/.wh.x", "d/x/new"], ["d/x/new", "d/.wh.x"]] {
        let unpacked = Layer::new()
            .file(order[0], "")
            .file(order[1], "")
            .unpack()
            .expect();
        assert!(unpacked.path("d/x/new").is_file(), "{order:?}");
        let opaque = xattr(&unpacked.path("d/x"), "trusted.overlay.opaque");
        assert_eq!(opaque.as_deref(), Some(&b"y"[..]), "{order:?}");
    }
    let unpacked = Layer::new()
        .file("f", "kept")
        .file(".wh.f", "")
        .unpack()
        .expect();
    assert_eq!(unpacked.text("f"), "kept");
}

#[test]
fn the_last_of_several_entries_with_one_name_counts() {
    let unpacked = Layer::new()
        .file("twice", "first and longer")
        .file("twice", "second")
        .dir("dir")
        .file("dir/inside", "")
        .file("dir", "now a file")
        .file("file", "")
        .dir("file")
        .file("file/inside", "deep")
        .symlink("link", "twice")
        .file("link", "no link")
        .unpack()
        .expect();
    assert_eq!(unpacked.text("twice"), "second");
    assert_eq!(unpacked.text("dir"), "now a file");
    assert_eq!(unpacked.text("file/inside"), "deep");
    assert_eq!(unpacked.text("link"), "no link");
    let opaque = xattr(&unpacked.path("file"), "trusted.overlay.opaque");
    assert!(
        opaque.is_some(),
        "the file hid the directories below, so must its successor"
    );
}

#[test]
fn long_names_of_both_formats_are_read() {
    let long = format!("{}/{}", "d".repeat(200), "n".repeat(250));
    let target = "t".repeat(300);
    let gnu = |kind, text: &str, layer: Layer| {
        layer.entry(
            kind,
            "././@LongLink",
            "",
            0o644,
            format!("{text}\0").as_bytes(),
        )
    };
    let layer = gnu(EntryType::GNULongName, &long, Layer::new()).file("cut", "gnu");
    let layer = gnu(EntryType::GNULongLink, &target, layer).symlink("link", "cut");
    let layer = layer.pax(&[("path", b"pax/name"), ("uid", b"77"), ("linkpath", b"x")]);
    let unpacked = layer.file("cut", "pax").unpack().expect();
    assert_eq!(unpacked.text(&long), "gnu");
    assert_eq!(
        fs::read_link(unpacked.path("link")).unwrap(),
        Path::new(&target)
    );
    assert_eq!(unpacked.text("pax/name"), "pax");
    assert_eq!(fs::metadata(unpacked.path("pax/name")).unwrap().uid(), 77);
}

#[test]
fn capabilities_and_user_attributes_are_kept_and_others_are_not() {
    // cap_net_bind_service=ep in the kernel's second format; it holds a newline on purpose.
    let capability = [
        1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, b'\n', 0, 0, 0, 0, 0, 0, 0,
    ];
    let unpacked = Layer::new()
        .pax(&[
            ("SCHILY.xattr.security.capability", &capability),
            ("SCHILY.xattr.user.note", b"kept"),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/outside"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ])
        .file("ping", "")
        .unpack()
        .expect();
    let ping = unpacked.path("ping");
    assert_eq!(
        xattr(&ping, "security.capability").unwrap()[..12],
        capability[..12]
    );
    assert_eq!(xattr(&ping, "user.note").unwrap(), b"kept");
    assert_eq!(xattr(&ping, "trusted.overlay.redirect"), None);
    assert_eq!(xattr(&ping, "user.overlay.opaque"), None);
}

#[test]
fn a_path_through_a_link_of_the_layer_ends_inside_of_it() {
    let unpacked = Layer::new()
        .symlink("lib", "usr/lib")
        .file("lib/one", "1")
        .symlink("abs", "/usr/lib")
        .file("abs/two", "2")
        .symlink("up", "../../../usr")
        .file("up/lib/three", "3")
        .unpack()
        .expect();
    for (path, content) in [
        ("usr/lib/one", "1"),
        ("usr/lib/two", "2"),
        ("usr/lib/three", "3"),
    ] {
        assert_eq!(unpacked.text(path), content);
    }
    assert!(
        fs::symlink_metadata(unpacked.path("lib"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn directories_that_are_only_implied_are_reported() {
    let finished = Layer::new()
        .file("a/b/c", "")
        .dir("a/b")
        .file("d/e", "")
        .unpack()
        .expect();
    let mut implicit = finished.result.unwrap().implicit;
    implicit.sort();
    assert_eq!(implicit, ["", "a", "d"].map(Path::new));
}
