//! Facts of the machine, read once at start, and host paths of a request, looked up before a
//! container is described.

mod apparmor;
mod devices;
mod mounts;
mod profiles;
mod propagation;
mod selinux;
pub mod trial;
mod user_namespaces;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cgroup::{CgroupError, Cgroups};
use crate::spec::{CgroupMode, HostFacts, OpenFiles};
use crate::sys::rlimit;

pub use apparmor::{AppArmorError, has_apparmor_profile, load_apparmor_default};
pub use devices::{DeviceError, all_devices, device_nodes, devices};
pub use mounts::{MountError, resolve_mounts};
pub use profiles::{ProfileError, check_apparmor_profile, seccomp_profile};
pub use selinux::{LabelError, check_selinux_context, label_tree, selinux_state};
pub use user_namespaces::can_have_user_namespaces;

const CAP_SYS_RESOURCE: u32 = 24;
const LOWEST_OOM_SCORE_ADJ: i32 = -1000;
/// Default of `fs.nr_open`.
const MOST_OPEN_FILES: u64 = 1 << 20;

/// Why the machine's facts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of /proc or /sys.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of /proc or /sys that says something new.
    #[error("cannot understand {}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
    },
    /// The limits of this process.
    #[error("cannot read the limits of this process")]
    Limits {
        /// Why.
        source: io::Error,
    },
    /// No cgroups.
    #[error("cannot find the cgroup hierarchies")]
    Cgroups(#[from] CgroupError),
}

/// Reads what the machine, and this process on it, can do.
pub fn read() -> Result<HostFacts, HostError> {
    let status = text("/proc/self/status")?;
    let bounding = capability_mask(&status, "CapBnd:")?;
    let effective = capability_mask(&status, "CapEff:")?;
    let cgroup_mode = Cgroups::open()?.mode();
    let release = text("/proc/sys/kernel/osrelease")?;
    Ok(HostFacts {
        hostname: text("/proc/sys/kernel/hostname")?.trim().to_owned(),
        bounding,
        oom_score_adj_floor: oom_score_adj_floor(effective)?,
        cgroup_mode,
        swap_limit: can_limit_swap(cgroup_mode),
        recursive_read_only: kernel_version(&release).is_some_and(|version| version >= (5, 12)),
        // Depends on where images lie: `can_have_user_namespaces` tells.
        user_namespaces: false,
        apparmor: apparmor::state(),
        selinux: selinux_state(),
        open_files: open_files().map_err(|source| HostError::Limits { source })?,
    })
}

/// What this process was started with. An endless limit makes programs slow that close every
/// descriptor up to it, so it ends where the kernel's own default does.
fn open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = rlimit::limits(libc::RLIMIT_NOFILE as i32)?;
    Ok(OpenFiles {
        soft: soft.min(MOST_OPEN_FILES),
        hard: hard.min(MOST_OPEN_FILES),
    })
}

/// Which boot of the kernel this is: another one after every restart of the machine.
pub fn boot_id() -> Result<String, HostError> {
    Ok(text("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Without CAP_SYS_RESOURCE a process cannot go below the value it was started with.
fn oom_score_adj_floor(effective: u64) -> Result<i32, HostError> {
    if effective >> CAP_SYS_RESOURCE & 1 == 1 {
        return Ok(LOWEST_OOM_SCORE_ADJ);
    }
    let path = "/proc/self/oom_score_adj";
    text(path)?
        .trim()
        .parse()
        .map_err(|_| HostError::Parse { path: path.into() })
}

/// Swap accounting can be off at boot (v1) or missing in the kernel.
fn can_limit_swap(mode: CgroupMode) -> bool {
    let root = Path::new("/sys/fs/cgroup");
    match mode {
        CgroupMode::V1 => root.join("memory/memory.memsw.limit_in_bytes").exists(),
        // The root has no limits: any cgroup that has one for memory tells.
        CgroupMode::V2 => fs::read_dir(root)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.join("memory.max").exists())
            .is_none_or(|path| path.join("memory.swap.max").exists()),
    }
}

fn capability_mask(status: &str, field: &str) -> Result<u64, HostError> {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .ok_or_else(|| HostError::Parse {
            path: "/proc/self/status".into(),
        })
}

/// Major and minor number of `6.1.0-18-amd64`.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn text(path: &str) -> Result<String, HostError> {
    fs::read_to_string(path).map_err(|source| HostError::Read {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_this_machine_can_be_read() {
        let facts = read().unwrap();
        assert!(!facts.hostname.is_empty());
        assert!((LOWEST_OOM_SCORE_ADJ..=1000).contains(&facts.oom_score_adj_floor));
    }

    #[test]
    fn kernel_versions_are_compared_as_numbers() {
        assert_eq!(kernel_version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(kernel_version("5.12\n"), Some((5, 12)));
        assert_eq!(kernel_version("linux"), None);
        assert!(kernel_version("5.9.1") < Some((5, 12)));
    }

    #[test]
    fn a_mask_is_read_from_its_line() {
        let status = "Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\n";
        assert_eq!(capability_mask(status, "CapBnd:").unwrap(), 0x1ff_feff_ffff);
        assert!(capability_mask(status, "CapAmb:").is_err());
    }
}
