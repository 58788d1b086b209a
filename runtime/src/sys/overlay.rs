//! The overlay mount, for any number of layers and paths of any length.
//!
//! Kernels since 6.8 take one lower directory at a time (`lowerdir+`). Older ones take all of them in
//! one page of text, which 40 layers with real paths would overrun: there every directory is opened
//! first and named `/proc/self/fd/N`, which is short, needs no escaping and holds 200 layers.
//!
//! `volatile` keeps the last unmount from syncing the whole file system of `upper`: what a container
//! wrote need not survive a power cut, and no upper directory is ever mounted twice.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount,
};

use crate::snapshot::Overlay;

/// Mounts the overlay at its target in the calling process's mount namespace. With an SELinux label all
/// of its files have that one.
pub fn mount_overlay(overlay: &Overlay, label: Option<&str>) -> io::Result<()> {
    mount_layers(&Layers::of(overlay, label))
}

/// Mounts at least two directories, top first, over each other at `target`, read-only.
pub fn mount_read_only(lower: &[PathBuf], target: &Path, label: Option<&str>) -> io::Result<()> {
    mount_layers(&Layers {
        lower,
        upper_and_work: None,
        target,
        label,
    })
}

/// What is mounted over each other, and where.
struct Layers<'a> {
    lower: &'a [PathBuf],
    /// Where changes go; without, there are none.
    upper_and_work: Option<(&'a Path, &'a Path)>,
    target: &'a Path,
    label: Option<&'a str>,
}

impl<'a> Layers<'a> {
    fn of(overlay: &'a Overlay, label: Option<&'a str>) -> Self {
        Self {
            lower: &overlay.lower,
            upper_and_work: Some((&overlay.upper, &overlay.work)),
            target: &overlay.target,
            label,
        }
    }
}

fn mount_layers(layers: &Layers<'_>) -> io::Result<()> {
    match mount_by_directory(layers) {
        Err(Errno::NOSYS | Errno::INVAL) => mount_by_descriptor(layers),
        result => Ok(result?),
    }
}

/// The way of kernels since 6.8: no limit, and the mount table shows real paths.
fn mount_by_directory(layers: &Layers<'_>) -> Result<(), Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = &context;
    fsconfig_set_string(context, "source", "overlay")?;
    for lower in layers.lower {
        fsconfig_set_string(context, "lowerdir+", lower.as_path())?;
    }
    if let Some((upper, work)) = layers.upper_and_work {
        fsconfig_set_string(context, "upperdir", upper)?;
        fsconfig_set_string(context, "workdir", work)?;
        fsconfig_set_flag(context, "volatile")?;
    }
    if let Some(label) = layers.label {
        fsconfig_set_string(context, "context", label)?;
    }
    fsconfig_create(context)?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    let mounted = fsmount(context, flags, MountAttrFlags::empty())?;
    let from_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(
        &mounted,
        "",
        rustix::fs::CWD,
        layers.target,
        from_descriptor,
    )
}

/// The way of older kernels: one page of options, with short names for the directories.
fn mount_by_descriptor(layers: &Layers<'_>) -> io::Result<()> {
    let open = |path: &Path| -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(path, flags, Mode::empty())?)
    };
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lower = layers
        .lower
        .iter()
        .map(|path| open(path))
        .collect::<io::Result<Vec<_>>>()?;
    let writable = layers
        .upper_and_work
        .map(|(upper, work)| Ok::<_, io::Error>((open(upper)?, open(work)?)))
        .transpose()?;
    let names = lower.iter().map(name).collect::<Vec<_>>().join(":");
    let options = match &writable {
        Some((upper, work)) => {
            let (upper, work) = (name(upper), name(work));
            format!("lowerdir={names},upperdir={upper},workdir={work},volatile")
        }
        None => format!("lowerdir={names}"),
    };
    let options = match layers.label {
        Some(label) => format!("{options},context=\"{label}\""),
        None => options,
    };
    let options = std::ffi::CString::new(options).expect("the names have no NUL");
    mount(
        "overlay",
        layers.target,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests;
