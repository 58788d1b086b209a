//! init-containers, lifecycle-events, startup-coordination, restart-all-containers.

use podling_integration::harness::{DEADLINE, http, wait_for};
use serde_json::json;

use super::{Site, example};

#[tokio::test]
async fn website_an_init_container_prepares_what_is_served() {
    let site = Site::start(&["busybox", "nginx"]).await;
    let spec = json!({
        "containers": [{
            "name": "nginx", "image": "nginx", "ports": [{ "containerPort": 80 }],
            "volumeMounts": [{ "name": "workdir", "mountPath": "/usr/share/nginx/html" }],
        }],
        "initContainers": [{
            "name": "install", "image": "busybox:1.28",
            "command": ["sh", "-c", "echo from the init container > /work-dir/index.html"],
            "volumeMounts": [{ "name": "workdir", "mountPath": "/work-dir" }],
        }],
        "dnsPolicy": "Default",
        "volumes": [{ "name": "workdir", "emptyDir": {} }],
    });
    site.apply("init-containers", &[example("init-demo", spec)]);
    let pod = site.ready("init-demo").await;
    let address = (pod.ip().expect("it has one"), 80).into();
    let served = wait_for(DEADLINE, "the page is served", async || {
        http::get(address, "/").ok()
    })
    .await;
    assert_eq!(served.text(), "from the init container\n");
    site.node.stop().await;
}

#[tokio::test]
async fn website_hooks_run_after_the_start_and_before_the_end() {
    let site = Site::start(&["busybox"]).await;
    let spec = json!({ "terminationGracePeriodSeconds": 5, "containers": [{
        "name": "lifecycle-demo-container", "image": "busybox", "command": ["sleep", "3600"],
        "lifecycle": {
            "postStart": { "exec": { "command": [
                "/bin/sh", "-c", "echo Hello from the postStart handler > /tmp/message",
            ] } },
            "preStop": { "exec": { "command": ["/bin/sh", "-c", "echo asked > /told/message"] } },
        },
        "volumeMounts": [{ "name": "told", "mountPath": "/told" }],
    }], "volumes": [{ "name": "told", "hostPath": { "path": site.node.folder() } }] });
    site.apply("lifecycle-events", &[example("lifecycle-demo", spec)]);
    site.ready("lifecycle-demo").await;
    let message = site.shell(
        "lifecycle-demo",
        "lifecycle-demo-container",
        "cat /tmp/message",
    );
    assert_eq!(message, "Hello from the postStart handler\n");
    site.node.remove_manifest("lifecycle-events.yaml");
    site.node.wait_gone("lifecycle-demo").await;
    let told = std::fs::read_to_string(site.node.folder().join("message"));
    assert_eq!(told.expect("the hook has run"), "asked\n");
    site.node.stop().await;
}

#[tokio::test]
async fn website_a_sidecar_is_waited_for_until_it_has_started() {
    let site = Site::start(&["busybox"]).await;
    let mounts = json!([{ "name": "config", "mountPath": "/config" }]);
    let spec = json!({
        "initContainers": [{
            "name": "config-sidecar", "image": "registry.k8s.io/busybox:1.27.2", "restartPolicy": "Always",
            "command": ["sh", "-c", "sleep 1; echo greeting=hello > /config/app.conf; sleep 3600"],
            "startupProbe": { "exec": { "command": ["test", "-f", "/config/app.conf"] }, "periodSeconds": 1 },
            "volumeMounts": mounts,
        }],
        "containers": [{
            "name": "main-app", "image": "registry.k8s.io/busybox:1.27.2",
            "command": ["sh", "-c", "cat /config/app.conf; sleep 3600"], "volumeMounts": mounts,
        }],
        "volumes": [{ "name": "config", "emptyDir": {} }],
    });
    site.apply(
        "startup-coordination",
        &[example("startup-coordination-example", spec)],
    );
    let pod = site.ready("startup-coordination-example").await;
    wait_for(DEADLINE, "the greeting is read", async || {
        (site.node.logs(&pod, "main-app") == "greeting=hello\n").then_some(())
    })
    .await;
    site.node.stop().await;
}

#[tokio::test]
async fn website_an_exit_code_of_a_sidecar_restarts_all_containers_of_its_pod() {
    let site = Site::start(&["busybox"]).await;
    let counted = json!([{ "name": "count", "mountPath": "/count" }]);
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [
            {
                "name": "setup-environment", "image": "registry.k8s.io/busybox:1.27.2",
                "command": ["sh", "-c", "echo x >> /count/setups"], "volumeMounts": counted,
            },
            {
                "name": "watcher-sidecar", "image": "registry.k8s.io/busybox:1.27.2",
                "command": ["sh", "-c", "[ $(wc -l < /count/setups) -gt 1 ] && sleep 3600; sleep 2; exit 88"],
                "restartPolicy": "Always",
                "restartPolicyRules": [{
                    "action": "RestartAllContainers", "exitCodes": { "operator": "In", "values": [88] },
                }],
                "volumeMounts": counted,
            },
        ],
        "containers": [{
            "name": "main-application", "image": "registry.k8s.io/busybox:1.27.2",
            "command": ["sh", "-c", "echo Application is running; sleep 3600"],
        }],
        "volumes": [{ "name": "count", "hostPath": { "path": site.node.folder() } }],
    });
    site.apply("restart-all-containers", &[example("ml-worker", spec)]);
    let setups = || std::fs::read_to_string(site.node.folder().join("setups")).unwrap_or_default();
    wait_for(DEADLINE, "all of it begins anew", async || {
        (setups().lines().count() == 2).then_some(())
    })
    .await;
    let pod = site.ready("ml-worker").await;
    assert!(
        pod.container("main-application")
            .is_some_and(|main| main.is_running())
    );
    site.node.stop().await;
}
