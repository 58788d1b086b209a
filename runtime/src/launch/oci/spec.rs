//! The spec as an OCI runtime on the machine gets it.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci_spec::runtime::{
    Linux, LinuxIdMapping, LinuxIdMappingBuilder, LinuxResources, Mount, Process, Root, Spec,
};

use crate::launch::spec::clamp_limits;
use crate::launch::{capability, sources};

/// What `adjust` must know of this process and of what was staged.
#[derive(Clone, Debug, Default)]
pub(in crate::launch) struct Facts {
    /// Bounding set of this process.
    pub(in crate::launch) bounding: u64,
    /// Its hard limits.
    pub(in crate::launch) hard_limits: BTreeMap<i32, u64>,
    /// Where the overlay is mounted.
    pub(in crate::launch) rootfs: PathBuf,
    /// What is bound in place of the spec's sources, by destination.
    pub(in crate::launch) sources: BTreeMap<PathBuf, PathBuf>,
    /// The ids of the user namespace that the spec joins, of users and of groups.
    pub(in crate::launch) ids: Option<[Vec<LinuxIdMapping>; 2]>,
}

/// Turns a checked spec into the one that the runtime carries out.
pub(in crate::launch) fn adjust(spec: &mut Spec, facts: &Facts) {
    let readonly = spec.root().as_ref().and_then(Root::readonly);
    let mut root = Root::default();
    root.set_path(facts.rootfs.clone()).set_readonly(readonly);
    spec.set_root(Some(root));
    if let Some(mut process) = spec.process().clone() {
        adjust_process(&mut process, facts);
        spec.set_process(Some(process));
    }
    if let Some(mut linux) = spec.linux().clone() {
        adjust_linux(&mut linux, facts);
        spec.set_linux(Some(linux));
    }
    let mounts = spec.mounts().clone().unwrap_or_default();
    let staged = mounts.into_iter().map(|mount| staged(mount, facts));
    spec.set_mounts(Some(staged.collect()));
}

fn adjust_process(process: &mut Process, facts: &Facts) {
    // Already set, clamped, by podling-launch itself; children inherit it.
    process.set_oom_score_adj(None);
    clamp_limits(process, facts.bounding, &facts.hard_limits);
    if let Some(mut capabilities) = process.capabilities().clone() {
        capability::limit(&mut capabilities, facts.bounding);
        process.set_capabilities(Some(capabilities));
    }
}

fn adjust_linux(linux: &mut Linux, facts: &Facts) {
    // The daemon has made the cgroup and set its limits, which may have been changed since the spec was
    // written. But a runtime that is told of no devices would forbid all but its own list.
    let devices = linux
        .resources()
        .as_ref()
        .and_then(|resources| resources.devices().clone());
    let mut resources = LinuxResources::default();
    resources.set_devices(devices);
    linux.set_resources(Some(resources));
    if let Some([users, groups]) = facts.ids.clone() {
        linux
            .set_uid_mappings(Some(users))
            .set_gid_mappings(Some(groups));
    }
}

/// What was staged has its ids and its propagation already.
fn staged(mut mount: Mount, facts: &Facts) -> Mount {
    if let Some(source) = facts.sources.get(mount.destination())
        && sources::is_bind(&mount)
    {
        mount
            .set_source(Some(source.clone()))
            .set_uid_mappings(None)
            .set_gid_mappings(None);
    }
    mount
}

/// Reads `/proc/PID/uid_map` or `gid_map`.
pub(in crate::launch) fn id_maps(text: &str) -> Vec<LinuxIdMapping> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        let (inside, outside, length) = (next()?, next()?, next()?);
        LinuxIdMappingBuilder::default()
            .container_id(inside)
            .host_id(outside)
            .size(length)
            .build()
            .ok()
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn adjusted(spec: Value, facts: &Facts) -> Value {
        let mut spec: Spec = serde_json::from_value(spec).expect("a spec");
        adjust(&mut spec, facts);
        serde_json::to_value(spec).expect("JSON")
    }

    #[test]
    fn limits_are_the_daemons_and_device_rules_go_along() {
        let rule = json!({"allow": false, "access": "rwm"});
        let spec = json!({
            "ociVersion": "1.2.0",
            "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "oomScoreAdj": 5,
                "apparmorProfile": "p", "selinuxLabel": "l"},
            "linux": {"cgroupsPath": "/a/b", "resources":
                {"memory": {"limit": 5}, "devices": [rule]}},
        });
        let spec = adjusted(spec, &Facts::default());
        let linux = &spec["linux"];
        assert_eq!(linux["resources"], json!({"devices": [rule]}));
        assert_eq!(linux["cgroupsPath"], "/a/b");
        assert_eq!(spec["process"]["oomScoreAdj"], Value::Null);
        assert_eq!(spec["process"]["apparmorProfile"], "p");
        assert_eq!(spec["process"]["selinuxLabel"], "l");
    }

    #[test]
    fn binds_come_from_what_was_staged() {
        let facts = Facts {
            sources: BTreeMap::from([("/data".into(), "/stage/1".into())]),
            rootfs: "/stage/rootfs".into(),
            ids: Some([
                id_maps("0 65536 1000\n"),
                id_maps("         0      65536       1000"),
            ]),
            ..Facts::default()
        };
        let ids = json!([{"containerID": 0, "hostID": 65536, "size": 1000}]);
        let spec = json!({
            "ociVersion": "1.2.0",
            "root": {"path": "/x", "readonly": true},
            "mounts": [
                {"destination": "/data", "type": "bind", "source": "/host", "options": ["rbind"],
                    "uidMappings": ids, "gidMappings": ids},
                {"destination": "/proc", "type": "proc", "source": "proc"},
            ],
            "linux": {},
        });
        let spec = adjusted(spec, &facts);
        let expected = json!({"destination": "/data", "type": "bind", "source": "/stage/1",
            "options": ["rbind"]});
        assert_eq!(spec["mounts"][0], expected);
        assert_eq!(spec["mounts"][1]["source"], "proc");
        assert_eq!(
            spec["root"],
            json!({"path": "/stage/rootfs", "readonly": true})
        );
        assert_eq!(spec["linux"]["uidMappings"], ids);
        assert_eq!(spec["linux"]["gidMappings"], ids);
    }
}
