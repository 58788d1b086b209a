//! Tables of manifests and what is wrong with each.

use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::{convert, read_hook};
use crate::model::{
    AppArmorProfile, EnvValue, ExitCodes, Hook, HostPathKind, HttpGet, HttpHeader, Medium,
    NetworkMode, PidMode, PodSpec, PortRef, Probe, ProbeAction, Protocol, RestartAction,
    RestartRule, Scheme, VolumeSource,
};
use crate::source::set_defaults;

/// A pod with one container `web`, and what `change` does to it.
fn manifest(change: impl Fn(&mut Value)) -> core::Pod {
    let mut value = json!({
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
    });
    change(&mut value);
    let mut pod = serde_json::from_value(value).unwrap();
    set_defaults(&mut pod);
    pod
}

fn converted(change: impl Fn(&mut Value)) -> PodSpec {
    convert(&manifest(change)).unwrap()
}

fn problems(change: impl Fn(&mut Value)) -> Vec<String> {
    let problems = convert(&manifest(change)).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_smallest_pod_is_fine() {
    let spec = converted(|_| ());
    assert_eq!(spec.containers[0].image, "nginx:1");
    assert_eq!(spec.termination_grace_period.as_secs(), 30);
}

/// A field of a pod, what is written in it, and how the only problem begins.
const MISTAKES_IN_PODS: &[(&str, &str, &str)] = &[
    ("/metadata/name", r#""""#, "metadata.name: Required"),
    ("/metadata/name", r#""Web""#, "metadata.name: Invalid value"),
    (
        "/metadata/namespace",
        r#""a.b""#,
        "metadata.namespace: Invalid value",
    ),
    ("/spec/containers", r#"[]"#, "spec.containers: Required"),
    (
        "/spec/restartPolicy",
        r#""Sometimes""#,
        "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\"",
    ),
    (
        "/spec/dnsPolicy",
        r#""Mine""#,
        "spec.dnsPolicy: Unsupported",
    ),
    (
        "/spec/dnsPolicy",
        r#""None""#,
        "spec.dnsConfig.nameservers: Required",
    ),
    (
        "/spec/terminationGracePeriodSeconds",
        "-1",
        "spec.terminationGracePeriodSeconds: Invalid",
    ),
    (
        "/spec/activeDeadlineSeconds",
        "0",
        "spec.activeDeadlineSeconds: Invalid",
    ),
    ("/spec/hostname", r#""a.b""#, "spec.hostname: Invalid"),
    (
        "/spec/hostAliases",
        r#"[{"ip": "nowhere"}]"#,
        "spec.hostAliases[0].ip: Invalid",
    ),
    (
        "/spec/serviceAccountName",
        r#""me""#,
        "spec.serviceAccountName: Forbidden",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "persistentVolumeClaim": {"claimName": ""}}]"#,
        "spec.volumes[0].persistentVolumeClaim.claimName: Required",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]"#,
        "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"path": "t"}}]}}]"#,
        "spec.volumes[0].projected.sources[0].clusterTrustBundle: Required value: either name or signerName",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"signerName": "me", "path": "t"}}]}}]"#,
        "spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "projected": {"sources": [{"podCertificate":
            {"signerName": "a.b/c", "keyType": "ED25519", "keyPath": "k"}}]}}]"#,
        "spec.volumes[0].projected.sources[0].podCertificate: Forbidden",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "../k"}]}}]"#,
        "spec.volumes[0].configMap.items[0].path: Invalid",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "secret": {"secretName": "s", "defaultMode": 512}}]"#,
        "spec.volumes[0].secret.defaultMode: Invalid",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "status.podIP"}}]}}]"#,
        "spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath: Unsupported",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "emptyDir": {"medium": "HugePages"}}]"#,
        "spec.volumes[0].emptyDir.medium: Invalid",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "emptyDir": {"medium": "HugePages-2Mi"}}]"#,
        "spec.volumes[0].emptyDir.medium: Invalid",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "hostPath": {"path": ""}}]"#,
        "spec.volumes[0].hostPath.path: Required",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "hostPath": {"path": "/a/../b"}}]"#,
        "spec.volumes[0].hostPath.path: Invalid",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "hostPath": {"path": "/a", "type": "Disk"}}]"#,
        "spec.volumes[0].hostPath.type: Unsupported",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v", "hostPath": {"path": "/a"}, "emptyDir": {}}]"#,
        "spec.volumes[0]: Forbidden",
    ),
    (
        "/spec/volumes",
        r#"[{"name": "v"}, {"name": "v"}]"#,
        "spec.volumes[1].name: Duplicate",
    ),
    (
        "/spec/securityContext",
        r#"{"runAsUser": -1}"#,
        "spec.securityContext.runAsUser: Invalid",
    ),
    (
        "/spec/securityContext",
        r#"{"seccompProfile": {"type": "Localhost"}}"#,
        "spec.securityContext.seccompProfile.localhostProfile: Required",
    ),
    (
        "/spec/initContainers",
        r#"[{"name": "a", "image": "a:1", "readinessProbe": {"tcpSocket": {"port": 80}}}]"#,
        "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers",
    ),
    (
        "/spec/initContainers",
        r#"[{"name": "web", "image": "a:1"}]"#,
        "spec.containers[0].name: Duplicate",
    ),
];

