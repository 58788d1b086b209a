//! The scope of a pod, where systemd is the cgroup driver: the part of the tree that systemd delegates.
//!
//! ```text
//! …/kubepods-burstable-podUID.slice          systemd's, made and limited by the client
//!   └─ cri-podling-SANDBOX.scope             Delegate=yes: from here on the runtime's
//!        ├─ monitor                          its first process, which asks systemd for nothing
//!        ├─ SANDBOX                          pause
//!        └─ CONTAINER …
//! ```
//!
//! It is asked for once a pod, and lives as long as anything of the pod runs: with its last process it
//! ends by itself, so there is nothing to leak, whoever is killed when.

use std::time::Duration;

use podling_systemd::Property;
use tokio::time::{Instant, sleep};

use super::error::LifecycleError;
use super::parts::Parts;
use super::paths;
use super::pod::Pod;
use crate::cgroup::{CgroupPath, scope, slice_of};
use crate::model::SandboxRecord;
use crate::monitor::{MonitorClient, MonitorError, Prepared};

/// The monitor's own cgroup.
const MONITOR: &str = "monitor";
/// How long systemd may take to see that a scope is empty before it is asked to end it.
const GRACE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Begins the pod's scope with a monitor that waits to be told what to do; `None` where cgroups are made
/// by the runtime alone.
pub(super) async fn begin(pod: &Pod) -> Result<Option<Prepared>, LifecycleError> {
    let parent = pod.sandbox.cgroup_parent.clone().unwrap_or_default();
    let Some((above, unit)) = scope(&parent) else {
        return Ok(None);
    };
    let run_dir = pod.parts.layout.sandbox_run_dir(&pod.sandbox.id);
    let begun = |error: MonitorError| LifecycleError::failed("start the pod's monitor", error);
    let monitor = MonitorClient::prepare(&run_dir, &pod.parts.programs.monitor).map_err(begun)?;
    let ended = || LifecycleError::Ended(pod.sandbox.id.to_string());
    let pid = monitor.pid().ok_or_else(ended)?;
    let (unit, properties) = (unit.to_owned(), properties(pod, slice_of(above), pid));
    let home = invalid_is_a_bug(CgroupPath::new(&parent, MONITOR));
    let (systemd, cgroups) = (pod.parts.systemd.clone(), pod.parts.cgroups.clone());
    paths::blocking("have systemd begin the pod's scope".to_owned(), move || {
        systemd.start(&unit, &properties).map(drop)
    })
    .await?;
    paths::blocking("make room in the pod's scope".to_owned(), move || {
        cgroups.house(&home, pid)
    })
    .await?;
    Ok(Some(monitor))
}

/// What keeps systemd from undoing what is done below, and from keeping what is over.
fn properties(pod: &Pod, slice: &str, monitor: u32) -> Vec<Property> {
    // Nothing of it comes from a client (CVE-2024-3154).
    let description = format!("podling sandbox {}", pod.sandbox.id);
    vec![
        Property::text("Description", &description),
        Property::text("Slice", slice),
        Property::pids(&[monitor]),
        Property::truth("Delegate", true),
        // Pods are ended by whoever ends the node, not all at once with everything else.
        Property::truth("DefaultDependencies", false),
        // Else systemd's own default, made for services.
        Property::number("TasksMax", u64::MAX),
        Property::text("CollectMode", "inactive-or-failed"),
    ]
}

/// Waits until the pod's scope, in which nothing runs any more, has ended. Idempotent.
///
/// systemd sees by itself that a scope is empty. Only one that stays is ended by asking: so a systemd
/// that does not answer hinders nobody who removes a pod.
pub(super) async fn end(parts: &Parts, sandbox: &SandboxRecord) -> Result<(), LifecycleError> {
    let Some((above, unit)) = sandbox.cgroup_parent.as_deref().and_then(scope) else {
        return Ok(());
    };
    let place = invalid_is_a_bug(CgroupPath::new(&format!("{above}/"), unit));
    let directories = parts.cgroups.directories(&place);
    let is_there = || directories.iter().any(|directory| directory.exists());
    let deadline = Instant::now() + GRACE;
    let mut pause = SHORTEST_PAUSE;
    while is_there() {
        if Instant::now() > deadline {
            let (systemd, unit) = (parts.systemd.clone(), unit.to_owned());
            let attempted = "have systemd end the pod's scope".to_owned();
            return paths::blocking(attempted, move || systemd.stop(&unit)).await;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

fn invalid_is_a_bug<E: std::fmt::Debug>(path: Result<CgroupPath, E>) -> CgroupPath {
    path.expect("the path of a scope was made of good names")
}
