//! Environments as pods describe them.

use std::sync::Arc;

use super::*;
use crate::model::{ConfigMap, EnvVar, ObjectKind, ObjectNotFound, RestartPolicy, Secret};
use crate::plan::fixture;

const ALLOCATABLE: Allocatable = Allocatable {
    cpu_millis: 1500,
    memory_bytes: 2 << 30,
    ephemeral_storage_bytes: 10 << 30,
};

/// What is there: a ConfigMap `web` and a Secret `door`, and a file.
fn looked_up() -> LookedUp {
    let map = ConfigMap {
        data: [("colour", "blue"), ("A", "map")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        binary_data: [("picture".to_owned(), vec![0xff])].into(),
    };
    let secret = Secret {
        data: [("key".to_owned(), b"1234".to_vec())].into(),
        ..Secret::default()
    };
    let missing = ObjectKey::new(ObjectKind::ConfigMap, "default", "nowhere");
    let file = FoundFile {
        path: "/volume/env".into(),
        text: Ok("LEVEL='7'\n".to_owned()),
    };
    LookedUp {
        services: Vec::new(),
        objects: [
            (
                ObjectKey::new(ObjectKind::ConfigMap, "default", "web"),
                Ok(Object::ConfigMap(Arc::new(map))),
            ),
            (
                ObjectKey::new(ObjectKind::Secret, "default", "door"),
                Ok(Object::Secret(Arc::new(secret))),
            ),
            (missing.clone(), Err(ObjectNotFound(missing).into())),
        ]
        .into(),
        files: [(("v".to_owned(), "env".to_owned()), file)].into(),
    }
}

fn variable(name: &str, value: EnvValue) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value,
    }
}

fn literal(name: &str, text: &str) -> EnvVar {
    variable(name, EnvValue::Literal(text.to_owned()))
}

fn map_key(object: &str, key: &str) -> KeyReference {
    KeyReference {
        kind: ObjectKind::ConfigMap,
        name: object.to_owned(),
        key: key.to_owned(),
        optional: false,
    }
}

fn whole(kind: ObjectKind, name: &str, prefix: &str) -> EnvFrom {
    EnvFrom {
        kind,
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        optional: false,
    }
}

fn made(from: Vec<EnvFrom>, env: Vec<EnvVar>) -> Result<Vec<String>, String> {
    let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
    let mut container = pod.spec.containers[0].clone();
    container.env_from = from;
    container.env = env;
    let [v4, v6]: [IpAddr; 2] = ["10.0.0.2", "fd00::2"].map(|ip| ip.parse().unwrap());
    let facts = Facts {
        pod: &pod,
        pod_ips: &[v4, v6],
        node_name: "node",
        host_ips: &["fd00::1".parse().unwrap()],
        allocatable: ALLOCATABLE,
    };
    let made = environment(&container, facts, &looked_up()).map_err(|error| error.to_string())?;
    let line = |one: cri::EnvVar| format!("{}={}", one.name, one.value);
    Ok(made.into_iter().map(line).collect())
}

#[test]
fn every_key_becomes_a_variable_and_those_of_env_replace_and_use_them() {
    let from = vec![
        whole(ObjectKind::ConfigMap, "web", ""),
        whole(ObjectKind::Secret, "door", "DOOR_"),
    ];
    let env = vec![
        literal("A", "$(colour) $(DOOR_key) $(B)"),
        literal("B", "$(A)!"),
    ];
    let expected = [
        "colour=blue",
        "DOOR_key=1234",
        "A=blue 1234 $(B)",
        "B=blue 1234 $(B)!",
    ];
    assert_eq!(made(from, env).unwrap(), expected);
}

#[test]
fn keys_of_objects_and_lines_of_files_are_values() {
    let secret = KeyReference {
        kind: ObjectKind::Secret,
        ..map_key("door", "key")
    };
    let file = FileKey {
        volume: "v".to_owned(),
        path: "env".to_owned(),
        key: "LEVEL".to_owned(),
        optional: false,
    };
    let env = vec![
        variable("COLOUR", EnvValue::Key(map_key("web", "colour"))),
        variable("KEY", EnvValue::Key(secret)),
        variable("LEVEL", EnvValue::FileKey(file)),
    ];
    let expected = ["COLOUR=blue", "KEY=1234", "LEVEL=7"];
    assert_eq!(made(Vec::new(), env).unwrap(), expected);
}

#[test]
fn what_is_missing_is_named_unless_it_is_optional() {
    let file = FileKey {
        volume: "v".to_owned(),
        path: "env".to_owned(),
        key: "SPEED".to_owned(),
        optional: false,
    };
    let rows = [
        (
            EnvValue::Key(map_key("nowhere", "colour")),
            "configmap \"nowhere\" not found",
        ),
        (
            EnvValue::Key(map_key("web", "size")),
            "couldn't find key size in ConfigMap default/web",
        ),
        (
            EnvValue::Key(map_key("web", "picture")),
            "couldn't find key picture in ConfigMap default/web",
        ),
        (
            EnvValue::FileKey(file),
            "environment variable key \"SPEED\" not found in file \"/volume/env\"",
        ),
    ];
    for (mut value, message) in rows {
        let told = made(Vec::new(), vec![variable("X", value.clone())]);
        assert_eq!(told.unwrap_err(), message);
        match &mut value {
            EnvValue::Key(of) => of.optional = true,
            EnvValue::FileKey(of) => of.optional = true,
            _ => {}
        }
        let env = vec![variable("X", value), literal("Y", "1")];
        assert_eq!(made(Vec::new(), env).unwrap(), ["Y=1"]);
    }
    let mut from = whole(ObjectKind::ConfigMap, "nowhere", "");
    let told = made(vec![from.clone()], Vec::new());
    assert_eq!(told.unwrap_err(), "configmap \"nowhere\" not found");
    from.optional = true;
    assert_eq!(made(vec![from], Vec::new()).unwrap(), Vec::<String>::new());
}

#[test]
fn resources_are_numbers_and_without_a_limit_all_that_the_node_has() {
    let quantity = |text| Quantity::parse(text).unwrap();
    let rows = [
        (Amount::Declared(quantity("250m")), "1", "1"),
        (Amount::Declared(quantity("64Mi")), "1Mi", "64"),
        (Amount::Allocatable(NodeResource::Cpu), "1", "2"),
        (Amount::Allocatable(NodeResource::Memory), "1Gi", "2"),
        (
            Amount::Allocatable(NodeResource::EphemeralStorage),
            "1",
            "10737418240",
        ),
    ];
    for (amount, divisor, expected) in rows {
        let divisor = quantity(divisor);
        let field = ResourceField { amount, divisor };
        assert_eq!(resource(&field, ALLOCATABLE), expected, "{field:?}");
    }
}

#[test]
fn the_pods_addresses_come_in_the_order_of_the_nodes_family() {
    let env = ["status.podIP", "status.podIPs"]
        .map(|path| variable("IP", EnvValue::Field(path.to_owned())));
    let [first, all] = env.map(|one| made(Vec::new(), vec![one]).unwrap());
    assert_eq!(first, ["IP=fd00::2"]);
    assert_eq!(all, ["IP=fd00::2,10.0.0.2"]);
}
