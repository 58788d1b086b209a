//! Debian's docker-registry on a loopback port, with its storage in a temporary directory.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::http;
use super::programs::image_archive;
use super::wait::{DEADLINE, wait_until};
use crate::images::push::push;
use crate::images::{Content, Layout};

/// Who may ask a registry that is protected.
pub const USERNAME: &str = "user";
/// What he has to show.
pub const PASSWORD: &str = "word";
/// The same as bcrypt writes it.
const HASH: &str = "$2b$04$podlingpodlingpodlingedmto/8dcLDJ74ZTNTVVslMBsXKooiLK";

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    address: SocketAddr,
    // With its storage, removed with it.
    folder: TempDir,
}

impl Registry {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("podling-registry-")
            .tempdir();
        let folder = folder.expect("a temporary directory can be made");
        let address = free_address();
        let registry = Self {
            child: spawn(folder.path(), &configuration(folder.path(), address)),
            address,
            folder,
        };
        registry.wait_for(200).await;
        registry
    }

    /// From now on it gives what it has only to [`USERNAME`] with [`PASSWORD`].
    pub async fn protect(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        let folder = self.folder.path();
        let users = folder.join("htpasswd");
        fs::write(&users, format!("{USERNAME}:{HASH}\n")).expect("there is room");
        let text = format!(
            "{}auth: {{ htpasswd: {{ realm: test, path: '{}' }} }}\n",
            configuration(folder, self.address),
            users.display()
        );
        self.child = spawn(folder, &text);
        self.wait_for(401).await;
    }

    async fn wait_for(&self, status: u16) {
        wait_until(DEADLINE, "the registry answers", || {
            http::get(self.address, "/v2/").is_ok_and(|answer| answer.status == status)
        })
        .await;
    }

    /// `HOST:PORT`, as it stands in image references.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Pushes an image as `NAME:TAG` and returns the reference to pull it by.
    pub async fn push(&self, name: &str, content: &Content) -> String {
        let pushed = push(&self.host(), name, content).await;
        pushed.unwrap_or_else(|error| panic!("push {name}: {error:?}"));
        format!("{}/{name}", self.host())
    }

    /// Pushes an image that was built from Debian packages, as `NAME:1`.
    pub async fn push_debian(&self, name: &str) -> String {
        let layout = Layout::read_tar(&image_archive(name)).expect("the archive can be read");
        let contents = layout.contents().expect("the archive is whole");
        self.push(&format!("{name}:1"), &contents[0]).await
    }

    /// Turns the registry into a liar: it will serve other bytes, as many, for this digest.
    pub fn corrupt(&self, digest: &str) {
        let hex = digest
            .strip_prefix("sha256:")
            .expect("blobs are named by their sha256");
        let blobs = self
            .folder
            .path()
            .join("storage/docker/registry/v2/blobs/sha256");
        let data = blobs.join(&hex[..2]).join(hex).join("data");
        let mut bytes = fs::read(&data).expect("the blob was pushed");
        let last = bytes.last_mut().expect("the blob has bytes");
        *last ^= 1;
        fs::write(data, bytes).expect("there is room");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, configuration: &str) -> Child {
    let config = folder.join("config.yml");
    fs::write(&config, configuration).expect("there is room");
    let log = File::create(folder.join("log")).expect("there is room");
    let command = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    command.expect("docker-registry is installed: run `make deps`")
}

/// A port that was free a moment ago: the registry cannot take one of the kernel's choice.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a listener has an address")
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    format!(
        "version: 0.1\n\
         log: {{ level: warn, accesslog: {{ disabled: true }} }}\n\
         storage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: true }} }}\n\
         http: {{ addr: '{address}' }}\n",
        folder.join("storage").display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Entry, Image, Layer, Settings};

    #[tokio::test]
    async fn what_is_pushed_is_there_to_be_pulled() {
        let registry = Registry::start().await;
        let layer = Layer::of([Entry::file("a", "1")]);
        let image = Image::new(Settings::default(), [layer]).build();
        let reference = registry.push("small:1", &image.content()).await;
        assert_eq!(reference, format!("{}/small:1", registry.host()));
        let tags = http::get(registry.address, "/v2/small/tags/list").unwrap();
        assert!(tags.text().contains("\"1\""), "{}", tags.text());
    }
}
