//! security-context and those numbered after it, seccomp.

use serde_json::json;

use super::{Site, example};

#[tokio::test]
async fn website_processes_and_files_have_the_ids_of_the_security_context() {
    let site = Site::start(&["busybox"]).await;
    let spec = json!({
        "securityContext": {
            "runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000],
        },
        "volumes": [{ "name": "sec-ctx-vol", "emptyDir": {} }],
        "containers": [{
            "name": "sec-ctx-demo", "image": "busybox:1.28", "command": ["sh", "-c", "sleep 1h"],
            "volumeMounts": [{ "name": "sec-ctx-vol", "mountPath": "/data/demo" }],
            "securityContext": { "allowPrivilegeEscalation": false },
        }],
    });
    site.apply(
        "security-context",
        &[example("security-context-demo", spec)],
    );
    site.ready("security-context-demo").await;
    let script = "id; cd /data/demo; echo hello > testfile; stat -c '%u %g' testfile; stat -c %g .; \
                  grep NoNewPrivs /proc/self/status";
    let said = site.shell("security-context-demo", "sec-ctx-demo", script);
    assert_eq!(
        said,
        "uid=1000 gid=3000 groups=2000,3000,4000\n1000 2000\n2000\nNoNewPrivs:\t1\n"
    );

    let spec = json!({
        "securityContext": { "runAsUser": 1000 },
        "containers": [{
            "name": "sec-ctx-demo-2", "image": "gcr.io/google-samples/hello-app:2.0",
            "command": ["sleep", "3600"],
            "securityContext": { "runAsUser": 2000, "allowPrivilegeEscalation": false },
        }],
    });
    site.apply(
        "security-context-2",
        &[example("security-context-demo-2", spec)],
    );
    site.ready("security-context-demo-2").await;
    assert_eq!(
        site.shell("security-context-demo-2", "sec-ctx-demo-2", "id -u"),
        "2000\n"
    );
    site.node.stop().await;
}

#[tokio::test]
async fn website_capabilities_and_seccomp_are_those_that_were_asked_for() {
    let site = Site::start(&["busybox"]).await;
    let demo = |name: &str, security: serde_json::Value| {
        let spec = json!({
            "containers": [{
                "name": name, "image": "gcr.io/google-samples/hello-app:2.0",
                "command": ["sleep", "3600"], "securityContext": security,
            }],
        });
        example(name, spec)
    };
    site.apply("security-context-3", &[demo("sec-ctx-3", json!({}))]);
    let added = json!({ "capabilities": { "add": ["NET_ADMIN", "SYS_TIME"] } });
    site.apply("security-context-4", &[demo("sec-ctx-4", added)]);
    let profile = json!({
        "seccompProfile": { "type": "RuntimeDefault" }, "allowPrivilegeEscalation": false,
    });
    site.apply("seccomp-default-pod", &[demo("default-pod", profile)]);
    for name in ["sec-ctx-3", "sec-ctx-4", "default-pod"] {
        site.ready(name).await;
    }
    let capabilities = |name: &str| {
        let said = site.shell(name, name, "grep CapPrm /proc/1/status");
        let bits = said.split_whitespace().nth(1).expect("a mask").to_owned();
        u64::from_str_radix(&bits, 16).expect("it is in hexadecimal")
    };
    let (net_admin, sys_time) = (1 << 12, 1 << 25);
    let usual = capabilities("sec-ctx-3");
    assert_eq!(usual, 0xa804_25fb);
    assert_eq!(capabilities("sec-ctx-4"), usual | net_admin | sys_time);
    let seccomp = site.shell("default-pod", "default-pod", "grep Seccomp: /proc/1/status");
    assert_eq!(seccomp, "Seccomp:\t2\n");
    site.node.stop().await;
}
