//! Overlays are mounted in a mount namespace of the test's own thread.

use std::fs;
use std::path::PathBuf;

use super::*;

/// Runs `test` on a thread whose mounts nobody else sees.
fn in_mount_namespace(test: impl FnOnce() + Send + 'static) {
    let run = move || {
        use rustix::mount::{MountPropagationFlags, mount_change};
        use rustix::thread::{UnshareFlags, unshare_unsafe};
        // SAFETY: a thread that unshares its file system attributes and mounts shares no
        // memory-unsafe state through them.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        test();
    };
    std::thread::spawn(run).join().unwrap();
}

/// An overlay of this many layers, each with a file of its own and all with the file `top`.
fn layered(dir: &Path, count: usize) -> Overlay {
    let layers: Vec<PathBuf> = (0..count)
        .map(|number| {
            let layer = dir.join(format!("layers/{number:064}"));
            fs::create_dir_all(&layer).unwrap();
            fs::write(layer.join(format!("file-{number}")), "").unwrap();
            fs::write(layer.join("top"), number.to_string()).unwrap();
            layer
        })
        .collect();
    crate::snapshot::create(&layers, &dir.join("container"), None).unwrap()
}

fn every_layer_is_seen(mount: impl FnOnce(&Overlay) + Send + 'static, count: usize) {
    in_mount_namespace(move || {
        let dir = tempfile::tempdir().unwrap();
        let overlay = layered(dir.path(), count);
        mount(&overlay);
        assert_eq!(fs::read_dir(&overlay.target).unwrap().count(), count + 1);
        let top = fs::read_to_string(overlay.target.join("top")).unwrap();
        assert_eq!(top, (count - 1).to_string());
        fs::write(overlay.target.join("top"), "changed").unwrap();
        assert_eq!(
            fs::read_to_string(overlay.upper.join("top")).unwrap(),
            "changed"
        );
        let flags = rustix::mount::UnmountFlags::DETACH;
        rustix::mount::unmount(&overlay.target, flags).unwrap();
    });
}

#[test]
fn five_hundred_layers_are_mounted_one_by_one() {
    every_layer_is_seen(|overlay| mount_overlay(overlay, None).unwrap(), 500);
}

#[test]
fn an_older_kernel_mounts_two_hundred_layers_by_descriptor() {
    every_layer_is_seen(
        |overlay| mount_by_descriptor(&Layers::of(overlay, None)).unwrap(),
        200,
    );
}

#[test]
fn paths_too_long_for_one_option_are_mounted_all_the_same() {
    in_mount_namespace(|| {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(200)).join("e,:\\".repeat(50));
        fs::create_dir_all(&deep).unwrap();
        let overlay = layered(&deep, 3);
        mount_overlay(&overlay, None).unwrap();
        assert_eq!(fs::read_to_string(overlay.target.join("top")).unwrap(), "2");
        let flags = rustix::mount::UnmountFlags::DETACH;
        rustix::mount::unmount(&overlay.target, flags).unwrap();
    });
}

#[test]
fn a_layer_that_is_missing_is_reported() {
    in_mount_namespace(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut overlay = layered(dir.path(), 2);
        overlay.lower.push(dir.path().join("missing"));
        assert_eq!(
            mount_overlay(&overlay, None).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    });
}
