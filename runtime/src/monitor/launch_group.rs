//! The cgroup that an OCI runtime works in until its container runs: what is in it then, or after a
//! failure, is ended, whatever it has forked.
//!
//! It lies below the pod's own cgroup, because such runtimes want the container's to be empty, and move
//! nothing but the container's first process into it.

use std::io;
use std::time::{Duration, Instant};

use super::protocol::LaunchRequest;
use super::server::Monitor;
use crate::sys::subgroup::Subgroup;

/// How soon after a kill it is looked whether everything has ended; doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// How many times that is done, nearly a minute: what is left then goes with the pod's cgroup.
const LOOKS: u32 = 16;

/// A group in which everything is being ended.
#[derive(Debug)]
pub(super) struct Ending {
    group: Subgroup,
    due: Instant,
    looks: u32,
}

impl Ending {
    /// When it is to be looked at.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Kills what is there; whether there is nothing more to do.
    fn look(&mut self) -> bool {
        if let Err(error) = self.group.kill() {
            let path = self.group.path().display();
            eprintln!("killing what a launch has left in {path}: {error}");
        }
        if matches!(self.group.remove(), Ok(true)) {
            return true;
        }
        self.due = Instant::now() + FIRST_LOOK * 2u32.pow(self.looks);
        self.looks += 1;
        self.looks >= LOOKS
    }
}

impl Monitor {
    /// Makes the group of a launch that wants one, and tells the request of it.
    pub(super) fn make_launch_group(
        &self,
        request: &mut LaunchRequest,
    ) -> io::Result<Option<Subgroup>> {
        let Some(oci) = &mut request.oci else {
            return Ok(None);
        };
        let of_pod = &self.surroundings.cgroup_dirs;
        let group = Subgroup::make(of_pod, &format!("launch-{}", request.container_id))?;
        oci.cgroup_dirs = group.directories(of_pod);
        Ok(Some(group))
    }

    /// Ends everything in the group of a launch that is over.
    pub(super) fn end_launch_group(&mut self, group: Option<Subgroup>) {
        self.launch_groups.extend(group.map(|group| Ending {
            group,
            due: Instant::now(),
            looks: 0,
        }));
        self.on_launch_groups(Instant::now());
    }

    /// Goes on with the groups that are being ended.
    pub(super) fn on_launch_groups(&mut self, at: Instant) {
        self.launch_groups
            .retain_mut(|ending| ending.due > at || !ending.look());
    }
}
