//! Mirrors and certificates, as `certs.d` has them.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use podling_runtime::image::{Credentials, Login};
use tokio::sync::watch;

use crate::archive::{Compression, Image};
use crate::chain;
use crate::honest::{honest, image, layer_digest, part};
use crate::node::node;
use crate::registry::DockerRegistry;
use crate::scripted::{Answer, ScriptedRegistry};

fn app() -> Image {
    Image::new().layer(&[("content", "mirrored")], Compression::Gzip)
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_several_registries_come_from_one_mirror_and_are_one_image() {
    let mirror = DockerRegistry::start().await;
    mirror.push("app", "v1", &app()).await;
    let node = node();
    let hosts = format!(
        "server = \"http://{0}\"\n[host.\"http://{0}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
        mirror.address()
    );
    node.configure("_default", &hosts);
    let first = node.pull("registry.example/app:v1").await.unwrap();
    let second = node.pull("other.example:5000/app:v1").await.unwrap();
    assert_eq!(first.id, second.id);
    assert_eq!(
        second.repo_tags,
        ["other.example:5000/app:v1", "registry.example/app:v1"]
    );
    node.remove("registry.example/app:v1", &[]).await;
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mirror_does_not_have_comes_from_the_next_and_at_last_from_the_registry() {
    let registry = DockerRegistry::start().await;
    registry.push("app", "v1", &app()).await;
    let empty = ScriptedRegistry::start(|request| {
        assert!(request.path.ends_with("?ns=r.example"), "{}", request.path);
        Answer::status("404 Not Found")
    })
    .await;
    let broken = ScriptedRegistry::start(|_| Answer::status("503 Service Unavailable")).await;
    let node = node();
    let mirrors = ["127.0.0.1:1", &empty.address, &broken.address];
    let mirrors = mirrors.map(|address| format!("[host.\"http://{address}\"]\n"));
    let server = format!("server = \"http://{}\"\n", registry.address());
    node.configure("r.example", &(server + &mirrors.concat()));
    node.pull("r.example/app:v1").await.unwrap();
    let error = node.pull("r.example/app:v2").await.unwrap_err();
    assert!(chain(&error).contains("not found"), "{}", chain(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_answers_everybody_is_named() {
    let broken = ScriptedRegistry::start(|_| Answer::status("503 Service Unavailable")).await;
    let node = node();
    let hosts = format!(
        "server = \"http://127.0.0.1:1\"\n[host.\"http://{}\"]\n",
        broken.address
    );
    node.configure("r.example", &hosts);
    let error = chain(&node.pull("r.example/app:v1").await.unwrap_err());
    for address in [broken.address.as_str(), "127.0.0.1:1"] {
        assert!(error.contains(address), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_may_only_give_content_is_not_asked_what_a_tag_means() {
    let mirror = ScriptedRegistry::start(|request| {
        assert!(!request.path.contains("/manifests/v1"), "{}", request.path);
        honest(&image(), &request)
    })
    .await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let registry = ScriptedRegistry::start(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        honest(&image(), &request)
    })
    .await;
    let node = node();
    let hosts = format!(
        "server = \"http://{}\"\n[host.\"http://{}\"]\ncapabilities = [\"pull\"]\n",
        registry.address, mirror.address
    );
    node.configure("r.example", &hosts);
    node.pull("r.example/app:v1").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "only the tag");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_a_mirror_began_is_finished_by_the_registry() {
    let layer = layer_digest(&image());
    let mirror = ScriptedRegistry::start(move |request| {
        if !request.path.contains(&layer) {
            return honest(&image(), &request);
        }
        if request.offset() > 0 {
            return Answer::status("403 Forbidden");
        }
        let blob = image().layers[0].blob.clone();
        Answer {
            length: Some(blob.len()),
            ..Answer::ok(&blob[..blob.len() / 2])
        }
    })
    .await;
    let offsets = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&offsets);
    let registry = ScriptedRegistry::start(move |request| {
        seen.lock().unwrap().push(request.offset());
        part(&image().layers[0].blob, request.offset())
    })
    .await;
    let node = node();
    let hosts = format!(
        "server = \"http://{}\"\n[host.\"http://{}\"]\n",
        registry.address, mirror.address
    );
    node.configure("r.example", &hosts);
    node.pull("r.example/app:v1").await.unwrap();
    let half = image().layers[0].blob.len() / 2;
    assert_eq!(*offsets.lock().unwrap(), [half]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_sees_no_credentials_that_are_not_meant_for_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let mirror = ScriptedRegistry::start(move |request| {
        let shown = request.header("authorization").map(str::to_owned);
        noted.lock().unwrap().push(shown.clone());
        match shown {
            Some(_) => honest(&image(), &request),
            None => Answer::status("401 Unauthorized").header("www-authenticate: Basic"),
        }
    })
    .await;
    let node = node();
    let hosts = format!(
        "server = \"http://127.0.0.1:1\"\n[host.\"http://{}\"]\n",
        mirror.address
    );
    node.configure("r.example", &hosts);
    let login = |server: &str| Login {
        credentials: Credentials::Password {
            username: "me".into(),
            password: "secret".into(),
        },
        server: server.into(),
    };
    let pull = async |login| {
        let images = &node.images;
        images
            .pull("r.example/app:v1", login, watch::Sender::default())
            .await
    };
    pull(login("")).await.unwrap_err();
    assert!(seen.lock().unwrap().iter().all(Option::is_none));
    pull(login(&mirror.address)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_makes_no_sense_fails_the_pull_by_its_name() {
    let node = node();
    node.configure("r.example", "server = [");
    let error = chain(&node.pull("r.example/app:v1").await.unwrap_err());
    assert!(error.contains("r.example/hosts.toml"), "{error}");
}

fn openssl(dir: &Path, arguments: &str) {
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}

/// `server.key` and `server.crt` for 127.0.0.1, signed by the authority in `ca.crt`.
fn make_certificates(dir: &Path) {
    std::fs::write(dir.join("server.ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(
        dir,
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt",
    );
    openssl(
        dir,
        "req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr",
    );
    openssl(
        dir,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
         -extfile server.ext -out server.crt",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_an_authority_of_its_own_is_trusted_by_configuration() {
    let dir = tempfile::tempdir().unwrap();
    make_certificates(dir.path());
    let at = |name: &str| dir.path().join(name);
    let registry = DockerRegistry::start_tls(&at("server.key"), &at("server.crt")).await;
    registry.push("app", "v1", &app()).await;
    let node = node();
    let server = format!("server = \"https://{}\"\n", registry.address());
    node.configure("r.example", &server);
    let error = chain(&node.pull("r.example/app:v1").await.unwrap_err());
    assert!(error.contains("certificate"), "{error}");
    node.configure("r.example", &format!("{server}skip_verify = true\n"));
    node.pull("r.example/app:v1").await.unwrap();
    let authority = node.dir.path().join("certs.d/r.example/own-ca.crt");
    std::fs::copy(at("ca.crt"), authority).unwrap();
    node.configure("r.example", &format!("{server}ca = \"own-ca.crt\"\n"));
    node.pull("r.example/app:v1").await.unwrap();
    node.configure("r.example", &format!("{server}ca = \"absent.crt\"\n"));
    let error = chain(&node.pull("r.example/app:v1").await.unwrap_err());
    assert!(error.contains("absent.crt"), "{error}");
}
