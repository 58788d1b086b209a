//! Tests on the machine's real cgroups, below a parent that belongs to the test.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use oci_spec::runtime::{LinuxHugepageLimit, LinuxMemory};

use super::*;
use crate::model::config::Resources;
use crate::spec;

const PATIENCE: Duration = Duration::from_secs(5);

/// A parent cgroup of a name that nobody else uses, removed with all below it at the end.
struct Playground {
    cgroups: Cgroups,
    parent: String,
}

impl Playground {
    /// `None` where the tests cannot make cgroups.
    fn open(test: &str) -> Option<Self> {
        let cgroups = Cgroups::open()
            .ok()
            .filter(|_| rustix::process::geteuid().is_root())?;
        let parent = format!("/podling-test-{}-{test}", std::process::id());
        Some(Self { cgroups, parent })
    }

    fn path(&self, name: &str) -> CgroupPath {
        CgroupPath::new(&self.parent, name).unwrap()
    }

    fn create(&self, name: &str, limits: &LinuxResources) -> Vec<PathBuf> {
        self.cgroups.create(&self.path(name), limits).unwrap()
    }

    fn read(&self, name: &str, controller: &str, file: &str) -> String {
        let directories = self.cgroups.directories(&self.path(name));
        let is_it = |path: &&PathBuf| {
            self.cgroups.mode() == CgroupMode::V2
                || path
                    .iter()
                    .any(|word| word.to_str().unwrap().split(',').any(|w| w == controller))
        };
        let directory = directories.iter().find(is_it).unwrap();
        fs::read_to_string(directory.join(file))
            .unwrap()
            .trim()
            .to_owned()
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        let parent = CgroupPath::new("/", self.parent.trim_start_matches('/')).unwrap();
        self.cgroups.remove(&parent, PATIENCE).unwrap();
    }
}

macro_rules! playground {
    ($name:literal) => {
        match Playground::open($name) {
            Some(playground) => playground,
            None => {
                eprintln!("skipped: root and a cgroup hierarchy are needed");
                return;
            }
        }
    };
}

fn nothing() -> LinuxResources {
    let mut limits = LinuxResources::default();
    limits.set_devices(None);
    limits
}

fn memory(limit: i64, swap: i64) -> LinuxResources {
    let mut memory = LinuxMemory::default();
    memory.set_limit(Some(limit)).set_swap(Some(swap));
    let mut limits = nothing();
    limits.set_memory(Some(memory));
    limits
}

