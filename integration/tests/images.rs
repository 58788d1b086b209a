//! Stories about the images that are built here: what is in them, and a real registry.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use podling_integration::images::content::media_type;
use podling_integration::images::debian::{self, Cache};
use podling_integration::images::push::push;
use podling_integration::images::{
    Compression, Content, Entry, Image, Index, Layer, Platform, Settings,
};
use tempfile::TempDir;

/// Debian's docker-registry on a free port; stopped when dropped.
struct Registry {
    server: Child,
    address: String,
    /// Reads the registry's log to its end: a full or closed pipe would stop the registry.
    log: Option<JoinHandle<io::Result<u64>>>,
    _storage: TempDir,
}

impl Registry {
    fn start() -> Self {
        let storage = tempfile::tempdir().expect("make a directory");
        let config = storage.path().join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: 127.0.0.1:0}}\n",
            storage.path().join("data").display()
        );
        fs::write(&config, text).expect("write the registry's configuration");
        let mut server = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Debian's docker-registry is installed");
        let mut log = BufReader::new(server.stderr.take().expect("stderr is a pipe"));
        let address = log
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("listening on ")?;
                Some(rest.split(['"', ' ']).next()?.to_owned())
            })
            .expect("the registry says where it listens");
        let log = Some(thread::spawn(move || io::copy(&mut log, &mut io::sink())));
        Self {
            server,
            address,
            log,
            _storage: storage,
        }
    }

    /// What the registry has under a name: the digest it gives, and the bytes.
    async fn pull(&self, name: &str) -> (String, Vec<u8>) {
        let config = ClientConfig {
            protocol: ClientProtocol::Http,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).expect("make a client");
        let reference = format!("{}/{name}", self.address)
            .parse()
            .expect("names here are good");
        let accepted = [media_type::MANIFEST, media_type::INDEX];
        let pulled = client.pull_manifest_raw(&reference, &RegistryAuth::Anonymous, &accepted);
        let (bytes, digest) = pulled.await.expect("the registry has the manifest");
        (digest, bytes.to_vec())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = self.log.take().map(JoinHandle::join);
    }
}

/// One image for two platforms, with a layer of each format.
fn index() -> Content {
    let image = |architecture| {
        let formats = [Compression::None, Compression::Gzip, Compression::Zstd];
        let layers = formats.map(|format| {
            let name = format!("{architecture}-{format:?}");
            Layer::of([Entry::file(name, "x".repeat(100_000))]).compressed(format)
        });
        Image::new(Settings::default(), layers)
            .platform(Platform::linux(architecture))
            .build()
    };
    Index::of([image("amd64"), image("arm64")]).build()
}

#[tokio::test]
async fn a_registry_takes_an_index_and_gives_the_same_bytes_back() {
    let registry = Registry::start();
    let index = index();
    let digest = push(&registry.address, "some/image:1", &index)
        .await
        .expect("push the index");
    assert_eq!(digest, index.root.digest());

    let by_tag = registry.pull("some/image:1").await;
    assert_eq!(by_tag, (digest, index.root.bytes.clone()));
    for manifest in &index.manifests {
        let digest = manifest.digest();
        let by_digest = registry.pull(&format!("some/image@{digest}")).await;
        assert_eq!(by_digest, (digest, manifest.bytes.clone()));
    }
}

/// The files of an image, as a container of it would see them.
fn unpack(image: &Image) -> TempDir {
    let directory = tempfile::tempdir().expect("make a directory");
    for layer in &image.layers {
        let mut tar = Command::new("tar")
            .args(["--extract", "--keep-directory-symlink", "--directory"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("run tar");
        let archive = layer.tar(image.time);
        tar.stdin
            .take()
            .expect("stdin is a pipe")
            .write_all(&archive)
            .expect("write to tar");
        assert!(tar.wait().expect("wait for tar").success());
    }
    directory
}

#[test]
fn programs_out_of_debian_packages_find_every_library() {
    let cache = Cache::shared().expect("use the package cache");
    let cases = [
        (
            debian::busybox(&cache),
            &["/bin/sh", "-c", "echo busybox"][..],
            "busybox",
        ),
        (
            debian::nginx(&cache),
            &["/usr/sbin/nginx", "-v"],
            "nginx version",
        ),
        (
            debian::redis(&cache),
            &["/usr/bin/redis-server", "--version"],
            "Redis server",
        ),
        (
            debian::redis(&cache),
            &["/usr/bin/redis-cli", "--version"],
            "redis-cli",
        ),
    ];
    for (image, command, expected) in cases {
        let root = unpack(&image.expect("build the image"));
        let output = Command::new("chroot")
            .arg(root.path())
            .args(command)
            .output();
        let output = output.expect("run chroot");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(
            output.status.success() && said.contains(expected),
            "{command:?}: {said}"
        );
    }
}
