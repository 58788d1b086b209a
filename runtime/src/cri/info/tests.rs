//! What scripts around crictl ask for.

use super::*;
use crate::model::config::{EnvVar, PodResources, Resources};
use crate::model::container::User;
use crate::model::{
    ContainerConfig, ContainerId, ContainerState, SandboxConfig, SandboxId, SandboxRecord,
    SandboxState,
};

fn parsed(info: &BTreeMap<String, String>) -> Value {
    serde_json::from_str(&info["info"]).unwrap()
}

fn pod(config: SandboxConfig) -> PodSnapshot {
    PodSnapshot {
        sandbox: SandboxRecord {
            created_at: 1,
            state: SandboxState::Ready {
                ips: Vec::new(),
                pause_pid: 77,
            },
            ..SandboxRecord::reserved(SandboxId::from_random([1; 32]), config)
        },
        containers: BTreeMap::new(),
    }
}

#[test]
fn a_sandbox_names_the_namespaces_that_one_can_enter() {
    let mut config = SandboxConfig::default();
    config.security.namespaces.ipc = NamespaceMode::Node;
    let info = parsed(&of_sandbox(&pod(config), "/pods/x"));
    assert_eq!(info["pid"], 77);
    let namespaces = info["runtimeSpec"]["linux"]["namespaces"]
        .as_array()
        .unwrap();
    assert_eq!(
        namespaces[0],
        json!({ "type": "network", "path": "/proc/77/ns/net" })
    );
    assert!(
        namespaces
            .iter()
            .all(|namespace| namespace["type"] != "ipc")
    );
}

#[test]
fn a_sandbox_shows_what_its_pod_may_use() {
    let config = SandboxConfig {
        resources: PodResources {
            containers: Some(Resources {
                memory_limit: Some(7),
                ..Default::default()
            }),
            overhead: None,
        },
        ..Default::default()
    };
    let info = parsed(&of_sandbox(&pod(config), "/pods/x"));
    let linux = &info["config"]["linux"];
    assert_eq!(linux["resources"]["memory_limit_in_bytes"], 7);
    assert_eq!(linux["overhead"], Value::Null);
}

#[test]
fn a_container_shows_its_request_and_its_spec() {
    let mut config = ContainerConfig {
        image: "busybox".to_owned(),
        envs: vec![EnvVar {
            name: "A".to_owned(),
            value: b"1".to_vec(),
        }],
        ..Default::default()
    };
    config.metadata.name = "main".to_owned();
    let record = ContainerRecord {
        image_volumes: Vec::new(),
        id: ContainerId::from_random([2; 32]),
        sandbox_id: SandboxId::from_random([1; 32]),
        config,
        image_id: String::new(),
        image_ref: String::new(),
        stop_signal: 15,
        user: User::default(),
        created_at: 1,
        state: ContainerState::Running {
            started_at: 1,
            pid: 9,
        },
    };
    let spec = json!({ "process": { "args": ["sh"] } });
    let info = parsed(&of_container(&record, Some(spec)));
    assert_eq!(info["pid"], 9);
    assert_eq!(info["sandboxID"], "01".repeat(32));
    assert_eq!(info["runtimeSpec"]["process"]["args"][0], "sh");
    assert_eq!(info["config"]["image"]["image"], "busybox");
    assert_eq!(
        info["config"]["envs"],
        json!([{ "key": "A", "value": "1" }])
    );
}