/// A shell that joins the directories as containers do, then runs `script`.
fn run_in(directories: &[PathBuf], script: &str) -> Child {
    let join: String = directories
        .iter()
        .map(|directory| {
            let file = if directory.join("tasks").exists() {
                "tasks"
            } else {
                "cgroup.procs"
            };
            format!("echo 0 > '{}' || exit 99; ", directory.join(file).display())
        })
        .collect();
    Command::new("/bin/sh")
        .args(["-c", &format!("{join}{script}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_cgroup_is_made_limited_joined_read_and_removed() {
    let ground = playground!("story");
    let asked = Resources {
        cpu_period: Some(100_000),
        cpu_quota: Some(50_000),
        cpu_shares: Some(1024),
        memory_limit: Some(64 << 20),
        cpuset_cpus: "0".to_owned(),
        ..Default::default()
    };
    let limits = spec::limits(&asked, &crate::host::read().unwrap(), &mut Vec::new()).unwrap();
    let directories = ground.create("c", &limits);
    assert!(directories.iter().all(|directory| directory.is_dir()));
    if ground.cgroups.mode() == CgroupMode::V1 {
        assert_eq!(ground.read("c", "cpu", "cpu.cfs_quota_us"), "50000");
        assert_eq!(ground.read("c", "cpu", "cpu.shares"), "1024");
        assert_eq!(
            ground.read("c", "memory", "memory.limit_in_bytes"),
            "67108864"
        );
        assert_eq!(ground.read("c", "cpuset", "cpuset.cpus"), "0");
        assert_ne!(ground.read("c", "cpuset", "cpuset.mems"), "");
    } else {
        assert_eq!(ground.read("c", "", "cpu.max"), "50000 100000");
        assert_eq!(ground.read("c", "", "cpu.weight"), "100");
        assert_eq!(ground.read("c", "", "memory.max"), "67108864");
        assert_eq!(ground.read("c", "", "memory.swap.max"), "0");
        assert_eq!(ground.read("c", "", "cpuset.cpus"), "0");
    }
    let mut child = run_in(&directories, "exec sleep 1000");
    let pid = i32::try_from(child.id()).unwrap();
    let path = ground.path("c");
    wait_until("the process joins", || {
        ground.cgroups.pids(&path).unwrap() == [pid]
    });
    ground.cgroups.remove(&path, PATIENCE).unwrap();
    assert!(
        !child.wait().unwrap().success(),
        "removing kills what is left"
    );
    assert!(directories.iter().all(|directory| !directory.exists()));
    ground.cgroups.remove(&path, PATIENCE).unwrap();
    assert!(ground.cgroups.pids(&path).unwrap().is_empty());
}

#[test]
fn creating_twice_is_creating_once() {
    let ground = playground!("twice");
    let first = ground.create("c", &memory(32 << 20, 32 << 20));
    assert_eq!(ground.create("c", &memory(32 << 20, 32 << 20)), first);
}

#[test]
fn memory_is_raised_and_lowered_in_the_order_the_kernel_accepts() {
    let ground = playground!("memory");
    ground.create("c", &memory(32 << 20, 32 << 20));
    for mebibytes in [128, 16, 64] {
        ground
            .cgroups
            .update(&ground.path("c"), &memory(mebibytes << 20, mebibytes << 20))
            .map(drop)
            .unwrap();
        let file = match ground.cgroups.mode() {
            CgroupMode::V1 => "memory.limit_in_bytes",
            CgroupMode::V2 => "memory.max",
        };
        assert_eq!(
            ground.read("c", "memory", file),
            (mebibytes << 20).to_string()
        );
    }
}

#[test]
fn an_update_that_the_kernel_refuses_halfway_changes_nothing() {
    let ground = playground!("halfway");
    let directories = ground.create("c", &memory(64 << 20, 64 << 20));
    let mut child = run_in(&directories, "exec sleep 1000");
    let path = ground.path("c");
    wait_until("the process joins", || {
        !ground.cgroups.pids(&path).unwrap().is_empty()
    });
    // The memory would be accepted, and so would the weight; the list of memory nodes is not.
    let mut limits = memory(128 << 20, 128 << 20);
    let mut cpu = oci_spec::runtime::LinuxCpu::default();
    cpu.set_shares(Some(512)).set_mems(Some("4095".to_owned()));
    limits.set_cpu(Some(cpu));
    let got = ground.cgroups.update(&path, &limits);
    assert!(matches!(got, Err(UpdateError::Write { .. })), "{got:?}");
    let (limit, weight) = match ground.cgroups.mode() {
        CgroupMode::V1 => ("memory.limit_in_bytes", ("cpu.shares", "1024")),
        CgroupMode::V2 => ("memory.max", ("cpu.weight", "100")),
    };
    assert_eq!(ground.read("c", "memory", limit), (64 << 20).to_string());
    assert_eq!(ground.read("c", "cpu", weight.0), weight.1);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_was_applied_can_be_reverted() {
    let ground = playground!("reverted");
    ground.create("c", &memory(64 << 20, 64 << 20));
    let path = ground.path("c");
    let applied = ground
        .cgroups
        .update(&path, &memory(128 << 20, 256 << 20))
        .unwrap();
    applied.revert();
    let limit = match ground.cgroups.mode() {
        CgroupMode::V1 => "memory.limit_in_bytes",
        CgroupMode::V2 => "memory.max",
    };
    assert_eq!(ground.read("c", "memory", limit), (64 << 20).to_string());
}

#[test]
fn a_limit_below_what_is_in_use_is_refused() {
    let ground = playground!("in-use");
    let directories = ground.create("c", &memory(64 << 20, 64 << 20));
    // tail keeps the last line, which has no end, in memory.
    let mut child = run_in(
        &directories,
        "head -c 20000000 /dev/zero | tail; sleep 1000",
    );
    let path = ground.path("c");
    wait_until("the memory is used", || {
        let update = ground.cgroups.update(&path, &memory(4 << 20, 4 << 20));
        match update {
            Ok(applied) => applied.revert(),
            Err(UpdateError::BelowUsage { limit, used }) => return limit < used,
            Err(error) => panic!("{error:?}"),
        }
        false
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_cgroup_that_is_gone_is_not_updated() {
    let ground = playground!("gone");
    let got = ground
        .cgroups
        .update(&ground.path("c"), &memory(64 << 20, 64 << 20));
    assert!(matches!(got, Err(UpdateError::Gone(_))), "{got:?}");
}

#[test]
fn a_limit_that_the_kernel_refuses_is_an_error_never_silence() {
    let ground = playground!("refused");
    let mut limits = nothing();
    let mut cpu = oci_spec::runtime::LinuxCpu::default();
    cpu.set_cpus(Some("4096".to_owned()));
    limits.set_cpu(Some(cpu));
    let got = ground.cgroups.create(&ground.path("c"), &limits);
    assert!(matches!(got, Err(CgroupError::Limit { .. })), "{got:?}");
}

/// A kubelet sends one of nothing for every size that the kernel knows.
fn no_huge_pages() -> LinuxResources {
    let sizes = fs::read_dir("/sys/kernel/mm/hugepages")
        .into_iter()
        .flatten();
    let limit = |entry: io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let kilobytes: u64 = name
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?
            .parse()
            .ok()?;
        let size = match kilobytes {
            0..1_048_576 => format!("{}MB", kilobytes >> 10),
            _ => format!("{}GB", kilobytes >> 20),
        };
        let mut limit = LinuxHugepageLimit::default();
        limit.set_page_size(size).set_limit(0);
        Some(limit)
    };
    let mut limits = nothing();
    limits.set_hugepage_limits(Some(sizes.filter_map(limit).collect()));
    limits
}

#[test]
fn limits_of_huge_pages_do_no_harm_where_nothing_limits_them() {
    let ground = playground!("hugepages");
    let limits = no_huge_pages();
    ground.create("c", &limits);
    let updated = ground.cgroups.update(&ground.path("c"), &limits);
    assert!(updated.is_ok(), "{updated:?}");
}

#[test]
fn a_fork_bomb_and_nested_cgroups_are_removed_too() {
    let ground = playground!("bomb");
    let directories = ground.create("c", &nothing());
    for directory in &directories {
        fs::create_dir_all(directory.join("inner/most")).unwrap();
    }
    let mut child = run_in(
        &directories,
        "f() { sleep 0.01 & sleep 0.01; f & f; }; ulimit -u 300; f",
    );
    let path = ground.path("c");
    wait_until("some processes", || {
        ground.cgroups.pids(&path).unwrap().len() > 10
    });
    ground.cgroups.remove(&path, PATIENCE).unwrap();
    child.wait().unwrap();
    assert!(directories.iter().all(|directory| !directory.exists()));
}

#[test]
fn what_the_container_froze_is_removed_too() {
    let ground = playground!("frozen");
    let directories = ground.create("c", &nothing());
    let mut child = run_in(&directories, "exec sleep 1000");
    let path = ground.path("c");
    wait_until("the process joins", || {
        !ground.cgroups.pids(&path).unwrap().is_empty()
    });
    for directory in &directories {
        for (file, value) in [("freezer.state", "FROZEN"), ("cgroup.freeze", "1")] {
            if directory.join(file).exists() {
                fs::write(directory.join(file), value).unwrap();
            }
        }
    }
    ground.cgroups.remove(&path, PATIENCE).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_container_can_make_a_node_of_the_hosts_disk_and_not_open_it() {
    let ground = playground!("devices");
    let free = ground.create("free", &nothing());
    assert_eq!(
        open_disk(&free),
        Some(NOT_REFUSED),
        "the test must be able to tell"
    );
    let rules = spec::device_rules(&[], false).unwrap();
    let mut limits = nothing();
    limits.set_devices(Some(rules.clone()));
    assert_eq!(open_disk(&ground.create("c", &limits)), Some(0));
    let Some(unified) = hybrid_directory(&ground) else {
        return;
    };
    // The same rules as a program, on the unified hierarchy that v1 machines mount as well.
    fs::create_dir(&unified).unwrap();
    let result = device_rules::attach(&unified, &rules);
    let outcome = result.map(|()| open_disk(std::slice::from_ref(&unified)));
    wait_until("the unified cgroup is empty", || {
        fs::remove_dir(&unified).is_ok()
    });
    assert_eq!(outcome.unwrap(), Some(0));
}

fn hybrid_directory(ground: &Playground) -> Option<PathBuf> {
    let mounted = Path::new("/sys/fs/cgroup/unified");
    let is_hybrid =
        ground.cgroups.mode() == CgroupMode::V1 && mounted.join("cgroup.procs").exists();
    is_hybrid.then(|| mounted.join(ground.parent.trim_start_matches('/')))
}

/// Exit code when the kernel does not refuse the node for want of permission.
const NOT_REFUSED: i32 = 4;

/// Makes a node for a block device and opens it. Number 200 of the loop driver does not exist: who
/// may open it gets ENXIO, who may not gets EPERM, which is exit code 0 here.
fn open_disk(directories: &[PathBuf]) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mknod {0} b 7 200 || exit 3; head -c1 /dev/zero > /dev/null || exit 5; \
         head -c1 {0} 2>&1 | grep -q 'not permitted' || exit {NOT_REFUSED}",
        folder.path().join("disk").display()
    );
    run_in(directories, &script)
        .wait_with_output()
        .unwrap()
        .status
        .code()
}

#[test]
fn a_cgroup_that_cannot_be_emptied_is_reported_with_its_processes() {
    let ground = playground!("stuck");
    let directories = ground.create("c", &nothing());
    let mut child = run_in(&directories, "exec sleep 1000");
    let path = ground.path("c");
    wait_until("the process joins", || {
        !ground.cgroups.pids(&path).unwrap().is_empty()
    });
    let got = ground.cgroups.remove(&path, Duration::ZERO);
    let Err(CgroupError::Remove { source, .. }) = got else {
        panic!("{got:?}")
    };
    assert!(
        source.to_string().contains(&child.id().to_string()),
        "{source}"
    );
    assert_eq!(source.kind(), io::ErrorKind::ResourceBusy);
    child.kill().unwrap();
    child.wait().unwrap();
}
