//! Whether pods can be limited.

use podling_runtime::cgroup::CgroupDriver;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::kernel::needed;

/// Controllers without which the limits of a pod cannot be set.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];
/// Controllers that some limits need.
const WANTED: [&str; 2] = ["cpuset", "io"];

pub(super) fn verdict(facts: &Facts) -> Vec<Finding> {
    let made = needed(
        "cgroups delegation",
        &facts.cgroups.made,
        "one was made and removed",
        "run as root with cgroups writable (in a container: --privileged or --cgroupns=host with \
         a writable /sys/fs/cgroup); with systemd, set Delegate=yes",
    );
    vec![controllers(facts), made, driver(facts)]
}

fn driver(facts: &Facts) -> Finding {
    let check = "cgroups driver";
    let cgroups = &facts.cgroups;
    let is_v2 = cgroups.unified.is_some();
    let use_ours = "set cgroupDriver: cgroupfs in /etc/podling/config.yaml";
    match (cgroups.driver, &cgroups.systemd) {
        (CgroupDriver::Cgroupfs, None) => {
            Finding::ok(check, "cgroupfs: systemd does not run this machine")
        }
        (CgroupDriver::Cgroupfs, Some(_)) if !is_v2 => {
            Finding::ok(check, "cgroupfs: systemd's would need cgroup v2 alone")
        }
        (CgroupDriver::Cgroupfs, Some(_)) => Finding::ok(
            check,
            "cgroupfs: cgroupDriver: systemd would do as well, because systemd runs this machine",
        ),
        (CgroupDriver::Systemd, _) if !is_v2 => Finding::missing(
            check,
            "systemd, on cgroup v1",
            &format!("{use_ours}, or boot with systemd.unified_cgroup_hierarchy=1"),
        ),
        (CgroupDriver::Systemd, None) => {
            Finding::missing(check, "systemd, which does not run this machine", use_ours)
        }
        (CgroupDriver::Systemd, Some(Err(why))) => Finding::missing(
            check,
            format!("systemd: {why}"),
            &format!("see `systemctl status dbus`, or {use_ours}"),
        ),
        (CgroupDriver::Systemd, Some(Ok(()))) => Finding::ok(check, "systemd, which answers"),
    }
}

fn controllers(facts: &Facts) -> Finding {
    let check = "cgroups controllers";
    let cgroups = &facts.cgroups;
    let (version, all) = match &cgroups.unified {
        Some(unified) => ("v2", unified),
        None => ("v1", &cgroups.legacy),
    };
    let found = format!("{version}: {}", all.join(" "));
    let lacks = |names: &[&'static str]| -> Vec<&'static str> {
        let is_there = |name: &str| {
            // Version 1 calls it by its subsystem.
            let old = if name == "io" { "blkio" } else { name };
            all.iter().any(|one| one == name || one == old)
        };
        names
            .iter()
            .copied()
            .filter(|name| !is_there(name))
            .collect()
    };
    let (needed, wanted) = (lacks(&NEEDED), lacks(&WANTED));
    let mend = |lacking: &[&str]| {
        format!(
            "enable {} (kernel command line, or cgroup.subtree_control of the parents)",
            lacking.join(", ")
        )
    };
    match (needed.is_empty(), wanted.is_empty()) {
        (false, _) => Finding::missing(check, found, &mend(&needed)),
        (true, false) => Finding::limited(check, found, &mend(&wanted)),
        (true, true) => Finding::ok(check, found),
    }
}
