//! A disk without room, played by a small tmpfs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::archive::{Compression, Image};
use crate::chain;
use crate::node::{Node, node, open, used};
use crate::registry::DockerRegistry;

/// Two megabytes, mounted where the node has its images.
struct SmallDisk {
    node: Node,
    path: PathBuf,
}

impl SmallDisk {
    fn new() -> Self {
        let mut node = node();
        let path = node.dir.path().join("images");
        mount("tmpfs", &path, "tmpfs", MountFlags::empty(), c"size=2m").unwrap();
        node.images = open(node.dir.path());
        Self { node, path }
    }

    /// Takes the last free byte.
    fn fill(path: &Path) {
        let mut file = File::create(path.join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.path, UnmountFlags::DETACH).unwrap();
    }
}

fn image(size: usize) -> Image {
    Image::new().layer(&[("zeros", &"0".repeat(size))], Compression::Gzip)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_does_not_fit_says_so_and_leaves_nothing() {
    let registry = DockerRegistry::start().await;
    let disk = SmallDisk::new();
    registry.push("app", "big", &image(4 << 20)).await;
    registry.push("app", "small", &image(1 << 10)).await;
    let error = disk
        .node
        .pull(&format!("{}/app:big", registry.address()))
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains("disk with the images is full"),
        "{}",
        chain(&error)
    );
    disk.node.assert_empty();
    disk.node
        .pull(&format!("{}/app:small", registry.address()))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_removed_from_a_disk_without_a_free_byte() {
    let registry = DockerRegistry::start().await;
    let disk = SmallDisk::new();
    for name in ["free", "used"] {
        registry.push(name, "v1", &image(1 << 10)).await;
    }
    let name = |repository: &str| format!("{}/{repository}:v1", registry.address());
    let image = disk.node.pull(&name("free")).await.unwrap();
    disk.node.pull(&name("used")).await.unwrap();
    SmallDisk::fill(&disk.path);
    disk.node
        .remove(&name("used"), &[&image.id.to_string()])
        .await;
    assert!(image.layers[0].is_dir());
    let again = open(disk.node.dir.path());
    assert!(again.list().is_empty());
    again.collect(used(&[])).await.unwrap();
    assert_eq!(disk.node.layers_on_disk(), 0);
    assert!(
        fs::read_dir(disk.path.join("retired"))
            .unwrap()
            .next()
            .is_none()
    );
}
