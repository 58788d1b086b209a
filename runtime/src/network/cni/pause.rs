//! Who holds a pod's network namespace, told apart from whoever gets the same pid later.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use serde::{Deserialize, Serialize};

/// The pause of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    /// Its pid on the host.
    pub(super) pid: i32,
    /// When it was started, in clock ticks since the boot.
    pub(super) started: u64,
    /// Which boot.
    pub(super) boot_id: String,
}

impl Pause {
    /// The one that runs under `pid` now.
    pub(super) fn find(pid: i32, boot_id: &str) -> io::Result<Self> {
        Ok(Self {
            pid,
            started: started(pid)?,
            boot_id: boot_id.to_owned(),
        })
    }

    /// Where plugins find its network namespace.
    pub(super) fn netns_path(&self) -> String {
        format!("/proc/{}/ns/net", self.pid)
    }

    /// Its network namespace; `None` when it is gone, whoever has its pid now.
    pub(super) fn netns(&self, boot_id: &str) -> Option<OwnedFd> {
        if self.boot_id != boot_id {
            return None;
        }
        let netns = File::open(self.netns_path()).ok()?;
        // Asked after opening: who began then and has not ended yet is whose it was.
        let is_still_the_same = started(self.pid).is_ok_and(|started| started == self.started);
        is_still_the_same.then(|| netns.into())
    }
}

/// A path to what this process has open; nobody can put another file behind it.
pub(super) fn path_of(netns: &OwnedFd) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), netns.as_raw_fd())
}

/// Field 22 of `/proc/PID/stat`. The command's name before may hold anything but ends with the last
/// parenthesis.
fn started(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let field = after_name.split_ascii_whitespace().nth(19);
    field
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_apart_from_others_under_its_pid() {
        let me = std::process::id().cast_signed();
        let pause = Pause::find(me, "boot").unwrap();
        assert!(pause.netns("boot").is_some());
        assert!(pause.netns("another boot").is_none());
        let earlier = Pause {
            started: pause.started - 1,
            ..pause
        };
        assert!(earlier.netns("boot").is_none());
    }
}
