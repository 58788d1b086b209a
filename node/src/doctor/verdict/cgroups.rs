//! Whether pods can be limited.

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
    vec![controllers(facts), made]
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
