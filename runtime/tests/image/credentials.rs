//! What is shown to registries and token servers, and to whom it is not.

use std::sync::{Arc, Mutex};

use podling_runtime::image::{Credentials, PullError};

use crate::archive::{Compression, Image};
use crate::honest::{honest, image};
use crate::node::node;
use crate::registry::{DockerRegistry, ME};
use crate::scripted::{Answer, Request, ScriptedRegistry};

fn me(password: &str) -> Credentials {
    Credentials::Password {
        username: "me".into(),
        password: password.into(),
    }
}

/// A registry whose token server, at another port, is `token_server`; it takes only the token `good`.
async fn with_token_server(
    token_server: impl Fn(Request) -> Answer + Send + Sync + 'static,
) -> (ScriptedRegistry, ScriptedRegistry) {
    let tokens = ScriptedRegistry::start(token_server).await;
    let realm = format!("http://{}/token?fixed=1", tokens.address);
    let image = image();
    let registry = ScriptedRegistry::start(move |request| {
        if request.header("authorization") == Some("Bearer good") {
            return honest(&image, &request);
        }
        let challenge = format!(
            "www-authenticate: Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:app:pull\""
        );
        Answer::status("401 Unauthorized").header(challenge)
    })
    .await;
    (registry, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_passwords_gives_images_to_those_who_know_one() {
    let registry = DockerRegistry::start_with_password().await;
    let image = Image::new().layer(&[("content", "private")], Compression::Gzip);
    registry.push("app", "v1", &image).await;
    let name = format!("{}/app:v1", registry.address());
    let node = node();
    for wrong in [
        Credentials::Anonymous,
        me("guess"),
        Credentials::RegistryToken("guess".into()),
        Credentials::IdentityToken("guess".into()),
    ] {
        let error = node.pull_as(&name, wrong.clone()).await.unwrap_err();
        assert!(
            matches!(error, PullError::Unauthorized { .. }),
            "{wrong:?}: {error:?}"
        );
    }
    node.assert_empty();
    node.pull_as(&name, me("secret")).await.unwrap();
    let error = node.pull(&name).await.unwrap_err();
    assert!(
        matches!(error, PullError::Unauthorized { .. }),
        "an image that is here is no credential: {error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_for_a_token_at_the_token_server() {
    let (registry, _tokens) = with_token_server(|request| {
        let is_asked_rightly = request.method == "GET"
            && request
                .path
                .contains("fixed=1&scope=repository%3Aapp%3Apull&service=s&account=me");
        match request.header("authorization") {
            Some(ME) if is_asked_rightly => Answer::ok(r#"{"token":"good"}"#),
            _ => Answer::status("401 Unauthorized"),
        }
    })
    .await;
    let name = format!("{}/app:v1", registry.address);
    let node = node();
    node.pull_as(&name, me("secret")).await.unwrap();
    let error = node.pull_as(&name, me("guess")).await.unwrap_err();
    assert!(matches!(error, PullError::Unauthorized { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_token_is_refreshed_at_the_token_server() {
    let (registry, _tokens) = with_token_server(|request| {
        let wanted = [
            "grant_type=refresh_token",
            "refresh_token=long%2Blived",
            "service=s",
            "scope=repository%3Aapp%3Apull",
            "client_id=podling",
        ];
        let is_form = request.header("content-type") == Some("application/x-www-form-urlencoded");
        let has_all = wanted.iter().all(|field| request.body.contains(field));
        match request.method == "POST" && is_form && has_all {
            true => Answer::ok(r#"{"access_token":"good"}"#),
            false => Answer::status("400 Bad Request"),
        }
    })
    .await;
    let name = format!("{}/app:v1", registry.address);
    let token = Credentials::IdentityToken("long+lived".into());
    node().pull_as(&name, token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_token_is_shown_as_it_is() {
    let (registry, _tokens) = with_token_server(|_| panic!("nobody needs the token server")).await;
    let name = format!("{}/app:v1", registry.address);
    let node = node();
    let token = |text: &str| Credentials::RegistryToken(text.into());
    node.pull_as(&name, token("good")).await.unwrap();
    let error = node.pull_as(&name, token("bad")).await.unwrap_err();
    assert!(matches!(error, PullError::Unauthorized { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_and_configured_headers_do_not_follow_a_redirect_to_another_host() {
    let storage_headers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&storage_headers);
    let storage = ScriptedRegistry::start(move |request| {
        seen.lock().unwrap().extend(request.headers.clone());
        honest(&image(), &request)
    })
    .await;
    let registry = ScriptedRegistry::start(move |request| {
        if request.header("authorization") != Some(ME) {
            return Answer::status("401 Unauthorized").header("www-authenticate: Basic");
        }
        assert_eq!(request.header("x-team"), Some("blue"));
        match request.path.contains("/blobs/") {
            true => Answer::status("307 Temporary Redirect").header(format!(
                "location: http://{}{}",
                storage.address, request.path
            )),
            false => honest(&image(), &request),
        }
    })
    .await;
    let node = node();
    node.configure(&registry.address, "[header]\nx-team = \"blue\"");
    let name = format!("{}/app:v1", registry.address);
    node.pull_as(&name, me("secret")).await.unwrap();
    let headers = storage_headers.lock().unwrap();
    assert!(!headers.is_empty());
    let secret = |line: &&String| line.starts_with("authorization") || line.starts_with("x-team");
    assert_eq!(headers.iter().find(secret), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_is_not_told_who_asks_even_when_it_wants_to_know() {
    let thief = ScriptedRegistry::start(|request| {
        assert_eq!(request.header("authorization"), None);
        assert!(!request.path.contains("token"), "{}", request.path);
        let host = request.header("host").unwrap();
        Answer::status("401 Unauthorized").header(format!(
            "www-authenticate: Bearer realm=\"http://{host}/token\""
        ))
    })
    .await;
    let registry = ScriptedRegistry::start(move |request| match request.path.contains("/blobs/") {
        true => Answer::status("307 Temporary Redirect").header(format!(
            "location: http://{}{}",
            thief.address, request.path
        )),
        false => honest(&image(), &request),
    })
    .await;
    let name = format!("{}/app:v1", registry.address);
    let error = node().pull_as(&name, me("secret")).await.unwrap_err();
    assert!(matches!(error, PullError::Unauthorized { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_with_other_credentials_are_other_pulls() {
    let registry = ScriptedRegistry::start(|request| match request.header("authorization") {
        Some(ME) => honest(&image(), &request),
        _ => Answer::status("401 Unauthorized").header("www-authenticate: Basic"),
    })
    .await;
    let name = format!("{}/app:v1", registry.address);
    let node = node();
    let (mine, nobodys) = tokio::join!(node.pull_as(&name, me("secret")), node.pull(&name));
    mine.unwrap();
    nobodys.unwrap_err();
}