/// The same for fields of a container.
const MISTAKES_IN_CONTAINERS: &[(&str, &str, &str)] = &[
    ("name", r#""we_b""#, ".name: Invalid"),
    ("image", r#""""#, ".image: Required"),
    ("image", r#"" nginx""#, ".image: Invalid"),
    (
        "imagePullPolicy",
        r#""Often""#,
        ".imagePullPolicy: Unsupported",
    ),
    ("env", r#"[{"name": "A=B"}]"#, ".env[0].name: Invalid"),
    (
        "env",
        r#"[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.magic"}}}]"#,
        ".env[0].valueFrom.fieldRef.fieldPath: Unsupported",
    ),
    (
        "env",
        r#"[{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k", "name": ""}}}]"#,
        ".env[0].valueFrom.secretKeyRef.name: Required",
    ),
    (
        "env",
        r#"[{"name": "A", "valueFrom": {"configMapKeyRef": {"key": "..k", "name": "m"}}}]"#,
        ".env[0].valueFrom.configMapKeyRef.key: Invalid",
    ),
    (
        "env",
        r#"[{"name": "A", "valueFrom": {}}]"#,
        ".env[0].valueFrom: Invalid value: must specify one of",
    ),
    (
        "env",
        r#"[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}]"#,
        ".env[0].valueFrom.resourceFieldRef.resource: Unsupported",
    ),
    (
        "env",
        r#"[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]"#,
        ".env[0].valueFrom.resourceFieldRef.divisor: Unsupported",
    ),
    (
        "env",
        r#"[{"name": "A", "valueFrom": {"fileKeyRef": {"key": "k", "path": "f", "volumeName": "nowhere"}}}]"#,
        ".env[0].valueFrom.fileKeyRef.volumeName: Not found",
    ),
    (
        "envFrom",
        r#"[{"configMapRef": {"name": "m"}, "secretRef": {"name": "s"}}]"#,
        ".envFrom[0]: Invalid value: may not have more than one",
    ),
    (
        "ports",
        r#"[{"containerPort": 0}]"#,
        ".ports[0].containerPort: Invalid",
    ),
    (
        "ports",
        r#"[{"containerPort": 80, "name": "80"}]"#,
        ".ports[0].name: Invalid",
    ),
    (
        "ports",
        r#"[{"containerPort": 80, "protocol": "ICMP"}]"#,
        ".ports[0].protocol: Unsupported",
    ),
    (
        "ports",
        r#"[{"containerPort": 80, "hostPort": 1}, {"containerPort": 81, "hostPort": 1}]"#,
        ".ports[1].hostPort: Duplicate",
    ),
    (
        "resources",
        r#"{"requests": {"cpu": "much"}}"#,
        ".resources.requests[cpu]: Invalid",
    ),
    (
        "resources",
        r#"{"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}"#,
        ".resources.requests[cpu]: Invalid",
    ),
    (
        "volumeMounts",
        r#"[{"name": "v", "mountPath": "/a"}]"#,
        ".volumeMounts[0].name: Not found",
    ),
    (
        "restartPolicy",
        r#""Sometimes""#,
        ".restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\"",
    ),
    (
        "restartPolicyRules",
        r#"[{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]"#,
        ".restartPolicy: Required value: must specify restartPolicy when restart rules are used",
    ),
    (
        "lifecycle",
        r#"{"preStop": {}}"#,
        ".lifecycle.preStop: Required value: must specify a handler type",
    ),
    (
        "lifecycle",
        r#"{"preStop": {"sleep": {"seconds": 31}}}"#,
        ".lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than termin",
    ),
    (
        "lifecycle",
        r#"{"postStart": {"tcpSocket": {"port": 1}}}"#,
        ".lifecycle.postStart.tcpSocket: Forbidden: not supported",
    ),
    (
        "livenessProbe",
        "{}",
        ".livenessProbe: Required value: must specify a handler type",
    ),
    (
        "livenessProbe",
        r#"{"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}"#,
        ".livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    ),
    (
        "livenessProbe",
        r#"{"exec": {"command": []}}"#,
        ".livenessProbe.exec.command: Required value",
    ),
    (
        "livenessProbe",
        r#"{"tcpSocket": {"port": 0}}"#,
        ".livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535",
    ),
    (
        "readinessProbe",
        r#"{"httpGet": {"port": "no_name"}}"#,
        ".readinessProbe.httpGet.port: Invalid",
    ),
    (
        "readinessProbe",
        r#"{"httpGet": {"port": 80, "scheme": "FTP"}}"#,
        ".readinessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported values: \"HTTP\"",
    ),
    (
        "readinessProbe",
        r#"{"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": ""}]}}"#,
        ".readinessProbe.httpGet.httpHeaders[0].name: Invalid value: \"a b\": a valid HTTP header",
    ),
    (
        "readinessProbe",
        r#"{"tcpSocket": {"port": 80}, "periodSeconds": -1}"#,
        ".readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        "readinessProbe",
        r#"{"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 5}"#,
        ".readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for",
    ),
    (
        "livenessProbe",
        r#"{"grpc": {"port": 80}, "terminationGracePeriodSeconds": 0}"#,
        ".livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
    ),
    (
        "startupProbe",
        r#"{"grpc": {"port": 80}, "successThreshold": 2}"#,
        ".startupProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    (
        "terminationMessagePolicy",
        r#""Book""#,
        ".terminationMessagePolicy: Unsupported",
    ),
    (
        "securityContext",
        r#"{"privileged": true, "allowPrivilegeEscalation": false}"#,
        ".securityContext: Invalid",
    ),
    (
        "securityContext",
        r#"{"procMount": "Unmasked"}"#,
        ".securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use",
    ),
];

#[test]
fn each_mistake_is_told_with_its_field() {
    for (pointer, value, expected) in MISTAKES_IN_PODS {
        one_problem(pointer, value, expected);
    }
    for (field, value, expected) in MISTAKES_IN_CONTAINERS {
        let pointer = format!("/spec/containers/0/{field}");
        one_problem(&pointer, value, &format!("spec.containers[0]{expected}"));
    }
}

fn one_problem(pointer: &str, value: &str, expected: &str) {
    let value: Value = serde_json::from_str(value).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let found = problems(|pod| {
        pod.pointer_mut(parent).unwrap()[field] = value.clone();
    });
    assert_eq!(found.len(), 1, "{pointer} = {value}: {found:?}");
    assert!(
        found[0].starts_with(expected),
        "{pointer} = {value}: {found:?}"
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = problems(|pod| {
        pod["metadata"]["name"] = json!("No");
        pod["spec"]["restartPolicy"] = json!("No");
        pod["spec"]["containers"][0]["image"] = json!("");
    });
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn what_a_manifest_says_arrives() {
    let spec = converted(|pod| {
        pod["spec"]["hostNetwork"] = json!(true);
        pod["spec"]["shareProcessNamespace"] = json!(true);
        pod["spec"]["volumes"] = json!([
            {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "b", "hostPath": {"path": "/b", "type": "File"}},
            {"name": "c", "nfs": {"server": "s", "path": "/"}},
        ]);
        pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 53, "protocol": "UDP"}]);
        pod["spec"]["containers"][0]["env"] = json!([
            {"name": "A", "value": "$(B)"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]);
        pod["spec"]["containers"][0]["resources"] =
            json!({"limits": {"cpu": "250m", "memory": "64Mi"}});
    });
    assert_eq!(spec.namespaces.network, NetworkMode::Host);
    assert_eq!(spec.namespaces.pid, PidMode::Pod);
    let sources: Vec<_> = spec
        .volumes
        .iter()
        .map(|volume| volume.source.clone())
        .collect();
    assert_eq!(
        sources,
        [
            VolumeSource::EmptyDir {
                medium: Medium::Memory,
                size_limit: Some(1 << 20)
            },
            VolumeSource::HostPath {
                path: "/b".to_owned(),
                kind: HostPathKind::File
            },
            VolumeSource::NotHandled {
                kind: "nfs".to_owned()
            },
        ]
    );
    let web = &spec.containers[0];
    assert_eq!(
        (web.ports[0].protocol, web.ports[0].host_port),
        (Protocol::Udp, Some(53))
    );
    assert_eq!(web.env[0].value, EnvValue::Literal("$(B)".to_owned()));
    assert_eq!(web.env[1].value, EnvValue::Field("status.podIP".to_owned()));
    assert_eq!(web.resources.limits.cpu_millis, Some(250));
    assert_eq!(web.resources.requests.memory_bytes, Some(64 << 20));
}

#[test]
fn a_probe_has_the_defaults_of_kubernetes_and_what_is_said_stays() {
    use std::time::Duration;
    let spec = converted(|pod| {
        pod["spec"]["containers"][0]["startupProbe"] = json!({"grpc": {"port": 9000}});
        pod["spec"]["containers"][0]["livenessProbe"] = json!({
            "tcpSocket": {"port": "db", "host": "db.test"},
            "initialDelaySeconds": 1, "periodSeconds": 2, "timeoutSeconds": 3,
            "failureThreshold": 4, "terminationGracePeriodSeconds": 5,
        });
        pod["spec"]["containers"][0]["readinessProbe"] = json!({
            "httpGet": {"port": "8080", "scheme": "HTTPS", "path": "ready?deep=1",
                        "httpHeaders": [{"name": "X-A", "value": "b"}]},
            "successThreshold": 2, "periodSeconds": 0,
        });
    });
    let probes = &spec.containers[0].probes;
    let seconds = Duration::from_secs;
    let startup = Probe {
        action: ProbeAction::Grpc {
            port: 9000,
            service: String::new(),
        },
        initial_delay: seconds(0),
        period: seconds(10),
        timeout: seconds(1),
        success_threshold: 1,
        failure_threshold: 3,
        termination_grace: None,
    };
    let liveness = Probe {
        action: ProbeAction::TcpSocket {
            host: Some("db.test".to_owned()),
            port: PortRef::Name("db".to_owned()),
        },
        initial_delay: seconds(1),
        period: seconds(2),
        timeout: seconds(3),
        failure_threshold: 4,
        termination_grace: Some(seconds(5)),
        ..startup.clone()
    };
    let readiness = Probe {
        action: ProbeAction::HttpGet(HttpGet {
            scheme: Scheme::Https,
            host: None,
            port: PortRef::Number(8080),
            path: "ready?deep=1".to_owned(),
            headers: vec![HttpHeader {
                name: "X-A".to_owned(),
                value: "b".to_owned(),
            }],
        }),
        success_threshold: 2,
        ..startup.clone()
    };
    assert_eq!(probes.startup, Some(startup));
    assert_eq!(probes.liveness, Some(liveness));
    assert_eq!(probes.readiness, Some(readiness));
}

#[test]
fn a_sidecar_may_have_probes_and_hooks_and_rules_arrive() {
    let spec = converted(|pod| {
        pod["spec"]["initContainers"] = json!([{
            "name": "proxy", "image": "a:1", "restartPolicy": "Always",
            "startupProbe": {"tcpSocket": {"port": 1}},
            "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
        }]);
        pod["spec"]["readinessGates"] = json!([{"conditionType": "example.com/lb"}]);
        pod["spec"]["containers"][0]["restartPolicy"] = json!("Never");
        pod["spec"]["containers"][0]["restartPolicyRules"] = json!([
            {"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn", "values": [0, 1]}},
        ]);
    });
    assert!(spec.init_containers[0].is_sidecar());
    assert_eq!(spec.readiness_gates, ["example.com/lb"]);
    let rule = RestartRule {
        action: RestartAction::RestartAllContainers,
        exits: ExitCodes::NotIn(vec![0, 1]),
    };
    assert_eq!(spec.containers[0].restart_rules, [rule]);
}

#[test]
fn hooks_arrive_and_what_a_container_was_made_with_is_read_again() {
    let spec = converted(|pod| {
        pod["spec"]["containers"][0]["lifecycle"] = json!({
            "postStart": {"exec": {"command": ["a", "b"]}},
            "preStop": {"httpGet": {"port": "web"}},
        });
    });
    let lifecycle = &spec.containers[0].lifecycle;
    let command = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(lifecycle.post_start, Some(Hook::Exec(command)));
    let get = |port| {
        Some(Hook::HttpGet(HttpGet {
            scheme: Scheme::Http,
            host: None,
            port,
            path: "/".to_owned(),
            headers: vec![],
        }))
    };
    assert_eq!(lifecycle.pre_stop, get(PortRef::Name("web".to_owned())));
    let json = r#"{"httpGet": {"port": "web", "path": "/", "scheme": "HTTP"}}"#;
    let ports = r#"[{"name": "web", "containerPort": 80, "protocol": "TCP"}]"#;
    assert_eq!(read_hook(json, Some(ports)), get(PortRef::Number(80)));
    assert_eq!(read_hook("{", None), None);
}

#[test]
fn a_container_gets_the_app_armor_profile_of_its_field_before_its_annotation_and_its_pods() {
    let annotation = "container.apparmor.security.beta.kubernetes.io/web";
    let of = |name: &str| Some(AppArmorProfile::Localhost(name.to_owned()));
    let local = |name: &str| json!({ "appArmorProfile": { "type": "Localhost", "localhostProfile": name } });
    let profile = |annotated: bool, field: bool| {
        let spec = converted(|pod| {
            pod["spec"]["securityContext"] = local("pods");
            if annotated {
                pod["metadata"]["annotations"] = json!({ annotation: "localhost/annotated" });
            }
            if field {
                pod["spec"]["containers"][0]["securityContext"] = local("own");
            }
        });
        assert_eq!(spec.security.app_armor, of("pods"));
        spec.containers[0].security.app_armor.clone()
    };
    assert_eq!(profile(false, false), None);
    assert_eq!(profile(true, false), of("annotated"));
    assert_eq!(profile(true, true), of("own"));
    let wrong = problems(|pod| pod["metadata"]["annotations"] = json!({ annotation: "none" }));
    assert!(
        wrong[0].contains("invalid AppArmor profile name"),
        "{wrong:?}"
    );
}
