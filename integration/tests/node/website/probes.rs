//! exec-liveness, http-liveness, grpc-liveness, tcp-liveness-readiness, and probes of named ports.

use podling_integration::harness::{DEADLINE, wait_for};
use serde_json::json;

use super::{Site, described, example};

#[tokio::test]
async fn website_a_container_whose_liveness_command_fails_is_restarted() {
    let site = Site::start(&["busybox"]).await;
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "liveness", "image": "registry.k8s.io/busybox:1.27.2",
            "args": ["/bin/sh", "-c", "touch /tmp/healthy; sleep 3; rm -f /tmp/healthy; sleep 600"],
            "livenessProbe": {
                "exec": { "command": ["cat", "/tmp/healthy"] },
                "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1,
            },
        }],
    });
    let example = described(
        "liveness-exec",
        json!({ "test": "liveness" }),
        json!({}),
        spec,
    );
    site.apply("exec-liveness", &[example]);
    site.node
        .wait_pod("liveness-exec", "it has been restarted", |pod| {
            pod.container("liveness")
                .is_some_and(|one| one.restarts() > 0)
        })
        .await;
    let events = site.node.podling(&["events", "--for", "liveness-exec"]);
    let events = String::from_utf8_lossy(&events.stdout);
    for words in [
        "Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory",
        "Container liveness failed liveness probe, will be restarted",
    ] {
        assert!(events.contains(words), "{words}: {events}");
    }
    site.node.stop().await;
}

#[tokio::test]
async fn website_a_container_that_answers_no_more_over_http_is_restarted() {
    let site = Site::start(&["busybox"]).await;
    let script = "mkdir /www; touch /www/healthz; httpd -p 8080 -h /www; sleep 4; rm /www/healthz; sleep 600";
    let spec = json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "liveness", "image": "busybox", "args": ["sh", "-c", script],
            "livenessProbe": {
                "httpGet": {
                    "path": "/healthz", "port": 8080,
                    "httpHeaders": [{ "name": "Custom-Header", "value": "Awesome" }],
                },
                "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1,
            },
        }],
    });
    site.apply("http-liveness", &[example("liveness-http", spec)]);
    site.node
        .wait_pod("liveness-http", "it has been restarted", |pod| {
            pod.container("liveness")
                .is_some_and(|one| one.restarts() > 0)
        })
        .await;
    let events = site
        .node
        .podling(&["events", "--for", "liveness-http", "--types=Warning"]);
    let events = String::from_utf8_lossy(&events.stdout);
    let words = "Liveness probe failed: HTTP probe failed with statuscode: 404";
    assert!(events.contains(words), "{events}");
    site.node.stop().await;
}

#[tokio::test]
async fn website_a_pod_is_ready_once_its_ports_take_connections() {
    let site = Site::start(&["busybox"]).await;
    let script = "sleep 2; while true; do nc -l -p 8080 -e true; done";
    let spec = json!({ "containers": [{
        "name": "goproxy", "image": "busybox", "args": ["sh", "-c", script],
        "ports": [{ "name": "liveness-port", "containerPort": 8080 }],
        "readinessProbe": { "tcpSocket": { "port": 8080 }, "periodSeconds": 1 },
        "livenessProbe": {
            "tcpSocket": { "port": "liveness-port" }, "initialDelaySeconds": 15, "periodSeconds": 10,
        },
        "startupProbe": {
            "tcpSocket": { "port": "liveness-port" }, "failureThreshold": 30, "periodSeconds": 1,
        },
    }] });
    site.apply("tcp-liveness-readiness", &[example("goproxy", spec)]);
    let seen = site
        .node
        .wait_pod("goproxy", "it runs", |pod| pod.phase() == "Running")
        .await;
    assert_eq!(seen.container("goproxy").map(|one| one.restarts()), Some(0));
    let pod = site.ready("goproxy").await;
    assert_eq!(pod.container("goproxy").map(|one| one.restarts()), Some(0));
    wait_for(
        DEADLINE,
        "the probes of its start have been seen to fail",
        async || {
            let events = site.node.podling(&["events", "--for", "goproxy"]);
            String::from_utf8_lossy(&events.stdout)
                .contains("Startup probe failed: dial tcp")
                .then_some(())
        },
    )
    .await;
    site.node.stop().await;
}

#[tokio::test]
async fn website_a_container_whose_health_service_is_not_well_is_restarted() {
    let site = Site::start(&[]).await;
    let image = site.node.import_testbox().await;
    let container = |name: &str, args: &[&str]| {
        json!({
            "name": name, "image": image, "args": args, "ports": [{ "containerPort": 2379 }],
            "livenessProbe": {
                "grpc": { "port": 2379 },
                "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1,
            },
        })
    };
    let well = json!({ "containers": [container("etcd", &["health", "2379"])] });
    let fails = container("etcd", &["health", "2379", "--well-for", "4000"]);
    let fails = json!({ "terminationGracePeriodSeconds": 1, "containers": [fails] });
    // Its image is local already.
    let write = |name: &str, spec| {
        let file = format!("{name}.yaml");
        site.node.manifest(&file, &example(name, spec).to_string());
    };
    write("etcd-with-grpc", well);
    write("etcd-that-fails", fails);
    site.node
        .wait_pod("etcd-that-fails", "it has been restarted", |pod| {
            pod.container("etcd").is_some_and(|one| one.restarts() > 0)
        })
        .await;
    let events = site
        .node
        .podling(&["events", "--for", "etcd-that-fails", "--types=Warning"]);
    let events = String::from_utf8_lossy(&events.stdout);
    let words = "Liveness probe failed: service unhealthy (responded with \"NOT_SERVING\")";
    assert!(events.contains(words), "{events}");
    let pod = site.ready("etcd-with-grpc").await;
    assert_eq!(pod.container("etcd").map(|one| one.restarts()), Some(0));
    site.node.stop().await;
}
