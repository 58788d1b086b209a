//! What changes pods while they run, as who asks for it sees it.

use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use http::Request;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::guest::{Admission, Guest};
use super::tests::{Stage, status};
use super::{Debugging, routes};
use crate::sync::{Input, StatusSink};

/// The code and the text of the answer to a POST.
async fn post(stage: &Stage, path: &str, body: Value) -> (u16, String) {
    let request = Request::post(path)
        .header("Content-Type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let router = routes::admitted(stage.shown.clone(), Debugging::On, Admission::Known.into());
    let router = router.layer(MockConnectInfo(Guest::Root));
    let answer = router.oneshot(request).await.unwrap();
    let code = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

/// Shows the pod with its container, which has been started once.
fn publish(stage: &Stage, phase: &str) {
    let web = core::ContainerStatus {
        name: "web".to_owned(),
        container_id: Some("fake://container-1".to_owned()),
        restart_count: 2,
        ..core::ContainerStatus::default()
    };
    let shown = core::PodStatus {
        container_statuses: Some(vec![web]),
        ..status(phase)
    };
    stage.shown.exhibits.pods.publish(&stage.pod, &shown);
}

#[tokio::test]
async fn a_restart_names_containers_as_they_are() {
    let mut stage = Stage::new();
    let path = "/pods/default/web-node/restart";
    let (code, words) = post(&stage, path, Value::Null).await;
    assert_eq!(code, 400, "{words}");
    assert!(words.contains("has not been started yet"), "{words}");

    publish(&stage, "Running");
    let (code, told) = post(&stage, path, Value::Null).await;
    assert_eq!(code, 200, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let expected = json!({ "name": "web", "containerID": "fake://container-1", "restartCount": 2 });
    assert_eq!(told["containers"], json!([expected]));
    let Some(Input::Restart { uid, containers }) = stage.inputs.recv().await else {
        panic!("a restart is asked for");
    };
    assert_eq!(uid, stage.pod.uid);
    assert_eq!(containers, ["container-1".into()].into());

    for (path, code) in [
        ("/pods/default/web-node/restart?container=x", 404),
        ("/pods/default/nobody/restart", 404),
    ] {
        assert_eq!(post(&stage, path, Value::Null).await.0, code, "{path}");
    }
    publish(&stage, "Failed");
    assert_eq!(post(&stage, path, Value::Null).await.0, 400);
}

#[tokio::test]
async fn a_container_is_added_to_a_pod_that_runs() {
    let mut stage = Stage::new();
    let path = "/pods/default/web-node/ephemeralcontainers";
    let debug = json!({ "name": "debug", "image": "box:1", "targetContainerName": "web" });
    // Before its directory is made it is not there.
    assert_eq!(post(&stage, path, debug.clone()).await.0, 400);
    let directory = stage.shown.exhibits.layout.pod(&stage.pod.uid);
    std::fs::create_dir_all(directory).unwrap();
    let (code, pod) = post(&stage, path, debug.clone()).await;
    assert_eq!(code, 200, "{pod}");
    let pod: Value = serde_json::from_str(&pod).unwrap();
    assert_eq!(pod["spec"]["ephemeralContainers"][0]["name"], "debug");
    assert!(matches!(stage.inputs.recv().await, Some(Input::Added(_))));
    let (code, words) = post(&stage, path, debug).await;
    assert_eq!(code, 422, "{words}");
    assert!(words.contains("Duplicate value: \"debug\""), "{words}");
    publish(&stage, "Succeeded");
    assert_eq!(
        post(&stage, path, json!({ "name": "b", "image": "b" }))
            .await
            .0,
        400
    );
}
