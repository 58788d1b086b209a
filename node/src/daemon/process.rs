//! What a kubelet's configuration says of its process. What the machine does not allow is told, and the
//! kubelet runs all the same.

use std::error::Error;
use std::fs;

use podling_kubelet::app::ProcessSettings;
use podling_kubelet::resource::join_cgroup;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Sees to it for this process.
pub(super) fn arrange(settings: &ProcessSettings) {
    if let Some(cgroup) = &settings.cgroup {
        match join_cgroup(cgroup) {
            Ok(()) => info!(cgroup, "joined the cgroup of kubeletCgroups"),
            Err(error) => warn!(error = &error as &dyn Error, "kubeletCgroups has no effect"),
        }
    }
    score(settings.oom_score_adj);
    open_files(settings.open_files);
}

/// Tells the kernel how readily to end this process. Containers, pause and commands have scores of their
/// own; monitors keep this one.
fn score(wanted: i32) {
    const FILE: &str = "/proc/self/oom_score_adj";
    let Err(error) = fs::write(FILE, wanted.to_string()) else {
        return;
    };
    let now = fs::read_to_string(FILE).unwrap_or_default();
    let now = now.trim();
    warn!(wanted, now, %error, "oomScoreAdj stays: a lower one needs CAP_SYS_RESOURCE");
}

/// Has at least so many files open at once. The hard limit is never lowered: the runtime may be in this
/// process, and hands it to containers.
fn open_files(wanted: u64) {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    let limit = |soft: u64, hard: Option<u64>| Rlimit {
        current: Some(soft),
        maximum: hard,
    };
    let raised = now.maximum.map(|hard| hard.max(wanted));
    if setrlimit(Resource::Nofile, limit(wanted, raised)).is_ok() {
        return;
    }
    let most = wanted.min(hard);
    match setrlimit(Resource::Nofile, limit(most, now.maximum)) {
        Ok(()) => info!(wanted, most, "maxOpenFiles: more needs CAP_SYS_RESOURCE"),
        Err(error) => warn!(wanted, %error, "maxOpenFiles has no effect"),
    }
}
