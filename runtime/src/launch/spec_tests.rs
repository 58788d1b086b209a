//! Tests of what the spec is made into for libcontainer.

use serde_json::{Value, json};

use super::*;

fn facts() -> Facts {
    Facts {
        bounding: !(1 << capability::SYS_RESOURCE),
        hard_limits: BTreeMap::from([(libc::RLIMIT_NOFILE as i32, 1000)]),
        rootfs: "/rootfs".into(),
        sources: BTreeMap::from([("/staged".into(), "/stage/1".into())]),
        mount_namespace: "/proc/self/fd/9".into(),
        cgroup_view: "/view".into(),
        cgroup_path: "/own".into(),
        lends_capabilities: false,
    }
}

fn spec(change: impl FnOnce(&mut Value)) -> Spec {
    let mut spec = json!({
        "ociVersion": "1.2.0",
        "process": {"args": ["/x"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
        "linux": {"namespaces": [{"type": "mount"}]}
    });
    change(&mut spec);
    serde_json::from_value(spec).expect("a spec")
}

fn adjusted(change: impl FnOnce(&mut Value)) -> Value {
    let mut spec = spec(change);
    check(&spec).expect("a spec that can be carried out");
    adjust(&mut spec, &facts());
    serde_json::to_value(spec).expect("JSON")
}

#[test]
fn row_3_no_new_privileges_is_left_out_when_false() {
    let spec = adjusted(|spec| spec["process"]["noNewPrivileges"] = json!(false));
    assert!(spec["process"].get("noNewPrivileges").is_none());
    let spec = adjusted(|spec| spec["process"]["noNewPrivileges"] = json!(true));
    assert_eq!(spec["process"]["noNewPrivileges"], json!(true));
}

#[test]
fn row_11_there_is_always_a_dev_of_its_own() {
    assert_eq!(adjusted(|_| {})["mounts"][0]["destination"], json!("/dev"));
    let own = json!([{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}]);
    let spec = adjusted(|spec| spec["mounts"] = own);
    assert_eq!(spec["mounts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn row_12_there_is_always_a_path() {
    assert_eq!(
        adjusted(|_| {})["process"]["env"],
        json!([format!("PATH={DEFAULT_PATH}")])
    );
    let spec = adjusted(|spec| spec["process"]["env"] = json!(["PATH=/x"]));
    assert_eq!(spec["process"]["env"], json!(["PATH=/x"]));
}

#[test]
fn row_13_the_cgroup_path_is_its_own_and_limits_are_not_libcontainers_business() {
    let spec = adjusted(|spec| {
        spec["linux"]["cgroupsPath"] = json!("/everybody");
        spec["linux"]["resources"] = json!({"memory": {"limit": 1}});
    });
    assert_eq!(spec["linux"]["cgroupsPath"], json!("/own"));
    assert!(spec["linux"].get("resources").is_none());
}

#[test]
fn row_16_and_17_what_libcontainer_cannot_do_is_refused_by_name() {
    let mapping = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
    let mount =
        json!([{"destination": "/v", "source": "/v", "type": "bind", "uidMappings": mapping}]);
    let cases: [(&str, Value, &str); 1] = [(
        "/mounts",
        mount,
        "the idmapped mount at /v without a user namespace is not supported",
    )];
    for (place, value, message) in cases {
        let spec = spec(|spec| {
            let (parent, key) = place.rsplit_once('/').expect("a pointer");
            spec.pointer_mut(parent).expect("the parent")[key] = value;
        });
        assert_eq!(check(&spec).expect_err(place).to_string(), message);
    }
}

#[test]
fn row_16_what_is_staged_is_bound_as_it_is() {
    let mapping = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    let spec = adjusted(|spec| {
        spec["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "user", "path": "/u"}]);
        spec["mounts"] = json!([{"destination": "/staged", "source": "/v", "type": "bind",
            "options": ["rbind", "rslave", "ro"], "uidMappings": mapping, "gidMappings": mapping}]);
    });
    let bound = json!({"destination": "/staged", "source": "/stage/1", "type": "bind",
        "options": ["rbind", "rslave", "ro"]});
    assert_eq!(spec["mounts"][1], bound);
}

#[test]
fn row_19_what_this_process_may_not_set_is_clamped() {
    let spec = adjusted(|spec| {
        spec["process"]["oomScoreAdj"] = json!(-999);
        spec["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "hard": 5000, "soft": 2000}]);
        spec["process"]["capabilities"] = json!({"bounding": ["CAP_SYS_RESOURCE", "CAP_KILL"]});
    });
    assert!(spec["process"].get("oomScoreAdj").is_none());
    let limit = &spec["process"]["rlimits"][0];
    assert_eq!(
        (&limit["hard"], &limit["soft"]),
        (&json!(1000), &json!(1000))
    );
    assert_eq!(
        spec["process"]["capabilities"]["bounding"],
        json!(["CAP_KILL"])
    );
}

#[test]
fn row_20_a_pids_limit_that_leaves_no_room_is_refused() {
    let with_limit =
        |limit: i64| spec(|spec| spec["linux"]["resources"] = json!({"pids": {"limit": limit}}));
    assert_eq!(check(&with_limit(1)), Err(SpecError::PidsLimit(1)));
    for unlimited in [-1, 0, FEWEST_PIDS] {
        assert_eq!(check(&with_limit(unlimited)), Ok(()));
    }
}

#[test]
fn row_21_the_version_that_the_guards_were_written_for_is_the_one_that_is_linked() {
    let manifest = include_str!("../../../Cargo.toml");
    let line = manifest
        .lines()
        .find(|line| line.starts_with("libcontainer"));
    let line = line.expect("a dependency");
    assert!(line.contains("\"=0.7.0\""), "{line}");
}

#[test]
fn row_17_labels_are_not_libcontainers_business() {
    let spec = adjusted(|spec| {
        spec["process"]["selinuxLabel"] = json!("a:b:c");
        spec["process"]["apparmorProfile"] = json!("web");
    });
    assert!(spec["process"].get("selinuxLabel").is_none());
    assert!(spec["process"].get("apparmorProfile").is_none());
}

#[test]
fn row_17_a_mount_label_goes_to_the_file_systems_that_are_the_containers_own() {
    let mounts = json!([
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts"},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nodev"]},
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/data", "type": "bind", "source": "/data", "options": ["rbind"]},
    ]);
    let spec = adjusted(|spec| {
        spec["linux"]["mountLabel"] = json!("u:object_r:f:s0:c1,c2");
        spec["mounts"] = mounts;
    });
    assert!(spec["linux"].get("mountLabel").is_none());
    let label = "context=u:object_r:f:s0:c1,c2";
    let labelled: Vec<&str> = spec["mounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .filter(|mount| mount["options"].to_string().contains(label))
        .filter_map(|mount| mount["destination"].as_str())
        .collect();
    assert_eq!(labelled, ["/dev", "/dev/pts"]);
}

#[test]
fn seccomp_is_not_libcontainers_business_and_its_capabilities_are_lent() {
    let mut spec = spec(|spec| {
        spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ERRNO"});
        spec["process"]["capabilities"] = json!({"bounding": [], "effective": [], "permitted": []});
    });
    adjust(
        &mut spec,
        &Facts {
            lends_capabilities: true,
            ..facts()
        },
    );
    let spec = serde_json::to_value(spec).expect("JSON");
    assert!(spec["linux"].get("seccomp").is_none());
    for set in ["bounding", "effective", "permitted"] {
        let lent = spec["process"]["capabilities"][set]
            .as_array()
            .expect("a set");
        assert!(
            lent.contains(&json!("CAP_SYS_ADMIN")) && lent.len() == 2,
            "{lent:?}"
        );
    }
}

#[test]
fn the_cgroup_mount_becomes_a_bind_of_what_was_staged() {
    let spec = adjusted(|spec| {
        spec["mounts"] = json!([{"destination": "/sys/fs/cgroup", "type": "cgroup",
            "source": "cgroup", "options": ["nosuid", "relatime", "ro"]}]);
    });
    let mount = &spec["mounts"][1];
    assert_eq!(
        (&mount["type"], &mount["source"]),
        (&json!("bind"), &json!("/view"))
    );
    assert_eq!(mount["options"], json!(["nosuid", "ro", "rbind"]));
}
