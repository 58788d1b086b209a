//! What a node needs of its machine, tried out: each trial does for a moment what pods will need, in
//! namespaces and a directory of its own, and leaves nothing behind. All of them block.

use std::error::Error;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use oci_spec::runtime::LinuxResources;

use crate::cgroup::{CgroupPath, Cgroups};
use crate::model::SandboxId;
use crate::network::{BridgeNetwork, BridgeSettings};
use crate::snapshot::Overlay;
use crate::sys::{mount, netns, overlay, process, random, seccomp};

/// `BPF_RET | BPF_K` with `SECCOMP_RET_ALLOW`: every call is allowed.
const ALLOW_ALL: [u8; 8] = {
    let [a, b, c, d] = 0x7fff_0000_u32.to_ne_bytes();
    let [e, f] = 0x0006_u16.to_ne_bytes();
    [e, f, 0, 0, a, b, c, d]
};
/// The addresses of the trial, which no other namespace sees.
const TRIAL_NETWORK: &str = "10.88.0.0/29";
/// How long the cgroup of the trial may take to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a trial failed.
pub type TrialError = Box<dyn Error + Send + Sync>;

/// Mounts an overlay on the file system of `dir`, and writes to it and removes from it as containers
/// do.
pub fn overlay(dir: &Path) -> io::Result<()> {
    let scratch = Scratch::below(dir)?;
    in_a_thread(|| {
        mount::unshare_mounts()?;
        let [lower, upper, work, target] =
            ["lower", "upper", "work", "target"].map(|name| scratch.0.join(name));
        for dir in [&lower, &upper, &work, &target] {
            fs::create_dir(dir)?;
        }
        fs::write(lower.join("removed"), "")?;
        let mounted = Overlay {
            lower: vec![lower.clone()],
            upper,
            work,
            target: target.clone(),
        };
        overlay::mount_overlay(&mounted, None)?;
        fs::write(target.join("written"), "")?;
        fs::remove_file(target.join("removed"))?;
        let is_whole = target.join("written").exists()
            && !target.join("removed").exists()
            && lower.join("removed").exists();
        match is_whole {
            true => Ok(()),
            false => Err(io::Error::other(
                "what was changed in the overlay is not seen",
            )),
        }
    })
}

/// Makes the built-in network between two network namespaces of its own: bridge, veth pair,
/// addresses, NAT and forwarding. `dir` holds its reservations for the moment.
pub fn network(dir: &Path) -> Result<(), TrialError> {
    let scratch = Scratch::below(dir)?;
    let (host, pod) = (netns::create()?, netns::create()?);
    let settings = BridgeSettings {
        bridge: "trial0".to_owned(),
        cidr: TRIAL_NETWORK.parse().expect("it is a network"),
        state_dir: scratch.0.clone(),
    };
    netns::within(host.as_fd(), || -> Result<(), TrialError> {
        let network = BridgeNetwork::open(settings)?;
        let id = SandboxId::from_random(random::bytes());
        let ips = network.reserve(&id)?;
        network.attach(&id, pod.as_fd(), &ips, &[])?;
        network.ready()?;
        Ok(())
    })?
}

/// Loads a seccomp filter that allows everything, into a thread that ends.
pub fn seccomp() -> io::Result<()> {
    in_a_thread(|| seccomp::load(&ALLOW_ALL))
}

/// Holds this process by a pidfd.
pub fn pidfd() -> io::Result<()> {
    let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    process::open(pid).map(drop)
}

/// Makes a cgroup below the root and removes it.
pub fn cgroup() -> Result<(), TrialError> {
    let name = format!("podling-trial-{}", std::process::id());
    let path = CgroupPath::new("/", &name)?;
    let cgroups = Cgroups::open()?;
    let made = cgroups.create(&path, &LinuxResources::default());
    cgroups.remove(&path, PATIENCE)?;
    made?;
    Ok(())
}

/// What is unshared in a thread ends with it.
fn in_a_thread(work: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("trial".to_owned())
            .spawn_scoped(scope, work)?;
        let panicked = || io::Error::other("the trial panicked");
        thread.join().map_err(|_| panicked())?
    })
}

/// A directory that goes with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn below(dir: &Path) -> io::Result<Self> {
        let name = format!(".trial-{}", SandboxId::from_random(random::bytes()));
        let path = dir.join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is a directory with a name that says what it was.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
        let before = mounts();
        pidfd().unwrap();
        if rustix::process::geteuid().is_root() {
            seccomp().unwrap();
            network(dir.path()).unwrap();
            // The file system of temporary files may itself be an overlay, which is no upper layer.
            let _ = overlay(dir.path());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(mounts(), before);
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert!(status.contains("Seccomp:\t0"), "{status}");
    }

    #[test]
    fn a_trial_in_a_directory_that_is_not_there_says_so() {
        let nowhere = Path::new("/does/not/exist");
        assert!(overlay(nowhere).is_err());
        assert!(network(nowhere).is_err());
    }
}
