//! Named points at which a test makes the daemon die by SIGKILL.
//!
//! Only with the cargo feature `failpoints`; without it a point compiles to nothing. The point is
//! chosen with the environment variable `PODLING_FAILPOINT`.

/// Every point, in the order in which the way of a pod, and that of an image, passes them.
pub const NAMES: &[&str] = &[
    "run_sandbox.reserved",
    "run_sandbox.scope",
    "run_sandbox.cgroup",
    "run_sandbox.monitor",
    "run_sandbox.networked",
    "cni_add.recorded",
    "cni_add.plugin",
    "cni_add.done",
    "cni_add.kept",
    "run_sandbox.attached",
    "run_sandbox.ready",
    "create_container.reserved",
    "create_container.prepared",
    "create_container.created",
    "start_container.starting",
    "start_container.cgroup",
    "start_container.launched",
    "start_container.running",
    "cni_del.plugin",
    "cni_del.done",
    "cni_del.forgotten",
    "pod_cidr.recorded",
    "pod_cidr.spanned",
    "pod_cidr.left",
    "stop_sandbox.monitor_gone",
    "stop_sandbox.cgroups_gone",
    "stop_sandbox.address_free",
    "stop_sandbox.stopped",
    "remove_container.directory_gone",
    "remove_sandbox.directory_gone",
    "images.pull.unpacked",
    "images.pull.noted",
    "images.pull.placed",
    "images.pull.synced",
    "images.pull.recorded",
    "images.pull.named",
    "images.remove.unrecorded",
    "images.remove.unnamed",
    "images.remove.detached",
];

/// Dies here when `PODLING_FAILPOINT` names this point.
#[cfg(feature = "failpoints")]
pub fn reach(name: &str) {
    debug_assert!(NAMES.contains(&name), "{name} is listed");
    if std::env::var("PODLING_FAILPOINT").is_ok_and(|chosen| chosen == name) {
        let pid = rustix::process::getpid();
        // Cannot fail: a process may always signal itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Nothing: fail points are not compiled in.
#[cfg(not(feature = "failpoints"))]
pub fn reach(_name: &str) {}
