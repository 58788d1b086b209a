//! Pulls that a registry only grants to whoever shows something.

use super::*;
use crate::cri::Login;
use crate::model::Secret;

const IMAGE: &str = "registry.test/web:1";

fn login(username: &str, password: &str) -> Login {
    Login {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

/// A pod whose image may be pulled with these Secrets.
fn guest(secrets: &[&str]) -> Pod {
    let mut pod = web();
    pod.spec.pull_secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
    pod
}

fn secret(name: &str, logins: &[(&str, &str, &str)]) -> (ObjectKey, Object) {
    let entries: Vec<_> = logins
        .iter()
        .map(|(registry, user, word)| {
            format!(r#""{registry}": {{"username": "{user}", "password": "{word}"}}"#)
        })
        .collect();
    let text = format!(r#"{{"auths": {{{}}}}}"#, entries.join(","));
    let secret = Secret {
        kind: Secret::DOCKER_CONFIG_JSON.to_owned(),
        data: [(Secret::DOCKER_CONFIG_JSON_KEY.to_owned(), text.into_bytes())].into(),
        ..Secret::default()
    };
    let key = ObjectKey::new(ObjectKind::Secret, "default", name);
    (key, Object::Secret(Arc::new(secret)))
}

#[tokio::test(start_paused = true)]
async fn credentials_are_tried_in_turn_until_one_is_taken() {
    let mut stage = Stage::new();
    stage.runtime.publish(IMAGE);
    stage.runtime.protect(IMAGE, login("b", "new"));
    let old = secret(
        "old",
        &[("registry.test/web", "b", "old"), ("elsewhere", "b", "new")],
    );
    let new = secret("new", &[("registry.test", "b", "new")]);
    stage.shelf.put([old, new].into()).unwrap();
    stage.settle(&guest(&["old", "new"])).await;
    assert_eq!(stage.runtime.containers(), [("web".to_owned(), "running")]);
    assert_eq!(stage.runtime.calls("PullImage"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_missing_is_told_and_the_pull_tried_without() {
    let mut stage = Stage::new();
    stage.runtime.publish(IMAGE);
    stage.settle(&guest(&["gone", "lost"])).await;
    let notes = stage.notes.0.lock().unwrap();
    let told = notes
        .iter()
        .find(|note| note.reason == "FailedToRetrieveImagePullSecret");
    assert_eq!(
        told.unwrap().message,
        "Unable to retrieve some image pull secrets (gone, lost); attempting to pull the image may \
         not succeed."
    );
}

#[tokio::test(start_paused = true)]
async fn another_credential_is_tried_at_once() {
    let mut stage = Stage::new();
    stage.runtime.publish(IMAGE);
    stage.runtime.protect(IMAGE, login("b", "new"));
    let pod = guest(&["login"]);
    let words = ["old", "new"].map(|word| secret("login", &[("registry.test", "b", word)]));
    let [old, new] = words;
    stage.shelf.put([old].into()).unwrap();
    let refused = stage.turn(&pod).await.unwrap();
    let failure = &refused.containers[&"web".into()];
    assert_eq!(failure.reason, FailureReason::ErrImagePull);
    let again = stage.turn(&pod).await.unwrap();
    let failure = &again.containers[&"web".into()];
    assert_eq!(
        failure.message,
        "Back-off pulling image \"registry.test/web:1\": ErrImagePull: authorization failed"
    );
    stage.shelf.put([new].into()).unwrap();
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.containers(), [("web".to_owned(), "running")]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_away_is_told_from_a_pull_that_failed() {
    let mut stage = Stage::new();
    let words = "RegistryUnavailable: nobody answers";
    stage.runtime.fail_next("PullImage", words);
    let report = stage.turn(&web()).await.unwrap();
    let failure = &report.containers[&"web".into()];
    assert_eq!(failure.reason.as_str(), "RegistryUnavailable");
    assert_eq!(
        failure.message,
        "image pull failed for registry.test/web:1 because the registry is unavailable: nobody \
         answers"
    );
}
