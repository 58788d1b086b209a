//! A registry that speaks HTTPS with a certificate of its own.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use podling_runtime::image::{Images, Login, RegistrySettings};
use tokio::sync::watch;

use crate::archive::{Compression, Image};
use crate::chain;
use crate::node::BOOT;
use crate::registry::DockerRegistry;

#[tokio::test(flavor = "multi_thread")]
async fn an_https_registry_is_trusted_by_its_certificate_only() {
    let dir = tempfile::tempdir().unwrap();
    let (key, certificate) = (
        dir.path().join("key.pem"),
        dir.path().join("certificate.pem"),
    );
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=podling",
        ])
        .args([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args([&"-keyout".into(), &key, &"-out".into(), &certificate])
        .output()
        .expect("openssl is installed");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let registry = DockerRegistry::start_tls(&key, &certificate).await;
    let image = Image::new().layer(&[("content", "secret")], Compression::Gzip);
    registry.push("app", "v1", &image).await;
    let name = format!("{}/app:v1", registry.address());
    let trusting = |certificates| {
        let settings = RegistrySettings {
            https: BTreeSet::from([registry.address().to_owned()]),
            certificates,
            attempts: 1,
            ..RegistrySettings::default()
        };
        let store = tempfile::tempdir().unwrap();
        (
            Images::open(&store.path().join("images"), BOOT, settings).unwrap(),
            store,
        )
    };
    let (images, _store) = trusting(vec![fs::read(&certificate).unwrap()]);
    images
        .pull(&name, Login::default(), watch::Sender::default())
        .await
        .unwrap();
    let (images, _store) = trusting(Vec::new());
    let error = images
        .pull(&name, Login::default(), watch::Sender::default())
        .await
        .unwrap_err();
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
}
