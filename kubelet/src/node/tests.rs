//! The node object, compared with one of upstream's kubelet on such a machine.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::facts::Facts;
use super::{Identity, Reserve, object};
use crate::config::Configuration;

fn identity(configuration: &Configuration) -> Identity {
    Identity {
        name: "node-a".to_owned(),
        addresses: tokio::sync::watch::channel(vec!["10.0.0.5".parse().unwrap()]).1,
        root: "/r".into(),
        labels: vec![("rack".to_owned(), "7".to_owned())],
        port: Some(10250),
        most_images: Some(50),
        declared: configuration.declared_features(),
        standing: tokio::sync::watch::channel(crate::evict::Standing::default()).1,
        reserve: Reserve::of(configuration),
    }
}

fn machine() -> Facts {
    Facts {
        cpus: 2,
        memory: 4_000_000 * 1024,
        disk: 1_000_000 * 1024,
        huge_pages: vec![(2 << 20, 0), (1 << 30, 1 << 30)],
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        boot_id: "b".to_owned(),
        kernel: "6.1.0".to_owned(),
        os_image: "Debian GNU/Linux 12".to_owned(),
        architecture: "amd64",
        runtime: "podling://0.1.0".to_owned(),
        devices: [("example.com/gpu".to_owned(), (4, 3))].into(),
        swap: 0,
        app_armor: false,
    }
}

fn shown(configuration: &Configuration, troubles: &[String]) -> Value {
    let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
    object::node(
        &identity(configuration),
        &machine(),
        troubles,
        at(0),
        at(60),
    )
}

#[test]
fn a_node_has_what_its_machine_has_but_for_what_is_kept() {
    let node = shown(&Configuration::default(), &[]);
    assert_eq!(
        node["status"]["capacity"],
        json!({
            "cpu": "2", "ephemeral-storage": "1000000Ki", "example.com/gpu": "4",
            "hugepages-1Gi": "1Gi", "hugepages-2Mi": "0", "memory": "4000000Ki", "pods": "110",
        })
    );
    assert_eq!(
        node["status"]["allocatable"],
        json!({
            "cpu": "2", "ephemeral-storage": "921600000", "example.com/gpu": "3",
            "hugepages-1Gi": "1Gi", "hugepages-2Mi": "0", "memory": "2849024Ki", "pods": "110",
        })
    );
}

#[test]
fn a_node_declares_the_features_that_others_may_count_on() {
    let mut configuration = Configuration::default();
    let declared = |configuration: &Configuration| {
        shown(configuration, &[])["status"]["declaredFeatures"].clone()
    };
    assert_eq!(
        declared(&configuration),
        json!(configuration.declared_features())
    );
    let gate = "NodeDeclaredFeatures".to_owned();
    configuration.feature_gates.insert(gate, false);
    assert_eq!(declared(&configuration), json!(null));
}

#[test]
fn a_node_whose_storage_is_not_isolated_tells_of_none() {
    let configuration = Configuration {
        local_storage_capacity_isolation: false,
        ..Configuration::default()
    };
    let status = &shown(&configuration, &[])["status"];
    for list in ["capacity", "allocatable"] {
        assert!(status[list]["ephemeral-storage"].is_null(), "{status}");
        assert!(status[list]["memory"].is_string(), "{status}");
    }
}

#[test]
fn what_is_reserved_is_not_for_pods() {
    let words = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let configuration = Configuration {
        kube_reserved: words(&[("cpu", "100m"), ("memory", "1Mi")]),
        system_reserved: words(&[("cpu", "1"), ("ephemeral-storage", "24000Ki")]),
        eviction_hard: words(&[("memory.available", "5%")]),
        pods_per_core: 10,
        ..Configuration::default()
    };
    let allocatable = &shown(&configuration, &[])["status"]["allocatable"];
    assert_eq!(allocatable["cpu"], "900m");
    assert_eq!(allocatable["memory"], "2750400Ki");
    assert_eq!(
        allocatable["ephemeral-storage"],
        (976_000 * 1024).to_string()
    );
    assert_eq!(allocatable["pods"], "20");
}

#[test]
fn more_cannot_be_kept_than_there_is() {
    let kept = |text: &str| Configuration {
        system_reserved: [("memory".to_owned(), text.to_owned())].into(),
        ..Configuration::default()
    };
    let has = (2, 4 << 30, 100 << 30);
    assert_eq!(Reserve::of(&kept("1Gi")).excess(has), Vec::<String>::new());
    // The default threshold of eviction is kept, too.
    assert_eq!(
        Reserve::of(&kept("4Gi")).excess(has),
        [
            "Resource \"memory\" has a reservation of 4196Mi but capacity of 4Gi. Expected \
             capacity >= reservation."
        ]
    );
}

#[test]
fn conditions_and_facts_are_told_in_upstreams_words() {
    let node = shown(&Configuration::default(), &[]);
    let conditions = node["status"]["conditions"].as_array().unwrap();
    let told: Vec<_> = conditions
        .iter()
        .map(|one| one["reason"].as_str().unwrap())
        .collect();
    let expected = [
        "KubeletHasSufficientMemory",
        "KubeletHasNoDiskPressure",
        "KubeletHasSufficientPID",
        "KubeletReady",
    ];
    assert_eq!(told, expected);
    assert_eq!(conditions[3]["lastHeartbeatTime"], "2023-11-14T22:14:20Z");
    assert_eq!(
        node["metadata"]["labels"]["kubernetes.io/hostname"],
        "node-a"
    );
    assert_eq!(node["metadata"]["labels"]["rack"], "7");
    assert_eq!(
        node["status"]["nodeInfo"]["containerRuntimeVersion"],
        "podling://0.1.0"
    );
    let addresses = json!([
        { "type": "InternalIP", "address": "10.0.0.5" },
        { "type": "Hostname", "address": "node-a" },
    ]);
    assert_eq!(node["status"]["addresses"], addresses);

    let ill = shown(
        &Configuration::default(),
        &["pleg was last seen".to_owned()],
    );
    let ready = &ill["status"]["conditions"][3];
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&json!("False"), &json!("KubeletNotReady"))
    );
    assert_eq!(ready["message"], "pleg was last seen");
}
