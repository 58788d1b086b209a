//! The directory in namespace B where everything lies ready that libcontainer binds.
//!
//! It is a tmpfs over a directory that every machine has, that root of a user namespace can reach, and
//! that no bind of a container needs from there: where the cgroup file systems were, or, for a runtime
//! that needs those, one of the empty directories that kernels have for file systems of theirs.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::snapshot::{ImageTree, Overlay};
use crate::sys::mount;
use crate::sys::mount_tree::MountTree;
use crate::sys::overlay::{mount_overlay, mount_read_only};

use super::cgroup_view::{CGROUP_ROOT, CgroupView};

/// Where a kernel may have a directory to mount over besides that of cgroups.
const OTHER_PLACES: [&str; 5] = [
    "/sys/kernel/config",
    "/sys/kernel/tracing",
    "/sys/kernel/debug",
    "/sys/fs/pstore",
    "/sys/kernel/security",
];

/// A place for libcontainer, which must not see cgroups.
pub(super) fn place_of_cgroups() -> PathBuf {
    CGROUP_ROOT.into()
}

/// A place that leaves cgroups to be seen.
pub(super) fn place_beside_cgroups() -> io::Result<PathBuf> {
    let places = OTHER_PLACES.map(PathBuf::from);
    let found = places.into_iter().find(|place| place.is_dir());
    found.ok_or_else(|| {
        let all = OTHER_PLACES.join(", ");
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("the kernel has none of {all}"),
        )
    })
}

/// The directory, and what is in it.
#[derive(Debug)]
pub(super) struct Staging {
    place: PathBuf,
    next: usize,
    user_namespace: Option<OwnedFd>,
    label: Option<String>,
}

impl Staging {
    /// An empty one, over `place` in the mount namespace that this process is in.
    ///
    /// With a user namespace, layers are shown with its ids.
    pub(super) fn begin(place: PathBuf, user_namespace: Option<OwnedFd>) -> io::Result<Self> {
        mount::tmpfs(&place, mount::PLAIN, "mode=755,size=16m")?;
        Ok(Self {
            place,
            next: 0,
            user_namespace,
            label: None,
        })
    }

    /// The same, in which files of images have this SELinux label.
    pub(super) fn labelled(self, label: Option<String>) -> Self {
        Self { label, ..self }
    }

    /// Shows the container's cgroups; where.
    pub(super) fn place_cgroups(&mut self, view: CgroupView) -> io::Result<PathBuf> {
        let place = self.directory()?;
        view.show(&place)?;
        Ok(place)
    }

    /// Mounts the root file system where its plan says, or here, where the container's root may
    /// come, if it is not the host's root; where.
    pub(super) fn place_root(&mut self, overlay: &Overlay) -> io::Result<PathBuf> {
        if self.user_namespace.is_none() {
            mount_overlay(overlay, self.label.as_deref())?;
            return Ok(overlay.target.clone());
        }
        let overlay = Overlay {
            lower: self.layers(&overlay.lower)?,
            target: root_of_user_namespace(&self.place),
            ..overlay.clone()
        };
        fs::create_dir(&overlay.target)?;
        mount_overlay(&overlay, self.label.as_deref())?;
        Ok(overlay.target)
    }

    /// Mounts an image, read-only, and shows the part of it that is wanted; where.
    pub(super) fn place_image(&mut self, image: &ImageTree) -> io::Result<PathBuf> {
        let whole = self.directory()?;
        let mut lower = self.layers(&image.lower)?;
        while lower.len() < 2 {
            // overlayfs wants two directories when there is none for changes.
            lower.push(self.directory()?);
        }
        mount_read_only(&lower, &whole, self.label.as_deref())?;
        let part = MountTree::beneath(&whole, &Path::new("/").join(&image.sub_path))?;
        self.place(part)
    }

    /// Attaches a tree; where.
    pub(super) fn place(&mut self, tree: MountTree) -> io::Result<PathBuf> {
        let place = match tree.is_directory()? {
            true => self.directory()?,
            false => {
                let place = self.name();
                File::create_new(&place)?;
                place
            }
        };
        tree.attach(&place)?;
        Ok(place)
    }

    /// The layers with the ids of the user namespace, if there is one.
    fn layers(&mut self, lower: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
        let Some(user_namespace) = &self.user_namespace else {
            return Ok(lower.to_vec());
        };
        let trees: Vec<MountTree> = lower
            .iter()
            .map(|layer| {
                let tree = MountTree::of(layer)?;
                tree.map_ids(user_namespace.as_fd())?;
                Ok(tree)
            })
            .collect::<io::Result<_>>()?;
        trees.into_iter().map(|tree| self.place(tree)).collect()
    }

    /// Makes an empty directory; where.
    pub(super) fn directory(&mut self) -> io::Result<PathBuf> {
        let place = self.name();
        fs::create_dir(&place)?;
        Ok(place)
    }

    fn name(&mut self) -> PathBuf {
        self.next += 1;
        self.place.join(self.next.to_string())
    }
}

/// Where the root of a container with a user namespace is: in B mounted, in A an empty directory.
pub(super) fn root_of_user_namespace(place: &Path) -> PathBuf {
    place.join("rootfs")
}
