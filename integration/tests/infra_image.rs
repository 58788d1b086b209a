//! Stories about the infra image: it is reproducible, and podman runs pods around it.

mod support;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use podling_integration::images::docker_archive::docker_archive;
use podling_integration::images::infra::infra_image;
use podling_integration::images::testbox::testbox_image;
use podling_integration::images::{Layout, local_name};
use tempfile::TempDir;

use support::{children, pause_program, wait_for};

/// podman gives containers more open files than it may have itself on a restricted machine, and
/// keeps its locks in one place for all of the machine.
const CONTAINERS_CONF: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

[engine]
lock_type = "file"
"#;

const POD: &str = "podling-infra-test";
const SECONDS_TO_STOP: &str = "30";

/// podman with storage and state of its own; its pods are removed when it is dropped.
struct Podman {
    directory: TempDir,
    runtime: Option<&'static str>,
}

impl Podman {
    /// `None`, said aloud, where podman is not installed.
    fn installed() -> Option<Self> {
        if find_program("podman").is_none() {
            // Past the test harness, which hides what passing tests print.
            let _ = writeln!(
                io::stderr(),
                "SKIPPED podman_runs_a_pod_around_it: podman is not installed \
                 (apt-get install --no-install-recommends podman runc)"
            );
            return None;
        }
        let directory = tempfile::tempdir().expect("make a directory");
        fs::write(directory.path().join("containers.conf"), CONTAINERS_CONF)
            .expect("write podman's configuration");
        // Debian's crun refuses a hybrid of cgroup v1 and v2, runc takes every kind.
        let runtime = find_program("runc").map(|_| "runc");
        Some(Self { directory, runtime })
    }

    /// Runs podman with the words of a line, beside the archives.
    fn run(&self, line: &str) -> Output {
        let mut podman = Command::new("podman");
        podman
            .args(["--root", "root", "--runroot", "run", "--tmpdir", "tmp"])
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["--events-backend", "none"])
            .args(
                self.runtime
                    .map(|runtime| ["--runtime", runtime])
                    .into_iter()
                    .flatten(),
            )
            .args(line.split_whitespace())
            .current_dir(self.directory.path())
            .env(
                "CONTAINERS_CONF",
                self.directory.path().join("containers.conf"),
            );
        podman.output().expect("run podman")
    }

    /// Runs a command that must succeed; answers with what it printed.
    fn say(&self, line: &str) -> String {
        let output = self.run(line);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "podman {line}: {}, {complaint}",
            output.status
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn load(&self, file: &str, archive: &[u8]) {
        fs::write(self.directory.path().join(file), archive).expect("write the archive");
        self.say(&format!("load --input {file}"));
    }

    /// A fact about the infra container.
    fn infra(&self, fact: &str) -> String {
        self.say(&format!(
            "inspect --type container --format {{{{.State.{fact}}}}} infra"
        ))
    }

    /// A cgroup for the pod's own, so that it can be removed: podman leaves its default one.
    fn cgroup_parent(&self) -> String {
        let unique = self
            .directory
            .path()
            .file_name()
            .expect("a directory has a name");
        format!("podling-infra-test{}", unique.to_string_lossy())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.run("pod rm --force --all");
        let cgroups = cgroups(&self.cgroup_parent());
        if !thread::panicking() {
            // podman's own processes are in there for a moment after it has answered.
            wait_for("podman to leave its cgroups", || {
                cgroups.iter().all(remove_cgroup).then_some(())
            });
        }
    }
}

/// The cgroup `name` of every hierarchy that has it.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let below = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let hierarchies = below.chain([root.to_owned()]);
    hierarchies
        .map(|hierarchy| hierarchy.join(name))
        .filter(|cgroup| cgroup.is_dir())
        .collect()
}

/// Removes a cgroup and those in it; whether it is gone.
fn remove_cgroup(cgroup: &PathBuf) -> bool {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    let _ = fs::remove_dir(cgroup);
    !cgroup.exists()
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(name));
    candidates.find(|candidate| candidate.is_file())
}

#[test]
fn two_builds_of_the_infra_image_give_the_same_bytes() {
    let pause = fs::read(pause_program()).expect("pause is built");
    let build = || {
        let image = infra_image(&pause, 0).build();
        let name = local_name("pause");
        (
            Layout::of(&name, &image.content()).tar(0),
            docker_archive(&name, &image, 0),
        )
    };
    assert_eq!(build(), build());
}

#[test]
fn podman_runs_a_pod_around_it() {
    let Some(podman) = Podman::installed() else {
        return;
    };
    let pause = infra_image(&fs::read(pause_program()).expect("pause is built"), 0).build();
    let testbox = fs::read(env!("CARGO_BIN_EXE_podling-testbox")).expect("testbox is built");
    let testbox = testbox_image(&testbox).build();
    let (pause_name, testbox_name) = (local_name("pause"), local_name("testbox"));
    podman.load("pause.tar", &docker_archive(&pause_name, &pause, 0));
    podman.load(
        "testbox.tar",
        &Layout::of(&testbox_name, &testbox.content()).tar(0),
    );

    podman.say(&format!(
        "pod create --name {POD} --infra-name infra --infra-image {pause_name} --network none \
         --share ipc,net,pid,uts --cgroup-parent {}",
        podman.cgroup_parent(),
    ));
    podman.say(&format!(
        "run --detach --pod {POD} --name box {testbox_name} sleep"
    ));

    // pause is PID 1 of the pod and reaps what the other container leaves behind.
    let infra: u32 = podman.infra("Pid").parse().expect("podman prints a pid");
    let name = fs::read_to_string(format!("/proc/{infra}/comm")).expect("the infra container runs");
    assert_eq!(name, "pause\n");
    assert_eq!(
        podman.say("exec box /testbox orphans 50"),
        "left 50 orphans"
    );
    wait_for("pause to have no children", || {
        children(infra).is_empty().then_some(())
    });

    // It ends at once and well when the pod is stopped.
    podman.say(&format!("pod stop --time {SECONDS_TO_STOP} {POD}"));
    assert_eq!(
        (podman.infra("Status"), podman.infra("ExitCode")),
        ("exited".into(), "0".into())
    );
    let log = podman.run("logs infra").stderr;
    assert_eq!(
        String::from_utf8_lossy(&log),
        "Shutting down, got signal: Terminated\n"
    );
}
