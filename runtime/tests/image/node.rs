//! An image store in a directory of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use podling_runtime::image::{
    Credentials, ImageRecord, Images, Login, PullError, RegistrySettings,
};
use tokio::sync::watch;

/// The boot in which every test happens.
pub(crate) const BOOT: &str = "a boot";

pub(crate) struct Node {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) images: Images,
}

pub(crate) fn node() -> Node {
    let dir = tempfile::tempdir().unwrap();
    let images = open(dir.path());
    Node { dir, images }
}

/// A node that waits for nothing.
pub(crate) fn impatient_node() -> Node {
    let dir = tempfile::tempdir().unwrap();
    let images = open_with(dir.path(), Duration::from_millis(300));
    Node { dir, images }
}

/// Opens the store of a node, as after a restart.
pub(crate) fn open(dir: &Path) -> Images {
    open_with(dir, Duration::from_secs(60))
}

fn open_with(dir: &Path, stall_timeout: Duration) -> Images {
    let settings = RegistrySettings {
        stall_timeout,
        certs_dirs: vec![dir.join("certs.d")],
        attempts: 3,
        retry_delay: Duration::from_millis(1),
        ..RegistrySettings::default()
    };
    Images::open(&dir.join("images"), BOOT, settings).unwrap()
}

/// Says that containers use these images.
pub(crate) fn used(ids: &[&str]) -> impl Fn() -> BTreeSet<String> + Send + 'static {
    let ids: BTreeSet<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    move || ids.clone()
}

impl Node {
    pub(crate) async fn pull(&self, name: &str) -> Result<ImageRecord, PullError> {
        self.images
            .pull(name, Login::default(), watch::Sender::default())
            .await
    }

    pub(crate) async fn pull_as(
        &self,
        name: &str,
        credentials: Credentials,
    ) -> Result<ImageRecord, PullError> {
        let login = Login {
            credentials,
            ..Login::default()
        };
        self.images
            .pull(name, login, watch::Sender::default())
            .await
    }

    /// Says where the images of a registry are to be fetched from.
    pub(crate) fn configure(&self, registry: &str, hosts: &str) {
        let dir = self.dir.path().join("certs.d").join(registry);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("hosts.toml"), hosts).unwrap();
    }

    pub(crate) async fn remove(&self, name: &str, in_use: &[&str]) {
        self.images.remove(name, used(in_use)).await.unwrap();
    }

    pub(crate) fn layers_on_disk(&self) -> usize {
        fs::read_dir(self.dir.path().join("images/layers"))
            .unwrap()
            .count()
    }

    pub(crate) fn unfinished(&self) -> usize {
        fs::read_dir(self.dir.path().join("images/tmp"))
            .unwrap()
            .count()
    }

    pub(crate) fn assert_nothing_unfinished(&self) {
        assert_eq!(self.unfinished(), 0);
    }

    /// Whatever went wrong left nothing behind.
    pub(crate) fn assert_empty(&self) {
        self.assert_nothing_unfinished();
        assert_eq!((self.layers_on_disk(), self.images.list().len()), (0, 0));
    }
}
