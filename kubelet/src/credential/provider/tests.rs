//! Real programs, as shell scripts.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::sync::SystemClock;

const V1: &str = "credentialprovider.kubelet.k8s.io/v1";

/// A directory with one program and its configuration.
struct Folder(TempDir);

impl Folder {
    /// A program that counts its runs, keeps what it was asked, and goes on with this script.
    fn new(script: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        let path = folder.0.path().join("helper");
        let text = format!(
            "#!/bin/sh\ncd {}\necho run >> runs\ncat > asked\n{script}\n",
            folder.0.path().display()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let config = format!(
            "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n\
             - {{name: helper, matchImages: ['*.test'], defaultCacheDuration: 1h, apiVersion: {V1},\
             \n   env: [{{name: NAME, value: me}}]}}\n"
        );
        std::fs::write(folder.0.path().join("config.yaml"), config).unwrap();
        folder
    }

    fn open(&self) -> Result<Providers, ProviderError> {
        let places = ProviderPlaces {
            config: self.0.path().join("config.yaml"),
            programs: self.0.path().to_owned(),
        };
        let clock = Arc::new(SystemClock);
        Providers::open(Some(&places), CredentialMetrics::default(), clock)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.path().join(file)).unwrap_or_default()
    }
}

fn answer(rest: &str) -> String {
    format!(
        "echo '{{\"apiVersion\": \"{V1}\", \"kind\": \"CredentialProviderResponse\", {rest}}}' | \
         sed s/NAME/$NAME/"
    )
}

fn names(credentials: &[Credential]) -> Vec<&str> {
    let names = credentials.iter().map(|one| one.login.username.as_str());
    names.collect()
}

const AUTH: &str = r#""auth": {"*.test": {"username": "NAME", "password": "x"}}"#;

#[tokio::test]
async fn a_program_is_asked_once_for_what_its_answer_holds_for() {
    let folder = Folder::new(&answer(&format!(r#""cacheKeyType": "Registry", {AUTH}"#)));
    let providers = folder.open().unwrap();
    let (a, b) = tokio::join!(providers.lookup("a.test/x"), providers.lookup("a.test/x"));
    assert_eq!((names(&a), names(&b)), (vec!["me"], vec!["me"]));
    assert_eq!(names(&providers.lookup("a.test/y").await), ["me"]);
    assert_eq!(folder.read("runs"), "run\n");
    let asked: serde_json::Value = serde_json::from_str(&folder.read("asked")).unwrap();
    assert_eq!(asked["image"], "a.test/x");
    assert_eq!(asked["apiVersion"], V1);
    assert_eq!(names(&providers.lookup("b.test/y").await), ["me"]);
    assert_eq!(folder.read("runs"), "run\nrun\n");
    assert_eq!(
        names(&providers.lookup("elsewhere/y").await),
        Vec::<&str>::new()
    );
    assert_eq!(folder.read("runs"), "run\nrun\n");
}

#[tokio::test]
async fn an_answer_that_does_not_hold_is_asked_for_again() {
    let rest = format!(r#""cacheKeyType": "Global", "cacheDuration": "0s", {AUTH}"#);
    let folder = Folder::new(&answer(&rest));
    let providers = folder.open().unwrap();
    for _ in 0..2 {
        assert_eq!(names(&providers.lookup("a.test/x").await), ["me"]);
    }
    assert_eq!(folder.read("runs"), "run\nrun\n");
}

#[tokio::test]
async fn a_program_that_fails_gives_nothing() {
    for script in ["echo oops >&2; exit 3", "echo {}", "kill -9 $$"] {
        let providers = Folder::new(script);
        let found = providers.open().unwrap().lookup("a.test/x").await;
        assert_eq!(names(&found), Vec::<&str>::new(), "{script}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named_at_the_start() {
    let folder = Folder::new("");
    std::fs::remove_file(folder.0.path().join("helper")).unwrap();
    let error = folder.open().err().unwrap().to_string();
    assert!(error.contains("helper"), "{error}");
}
