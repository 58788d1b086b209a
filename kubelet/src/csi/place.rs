//! Where volumes of drivers are, and what they are called: names and paths alone, as upstream has them.
#![deny(clippy::disallowed_methods)]

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::NAME;
use crate::layout::Layout;
use crate::model::{Migrated, PodUid, VolumeMode};

/// The file with what is recorded of a volume.
pub(super) const RECORD: &str = "vol_data.json";

/// The directory of devices, beside those of drivers.
pub(super) const DEVICES: &str = "volumeDevices";

/// A place where a driver puts a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Where it is recorded.
    pub(super) directory: PathBuf,
    /// What the driver is given.
    pub(super) target: PathBuf,
}

/// A volume of a driver, by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The driver.
    pub(super) driver: String,
    /// The driver's name of it.
    pub(super) handle: String,
    /// The persistent volume's name, or the pod's name for its own.
    pub(super) volume: String,
    /// What it looks like.
    pub(super) mode: VolumeMode,
    /// Whether it is written as a volume of a plugin of old.
    pub(super) migrated: Migrated,
}

impl Layout {
    /// Where a volume is staged for the whole node.
    pub(super) fn staged(&self, of: &Name) -> Spot {
        match of.mode {
            VolumeMode::Filesystem => {
                let directory = self.drivers().join(&of.driver).join(hash(&[&of.handle]));
                Spot {
                    target: directory.join("globalmount"),
                    directory,
                }
            }
            VolumeMode::Block => {
                let volume = in_a_path(&of.volume);
                Spot {
                    directory: self.devices().join(&volume).join("data"),
                    target: self.devices().join("staging").join(volume),
                }
            }
        }
    }

    /// Where a volume is published for a pod.
    pub(super) fn published(&self, uid: &PodUid, volume: &str, mode: VolumeMode) -> Spot {
        let volume = in_a_path(volume);
        let directory = self.all_published(uid, mode).join(&volume);
        let target = match mode {
            VolumeMode::Filesystem => directory.join("mount"),
            VolumeMode::Block => {
                let publish = self.devices().join("publish");
                publish.join(volume).join(uid.as_str())
            }
        };
        Spot { directory, target }
    }

    /// The directory with a record for each of a pod's volumes.
    pub(super) fn all_published(&self, uid: &PodUid, mode: VolumeMode) -> PathBuf {
        match mode {
            VolumeMode::Filesystem => self.volumes(uid).join("kubernetes.io~csi"),
            VolumeMode::Block => self.pod(uid).join("csi-devices"),
        }
    }

    /// Where a pod's device is looked for by upstream: a link to where it is published.
    pub(super) fn device_link(&self, uid: &PodUid, volume: &str) -> PathBuf {
        let links = self.pod(uid).join("volumeDevices/kubernetes.io~csi");
        links.join(in_a_path(volume))
    }

    /// The directory with a directory for each driver.
    pub(super) fn drivers(&self) -> PathBuf {
        self.plugins().join(NAME)
    }

    /// The directory with a directory for each device.
    pub(super) fn devices(&self) -> PathBuf {
        self.drivers().join(DEVICES)
    }
}

/// A volume's name, as paths have it: that of a plugin of old may be a path itself.
pub(super) fn in_a_path(volume: &str) -> String {
    volume.replace('/', "~")
}

/// The handle of a pod's own volume.
pub(crate) fn inline_handle(uid: &PodUid, volume: &str) -> String {
    format!("csi-{}", hash(&[uid.as_str(), volume]))
}

/// The name of what says that a volume is attached to a node.
pub(super) fn attachment_name(driver: &str, handle: &str, node: &str) -> String {
    format!("csi-{}", hash(&[handle, driver, node]))
}

/// What a volume is called in the status of a Node.
pub(super) fn unique_name(driver: &str, handle: &str) -> String {
    format!("{NAME}/{driver}^{handle}")
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn volumes_of_drivers_lie_where_upstream_has_them() {
        let layout = Layout::new(Path::new("/k"), Path::new("/l"));
        let uid = PodUid::from("u");
        let name = |mode| Name {
            driver: "a.example.com".to_owned(),
            handle: "vol".to_owned(),
            volume: "disk".to_owned(),
            mode,
            migrated: Migrated::No,
        };
        let csi = Path::new("/k/plugins/kubernetes.io/csi");
        let staged = layout.staged(&name(VolumeMode::Filesystem)).target;
        let hash = "b9f6da279ec59af95d121d1e1e502ecf056504e267f2f7dfc747ebd0f3f74298";
        assert_eq!(
            staged,
            csi.join("a.example.com").join(hash).join("globalmount")
        );
        let published = layout.published(&uid, "disk", VolumeMode::Filesystem);
        assert_eq!(
            published.target,
            Path::new("/k/pods/u/volumes/kubernetes.io~csi/disk/mount")
        );
        let published = layout.published(&uid, "/a/disk", VolumeMode::Filesystem);
        assert_eq!(
            published.directory,
            Path::new("/k/pods/u/volumes/kubernetes.io~csi/~a~disk")
        );
        let staged = layout.staged(&name(VolumeMode::Block)).target;
        assert_eq!(staged, csi.join("volumeDevices/staging/disk"));
        let published = layout.published(&uid, "disk", VolumeMode::Block);
        assert_eq!(published.target, csi.join("volumeDevices/publish/disk/u"));
    }

    #[test]
    fn volumes_of_drivers_are_called_as_upstream_calls_them() {
        assert_eq!(
            attachment_name("a", "vol", "n"),
            "csi-03cccd0625ad55f598e7638ecddffb86a9dcc24cdb48c9edf8b4ef24e646178b"
        );
        assert_eq!(
            inline_handle(&PodUid::from("u"), "v"),
            "csi-e6184ce10e266134fdcfa401e8f1a95005bcd4f18d16b62b757323e2833fe9a9"
        );
        assert_eq!(unique_name("a", "vol"), "kubernetes.io/csi/a^vol");
    }
}
