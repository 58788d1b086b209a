//! Which fields that Kubernetes knows are set in a manifest and not handled yet?
//!
//! The table lists what is handled. A field missing from it is named to the user, so nothing that
//! is written in a manifest is passed over in silence.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

/// Fields with all that is below them, without list indexes. Those of metadata, and those that only
/// a scheduler or an API server reads, need nothing done on a node.
const HANDLED: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "status",
    "spec.activeDeadlineSeconds",
    "spec.affinity",
    "spec.automountServiceAccountToken",
    "spec.dnsConfig",
    "spec.dnsPolicy",
    "spec.enableServiceLinks",
    "spec.hostAliases",
    "spec.hostIPC",
    "spec.hostNetwork",
    "spec.hostPID",
    "spec.hostUsers",
    "spec.hostname",
    "spec.hostnameOverride",
    "spec.imagePullSecrets",
    "spec.nodeName",
    "spec.nodeSelector",
    "spec.os",
    "spec.overhead",
    "spec.preemptionPolicy",
    "spec.priority",
    "spec.priorityClassName",
    "spec.readinessGates",
    "spec.resources",
    "spec.restartPolicy",
    "spec.runtimeClassName",
    "spec.schedulerName",
    "spec.securityContext.appArmorProfile",
    "spec.securityContext.fsGroup",
    "spec.securityContext.fsGroupChangePolicy",
    "spec.securityContext.runAsGroup",
    "spec.securityContext.runAsNonRoot",
    "spec.securityContext.runAsUser",
    "spec.securityContext.seLinuxOptions",
    "spec.securityContext.seccompProfile",
    "spec.securityContext.supplementalGroups",
    "spec.securityContext.supplementalGroupsPolicy",
    "spec.securityContext.sysctls",
    "spec.setHostnameAsFQDN",
    "spec.shareProcessNamespace",
    "spec.subdomain",
    "spec.terminationGracePeriodSeconds",
    "spec.tolerations",
    "spec.topologySpreadConstraints",
    "spec.volumes.name",
    "spec.volumes.awsElasticBlockStore",
    "spec.volumes.azureDisk",
    "spec.volumes.azureFile",
    "spec.volumes.cinder",
    "spec.volumes.configMap",
    "spec.volumes.csi",
    "spec.volumes.downwardAPI",
    "spec.volumes.emptyDir",
    "spec.volumes.ephemeral",
    "spec.volumes.gcePersistentDisk",
    "spec.volumes.hostPath",
    "spec.volumes.image",
    "spec.volumes.persistentVolumeClaim",
    "spec.volumes.portworxVolume",
    "spec.volumes.projected",
    "spec.volumes.secret",
    "spec.volumes.vsphereVolume",
];

/// Fields of a container, of whichever list.
const HANDLED_OF_CONTAINER: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle.postStart",
    "lifecycle.preStop",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources.limits",
    "resources.requests",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext.allowPrivilegeEscalation",
    "securityContext.appArmorProfile",
    "securityContext.capabilities",
    "securityContext.privileged",
    "securityContext.procMount",
    "securityContext.readOnlyRootFilesystem",
    "securityContext.runAsGroup",
    "securityContext.runAsNonRoot",
    "securityContext.runAsUser",
    "securityContext.seLinuxOptions",
    "securityContext.seccompProfile",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

const CONTAINERS: &[&str] = &[
    "spec.containers",
    "spec.initContainers",
    "spec.ephemeralContainers",
];

/// Paths of the fields of a pod, as it was written, that are not handled yet.
pub fn not_handled(pod: &core::Pod) -> Vec<String> {
    let value = serde_json::to_value(pod).expect("a decoded pod can be written again");
    let mut found = Vec::new();
    walk(&value, "", "", &mut found);
    found
}

/// Walks down as long as the table knows something below; `plain` is `path` without indexes.
fn walk(value: &Value, path: &str, plain: &str, found: &mut Vec<String>) {
    if !plain.is_empty() {
        match knowledge(plain) {
            Knowledge::Handled => return,
            Knowledge::Below => {}
            Knowledge::Nothing => return found.push(path.to_owned()),
        }
    }
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                walk(field, &join(path, key), &join(plain, key), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), plain, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

enum Knowledge {
    Handled,
    Below,
    Nothing,
}

fn knowledge(plain: &str) -> Knowledge {
    let in_container = CONTAINERS.iter().find_map(|list| plain.strip_prefix(list));
    match in_container {
        Some("") => Knowledge::Below,
        Some(rest) if rest.starts_with('.') => knowledge_from(HANDLED_OF_CONTAINER, &rest[1..]),
        _ if plain == "spec" => Knowledge::Below,
        _ => knowledge_from(HANDLED, plain),
    }
}

fn knowledge_from(table: &[&str], plain: &str) -> Knowledge {
    let is_above = |entry: &&str| {
        entry
            .strip_prefix(plain)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    if table.contains(&plain) {
        Knowledge::Handled
    } else if table.iter().any(is_above) {
        Knowledge::Below
    } else {
        Knowledge::Nothing
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(spec: &str) -> Vec<String> {
        let pod = serde_json::from_str(&format!(r#"{{"spec": {spec}}}"#)).unwrap();
        not_handled(&pod)
    }

    #[test]
    fn a_field_that_is_not_handled_yet_is_named() {
        let rows = [
            (
                r#"{"containers": [{"name": "a", "image": "b", "tty": true}]}"#,
                vec![],
            ),
            (
                r#"{"containers": [{"name": "a"}, {"name": "b", "lifecycle": {"stopSignal": "SIGUSR1"}}]}"#,
                vec!["spec.containers[1].lifecycle.stopSignal"],
            ),
            (
                r#"{"containers": [], "initContainers": [{"name": "a", "restartPolicy": "Always"}]}"#,
                vec![],
            ),
            (
                r#"{"containers": [], "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "nfs": {"path": "/", "server": "s"}}]}"#,
                vec!["spec.volumes[1].nfs"],
            ),
            (
                r#"{"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}, "claims": [{"name": "c"}]}}]}"#,
                vec!["spec.containers[0].resources.claims"],
            ),
        ];
        for (spec, expected) in rows {
            assert_eq!(found(spec), expected, "{spec}");
        }
    }
}
