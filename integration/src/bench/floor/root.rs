//! The file system of one container: an overlay, the mounts that OCI asks for, pivot_root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};
use rustix::process::{chdir, pivot_root};

/// Mount points below the root.
const DIRECTORIES: [&str; 3] = ["proc", "dev", "sys"];
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];
const MASKED_FILES: [&str; 3] = ["proc/kcore", "proc/keys", "proc/timer_list"];
const MASKED_DIRECTORIES: [&str; 2] = ["proc/acpi", "sys/firmware"];

/// The directories of one container.
pub(super) struct Root {
    lower: PathBuf,
    own: PathBuf,
}

impl Root {
    /// Prepares an image: the mount points.
    pub(super) fn image(directory: &Path) -> io::Result<()> {
        DIRECTORIES
            .iter()
            .try_for_each(|name| fs::create_dir_all(directory.join(name)))
    }

    /// Makes a container's directories over the image in `lower`.
    pub(super) fn create(lower: &Path, own: PathBuf) -> io::Result<Self> {
        for name in ["upper", "work", "root"] {
            fs::create_dir_all(own.join(name))?;
        }
        Ok(Self {
            lower: lower.to_owned(),
            own,
        })
    }

    /// Removes them; the mounts went with the container's mount namespace.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.own)
    }

    /// In the container's mount namespace: mounts everything and makes it the root.
    pub(super) fn enter(&self) -> io::Result<()> {
        let root = self.own.join("root");
        mount_change(
            "/",
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
        )?;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            self.lower.display(),
            self.own.join("upper").display(),
            self.own.join("work").display()
        );
        mount_at("overlay", &root, "overlay", MountFlags::empty(), &options)?;
        mount_kernel(&root)?;
        mount_devices(&root.join("dev"))?;
        mask(&root)?;
        chdir(&root)?;
        pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        Ok(chdir("/")?)
    }
}

fn mount_kernel(root: &Path) -> io::Result<()> {
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_at("proc", &root.join("proc"), "proc", quiet, "")?;
    let read_only = quiet | MountFlags::RDONLY;
    mount_at("sysfs", &root.join("sys"), "sysfs", read_only, "")
}

fn mount_devices(dev: &Path) -> io::Result<()> {
    let options = "mode=755,size=65536k";
    mount_at("tmpfs", dev, "tmpfs", MountFlags::NOSUID, options)?;
    for (name, major, minor) in DEVICES {
        let mode = Mode::from_raw_mode(0o666);
        let device = makedev(major, minor);
        mknodat(CWD, dev.join(name), FileType::CharacterDevice, mode, device)?;
    }
    for name in ["pts", "shm", "mqueue"] {
        fs::create_dir(dev.join(name))?;
    }
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC;
    let terminals = "newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount_at("devpts", &dev.join("pts"), "devpts", quiet, terminals)?;
    let quiet = quiet | MountFlags::NODEV;
    mount_at(
        "shm",
        &dev.join("shm"),
        "tmpfs",
        quiet,
        "mode=1777,size=65536k",
    )?;
    mount_at("mqueue", &dev.join("mqueue"), "mqueue", quiet, "")
}

/// A path that the kernel does not have is no secret.
fn mask(root: &Path) -> io::Result<()> {
    let null = root.join("dev/null");
    let files = MASKED_FILES.map(|name| root.join(name));
    for file in files.iter().filter(|file| file.exists()) {
        mount_bind(&null, file)?;
    }
    let directories = MASKED_DIRECTORIES.map(|name| root.join(name));
    for directory in directories.iter().filter(|directory| directory.exists()) {
        mount_at("tmpfs", directory, "tmpfs", MountFlags::RDONLY, "")?;
    }
    Ok(())
}

fn mount_at(
    source: &str,
    target: &Path,
    kind: &str,
    flags: MountFlags,
    options: &str,
) -> io::Result<()> {
    let options = std::ffi::CString::new(options).map_err(io::Error::other)?;
    Ok(mount(source, target, kind, flags, options.as_c_str())?)
}
