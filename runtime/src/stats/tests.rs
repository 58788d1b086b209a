//! Statistics of real cgroups and processes.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::spec::CgroupMode;

/// A process in a cgroup of its own, ended and removed at the end.
struct Member {
    cgroups: Cgroups,
    path: CgroupPath,
    process: Child,
}

impl Member {
    /// `None` where the tests cannot make cgroups.
    fn start(test: &str, script: &str) -> Option<Self> {
        let cgroups = Cgroups::open()
            .ok()
            .filter(|_| rustix::process::geteuid().is_root())?;
        let parent = format!("/podling-stats-{}-{test}", std::process::id());
        let path = CgroupPath::new(&parent, "c").unwrap();
        let mut limits = oci_spec::runtime::LinuxResources::default();
        limits.set_devices(None);
        let mut memory = oci_spec::runtime::LinuxMemory::default();
        memory.set_limit(Some(256 << 20));
        limits.set_memory(Some(memory));
        let directories = cgroups.create(&path, &limits).unwrap();
        let join: String = directories
            .iter()
            .map(|directory| {
                let directory = directory.display();
                format!("echo 0 > {directory}/cgroup.procs || exit 99; ")
            })
            .collect();
        let process = Command::new("/bin/sh")
            .args(["-c", &format!("{join}{script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Self {
            cgroups,
            path,
            process,
        })
    }

    /// Waits until the script says a line.
    fn wait(&mut self) {
        use std::io::{BufRead, BufReader};
        let mut line = String::new();
        let stdout = self.process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    fn target(&self, layer: &std::path::Path) -> PodTarget {
        PodTarget {
            whole: Whole::Cgroup(self.path.clone()),
            pause_pid: i32::try_from(self.process.id()).ok(),
            containers: vec![ContainerTarget {
                id: ContainerId::from_random([3; 32]),
                cgroup: Some(self.path.clone()),
                started_at: 0,
                pid: i32::try_from(self.process.id()).ok(),
                layer: layer.to_owned(),
            }],
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let (above, name) = self.path.as_str().rsplit_once('/').unwrap();
        assert_eq!(name, "c");
        let parent = CgroupPath::new("/", above.trim_start_matches('/')).unwrap();
        self.cgroups
            .remove(&parent, Duration::from_secs(5))
            .unwrap();
        let _ = self.process.wait();
    }
}

fn open(cgroups: &Cgroups, state_dir: &std::path::Path) -> (Stats, TaskTracker, CancellationToken) {
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let stats = Stats::open(
        cgroups.clone(),
        state_dir.to_owned(),
        &tasks,
        shutdown.clone(),
    );
    (stats, tasks, shutdown)
}

#[tokio::test]
async fn a_running_container_is_measured_and_one_that_ended_is_left_out() {
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo ready; read x";
    let Some(mut member) = Member::start("measured", script) else {
        eprintln!("skipped: root and a cgroup hierarchy are needed");
        return;
    };
    member.wait();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), [1; 5000]).unwrap();
    let (stats, tasks, shutdown) = open(&member.cgroups, dir.path());
    let target = member.target(dir.path());
    let read = stats.read(vec![target.clone()], Detail::Processes).await;
    let container = &read[0].containers[0];
    let usage = &container.running.as_ref().unwrap().usage;
    assert!(usage.cpu.unwrap().total > 0);
    let memory = usage.memory.unwrap();
    assert_eq!(memory.limit, Some(256 << 20));
    assert!(memory.usage > 0 && memory.working_set() <= memory.usage);
    assert_eq!(usage.tasks.unwrap().count, 1);
    assert_eq!(usage.oom_kills, Some(0));
    if member.cgroups.mode() == CgroupMode::V2 {
        assert!(usage.pressure.cpu.is_some() && usage.pressure.memory.is_some());
    }
    assert_eq!(container.layer.unwrap().inodes, 1);
    let processes = container.processes.unwrap();
    assert!(processes.processes == 1 && processes.descriptors >= 3);
    assert!(read[0].whole.is_some() && read[0].network.is_some());
    assert!(stats.storage().await.file_system.unwrap().bytes > 0);

    member
        .cgroups
        .remove(&member.path, Duration::from_secs(5))
        .unwrap();
    let read = stats.read(vec![target], Detail::Cgroups).await;
    assert!(read[0].containers.is_empty() && read[0].whole.is_none());
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn pods_are_answered_in_their_order_however_many_there_are() {
    let Ok(cgroups) = Cgroups::open() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (stats, _tasks, shutdown) = open(&cgroups, dir.path());
    let target = |number: u8| PodTarget {
        whole: Whole::Unasked,
        pause_pid: None,
        containers: vec![ContainerTarget {
            id: ContainerId::from_random([number; 32]),
            cgroup: None,
            started_at: 0,
            pid: None,
            layer: dir.path().to_owned(),
        }],
    };
    let read = stats
        .read((0..100).map(target).collect(), Detail::Cgroups)
        .await;
    let ids: Vec<_> = read
        .iter()
        .map(|pod| pod.containers[0].id.clone())
        .collect();
    let expected: Vec<_> = (0..100)
        .map(|number| ContainerId::from_random([number; 32]))
        .collect();
    assert_eq!(ids, expected);
    shutdown.cancel();
}
