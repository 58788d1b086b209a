//! pod-configmap-*, secret-*, envFrom, redis-pod: configuration from objects beside the pods.

use serde_json::{Value, json};

use super::{Site, example, object};

/// A pod that prints its environment and ends.
fn printer(name: &str, fields: &Value) -> Value {
    let mut container = json!({
        "name": "test-container", "image": "registry.k8s.io/busybox:1.27.2",
        "command": ["env"],
    });
    for (field, value) in fields.as_object().expect("they are fields") {
        container[field] = value.clone();
    }
    example(
        name,
        json!({ "containers": [container], "restartPolicy": "Never" }),
    )
}

fn key(of: &str, name: &str, key: &str) -> Value {
    let mut source = json!({});
    source[of] = json!({ "name": name, "key": key });
    source
}

#[tokio::test]
async fn website_variables_come_from_config_maps_and_secrets() {
    let site = Site::start(&["busybox"]).await;
    let special = object(
        "ConfigMap",
        "special-config",
        json!({ "special.how": "very", "SPECIAL_TYPE": "charm" }),
    );
    let level = object("ConfigMap", "env-config", json!({ "log_level": "INFO" }));
    let secret = object(
        "Secret",
        "backend-user",
        json!({ "backend-username": "backend-admin" }),
    );
    let fields = json!({ "env": [
        { "name": "SPECIAL_LEVEL_KEY", "valueFrom": key("configMapKeyRef", "special-config", "special.how") },
        { "name": "LOG_LEVEL", "valueFrom": key("configMapKeyRef", "env-config", "log_level") },
        { "name": "SECRET_USERNAME", "valueFrom": key("secretKeyRef", "backend-user", "backend-username") },
    ] });
    let pod = printer("dapi-test-pod", &fields);
    site.apply(
        "pod-multiple-configmap-env-variable",
        &[special, level, secret, pod],
    );
    let said = site.output("dapi-test-pod", "test-container").await;
    for line in [
        "SPECIAL_LEVEL_KEY=very",
        "LOG_LEVEL=INFO",
        "SECRET_USERNAME=backend-admin",
    ] {
        assert!(said.lines().any(|one| one == line), "{line}: {said}");
    }
    let fields = json!({ "envFrom": [
        { "configMapRef": { "name": "special-config" } },
        { "prefix": "S_", "secretRef": { "name": "backend-user" } },
    ] });
    site.apply("pod-configmap-envFrom", &[printer("env-from", &fields)]);
    let said = site.output("env-from", "test-container").await;
    for line in [
        "special.how=very",
        "SPECIAL_TYPE=charm",
        "S_backend-username=backend-admin",
    ] {
        assert!(said.lines().any(|one| one == line), "{line}: {said}");
    }
    // A word of a command may be a variable.
    let fields = json!({
        "command": ["/bin/echo", "$(SPECIAL_LEVEL_KEY) $(SPECIAL_TYPE)"],
        "env": [
            { "name": "SPECIAL_LEVEL_KEY", "valueFrom": key("configMapKeyRef", "special-config", "special.how") },
            { "name": "SPECIAL_TYPE", "valueFrom": key("configMapKeyRef", "special-config", "SPECIAL_TYPE") },
        ],
    });
    site.apply(
        "pod-configmap-env-var-valueFrom",
        &[printer("value-from", &fields)],
    );
    assert_eq!(
        site.output("value-from", "test-container").await,
        "very charm\n"
    );
    site.node.stop().await;
}

#[tokio::test]
async fn website_files_come_from_config_maps_and_secrets() {
    let site = Site::start(&["busybox"]).await;
    let map = object(
        "ConfigMap",
        "special-config",
        json!({ "SPECIAL_LEVEL": "very", "SPECIAL_TYPE": "charm" }),
    );
    let secret = object(
        "Secret",
        "test-secret",
        json!({ "username": "my-app", "password": "39528$vdg7Jb" }),
    );
    let mut pod = printer(
        "dapi-test-pod",
        &json!({
            "command": ["/bin/sh", "-c", "ls /etc/config/ /etc/secret-volume; cat /etc/one/keys; cat /etc/secret-volume/password"],
            "volumeMounts": [
                { "name": "config-volume", "mountPath": "/etc/config" },
                { "name": "one-key", "mountPath": "/etc/one" },
                { "name": "secret-volume", "mountPath": "/etc/secret-volume", "readOnly": true },
            ],
        }),
    );
    pod["spec"]["volumes"] = json!([
        { "name": "config-volume", "configMap": { "name": "special-config" } },
        { "name": "one-key", "configMap": {
            "name": "special-config", "items": [{ "key": "SPECIAL_LEVEL", "path": "keys" }],
        } },
        { "name": "secret-volume", "secret": { "secretName": "test-secret" } },
    ]);
    site.apply("pod-configmap-volume", &[map, secret, pod]);
    let said = site.output("dapi-test-pod", "test-container").await;
    let expected = "/etc/config/:\nSPECIAL_LEVEL\nSPECIAL_TYPE\n\n/etc/secret-volume:\npassword\nusername\nvery39528$vdg7Jb";
    assert_eq!(said, expected);
    site.node.stop().await;
}

#[tokio::test]
async fn website_redis_is_configured_by_a_config_map() {
    let site = Site::start(&["redis"]).await;
    let map = object(
        "ConfigMap",
        "example-redis-config",
        json!({
            "redis-config": "maxmemory 2mb\nmaxmemory-policy allkeys-lru\n",
        }),
    );
    let spec = json!({
        "containers": [{
            "name": "redis", "image": "redis:8.0.2",
            "command": ["redis-server", "/redis-master/redis.conf"],
            "env": [{ "name": "MASTER", "value": "true" }],
            "ports": [{ "containerPort": 6379 }],
            "resources": { "limits": { "cpu": "0.1" } },
            "volumeMounts": [
                { "mountPath": "/redis-master-data", "name": "data" },
                { "mountPath": "/redis-master", "name": "config" },
            ],
            "readinessProbe": { "tcpSocket": { "port": 6379 }, "periodSeconds": 1 },
        }],
        "volumes": [
            { "name": "data", "emptyDir": {} },
            { "name": "config", "configMap": {
                "name": "example-redis-config",
                "items": [{ "key": "redis-config", "path": "redis.conf" }],
            } },
        ],
    });
    site.apply("redis-pod", &[map, example("redis", spec)]);
    site.ready("redis").await;
    let asked = site.node.podling(&[
        "exec",
        "redis",
        "--",
        "redis-cli",
        "CONFIG",
        "GET",
        "maxmemory",
    ]);
    assert_eq!(
        String::from_utf8_lossy(&asked.stdout),
        "maxmemory\n2097152\n"
    );
    site.node.stop().await;
}
