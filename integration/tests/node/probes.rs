//! Probes: a container is asked whether it has started, lives and can serve.

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::{is_running, pod, shell};

/// A spec whose container `main` runs a script and has these probes, each asked every second.
fn probed(image: &str, script: &str, probes: &[(&str, Value)]) -> Value {
    let mut spec = shell(image, script);
    for (field, probe) in probes {
        let mut probe = probe.clone();
        probe["periodSeconds"] = json!(1);
        spec["containers"][0][field] = probe;
    }
    spec["terminationGracePeriodSeconds"] = json!(1);
    spec
}

fn exec(command: &str) -> Value {
    json!({ "exec": { "command": ["sh", "-c", command] } })
}

fn has_event(node: &Node, reason: &str, message: &str) -> bool {
    let events = node.kubelet("/events").map(|answer| answer.text());
    let events: Value = serde_json::from_str(&events.unwrap_or_default()).unwrap_or_default();
    events["items"].as_array().is_some_and(|events| {
        events.iter().any(|event| {
            event["reason"] == reason
                && event["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(message))
        })
    })
}

fn is_restarted(pod: &Pod) -> bool {
    pod.main().is_some_and(|main| main.restarts() >= 1)
}

#[tokio::test]
async fn a_container_that_does_not_live_is_started_again() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mut alive = exec("echo not well; test ! -e /dead");
    alive["failureThreshold"] = json!(1);
    let script = "sleep 1; touch /dead; sleep 1000";
    let spec = probed(&image, script, &[("livenessProbe", alive)]);
    node.manifest("ill.yaml", &pod("ill", spec));
    node.wait_pod("ill", "is started again", is_restarted).await;
    assert!(has_event(
        &node,
        "Unhealthy",
        "Liveness probe failed: not well"
    ));
    assert!(has_event(
        &node,
        "Killing",
        "Container main failed liveness probe, will be restarted"
    ));
    node.stop().await;
}

#[tokio::test]
async fn a_container_that_never_starts_is_given_up_and_started_again() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mut started = exec("false");
    started["failureThreshold"] = json!(2);
    let probes = [("startupProbe", started), ("readinessProbe", exec("true"))];
    let spec = probed(&image, "sleep 1000", &probes);
    node.manifest("slow.yaml", &pod("slow", spec));
    let running = node.wait_pod("slow", "runs", is_running).await;
    let main = running.main().expect("it runs");
    assert_eq!(
        (&main.0["started"], &main.0["ready"]),
        (&json!(false), &json!(false))
    );
    node.wait_pod("slow", "is started again", is_restarted)
        .await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_is_ready_when_its_probe_says_so_and_stays_so_over_a_crash_of_the_daemon() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let script = "while [ ! -e /go ]; do sleep 0.1; done; mkdir /w; echo hi > /w/ready; \
                  exec httpd -f -p 8080 -h /w";
    let page = json!({ "httpGet": { "port": "web", "path": "/ready" } });
    let open = json!({ "tcpSocket": { "port": 8080 }, "failureThreshold": 100 });
    let probes = [("readinessProbe", page), ("startupProbe", open)];
    let mut spec = probed(&image, script, &probes);
    spec["containers"][0]["ports"] = json!([{ "name": "web", "containerPort": 8080 }]);
    node.manifest("web.yaml", &pod("web", spec));

    let running = node.wait_pod("web", "runs", is_running).await;
    assert!(!running.is_ready(), "nobody listens yet");
    let made = node.podling(&["exec", "web", "--", "touch", "/go"]);
    assert!(made.status.success(), "{made:?}");
    let ready = node.wait_pod("web", "is ready", Pod::is_ready).await;
    let id = ready.main().expect("it runs").id().to_owned();

    node.kill9();
    node.restart().await;
    let first_seen = node.wait_pod("web", "is seen again", is_running).await;
    assert!(first_seen.is_ready(), "{:?}", first_seen.0["status"]);
    assert_eq!(first_seen.main().expect("it runs").id(), id);
    node.stop().await;
}
