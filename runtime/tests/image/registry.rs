//! Debian's docker-registry on a port of its own, with a directory of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use podling_runtime::image::digest::Digest;
use serde_json::{Value, json};

use crate::archive::{Image, descriptor};

const CONFIG: &str = "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: /nowhere}}\nhttp: {addr: 127.0.0.1:0}\n";

const SECRET_BCRYPT: &str = "$2b$04$QxTPdE0lqXLGmoG.anvUqO0bDQJGK0q3XCVycql6pMHGBQnpPRG/O";
/// `me` and `secret`, as a header shows them.
pub(crate) const ME: &str = "Basic bWU6c2VjcmV0";

pub(crate) struct DockerRegistry {
    address: String,
    scheme: &'static str,
    process: Child,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
    _passwords: Option<tempfile::TempDir>,
}

impl DockerRegistry {
    pub(crate) async fn start() -> Self {
        Self::start_with("http", |command| command).await
    }

    /// One that takes only `me` with the password `secret`.
    pub(crate) async fn start_with_password() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        std::fs::write(&path, format!("me:{SECRET_BCRYPT}\n")).unwrap();
        let with_password = |mut command: Command| {
            command.env("REGISTRY_AUTH", "htpasswd");
            command.env("REGISTRY_AUTH_HTPASSWD_REALM", "test");
            command.env("REGISTRY_AUTH_HTPASSWD_PATH", &path);
            command
        };
        let mut registry = Self::start_with("http", with_password).await;
        registry._passwords = Some(dir);
        registry
    }

    pub(crate) async fn start_tls(key: &Path, certificate: &Path) -> Self {
        let with_tls = |command: Command| {
            let mut command = command;
            command.env("REGISTRY_HTTP_TLS_KEY", key);
            command.env("REGISTRY_HTTP_TLS_CERTIFICATE", certificate);
            command
        };
        Self::start_with("https", with_tls).await
    }

    async fn start_with(scheme: &'static str, change: impl FnOnce(Command) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.yml");
        std::fs::write(&config, CONFIG).unwrap();
        // The port is free again when the registry takes it.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.env(
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY",
            dir.path().join("storage"),
        );
        command.env("REGISTRY_HTTP_ADDR", &address);
        let process = change(command)
            .spawn()
            .expect("docker-registry is installed");
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Pushing is not what is tested.
        let headers = [("authorization".parse().unwrap(), ME.parse().unwrap())];
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .default_headers(headers.into_iter().collect());
        let http = http.build().unwrap();
        let registry = Self {
            address,
            scheme,
            process,
            http,
            _dir: dir,
            _passwords: None,
        };
        let url = registry.url("");
        let answers = async || registry.http.get(&url).send().await.is_ok();
        crate::wait_until("the registry answers", answers).await;
        registry
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn url(&self, path: &str) -> String {
        format!("{}://{}/v2/{path}", self.scheme, self.address)
    }

    pub(crate) async fn push(&self, repository: &str, tag: &str, image: &Image) -> Digest {
        for blob in image.blobs() {
            self.push_blob(repository, blob).await;
        }
        self.push_manifest(repository, tag, &image.manifest()).await
    }

    pub(crate) async fn push_index(
        &self,
        repository: &str,
        tag: &str,
        images: &[(&str, Image)],
    ) -> Digest {
        let mut entries = Vec::new();
        for (architecture, image) in images {
            let image = image.clone().architecture(architecture);
            let digest = self.push(repository, architecture, &image).await;
            let manifest = image.manifest().to_string();
            let mut entry = descriptor(
                "application/vnd.oci.image.manifest.v1+json",
                manifest.as_bytes(),
            );
            assert_eq!(entry["digest"], digest.as_str());
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entries.push(entry);
        }
        let index = json!({"schemaVersion": 2, "manifests": entries,
            "mediaType": "application/vnd.oci.image.index.v1+json"});
        self.push_manifest(repository, tag, &index).await
    }

    async fn push_blob(&self, repository: &str, blob: Vec<u8>) {
        let begun = self
            .http
            .post(self.url(&format!("{repository}/blobs/uploads/")))
            .send()
            .await
            .unwrap();
        let location = begun.headers()["location"].to_str().unwrap();
        let mut url: reqwest::Url = location.parse().unwrap();
        url.query_pairs_mut()
            .append_pair("digest", Digest::of(&blob).as_str());
        let put = self
            .http
            .put(url)
            .header("content-type", "application/octet-stream")
            .body(blob);
        assert_eq!(put.send().await.unwrap().status(), 201);
    }

    async fn push_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Digest {
        let text = manifest.to_string();
        let url = self.url(&format!("{repository}/manifests/{tag}"));
        let media_type = manifest["mediaType"].as_str().unwrap();
        let put = self
            .http
            .put(url)
            .header("content-type", media_type)
            .body(text.clone());
        assert_eq!(put.send().await.unwrap().status(), 201);
        Digest::of(text.as_bytes())
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
