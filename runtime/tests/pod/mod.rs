//! A pod over the real podling-monitor and podling-launch, with a busybox root.
//!
//! Everything it makes is named after the test process and is gone when it is dropped.
#![expect(dead_code, reason = "each test uses its part")]

pub(crate) mod described;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use podling_runtime::model::process::{CapabilityMasks, ProcessSpec};
use podling_runtime::model::{ContainerId, SandboxId};
use podling_runtime::monitor::protocol::{
    ContainerStatus, ExecRequest, ExitRecord, LaunchRequest, PauseFilter, PauseUser, PodNamespace,
    Request, SandboxSpec,
};
use podling_runtime::monitor::{
    ExecError, LaunchError, MonitorClient, MonitorError, Stdio3, is_alive, wire,
};
use podling_runtime::snapshot::Overlay;
use podling_runtime::sys::seqpacket;
use rustix::mount::{UnmountFlags, unmount};
use serde_json::{Value, json};
use tempfile::TempDir;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// Applets that tests use.
const APPLETS: [&str; 22] = [
    "sh", "cat", "echo", "sleep", "true", "false", "ls", "id", "seq", "usleep", "grep", "env",
    "head", "pwd", "kill", "touch", "mount", "readlink", "dd", "tr", "ps", "hostname",
];

/// One pod.
pub(crate) struct Pod {
    pub(crate) dir: TempDir,
    pub(crate) client: MonitorClient,
    pub(crate) pause: i32,
    pub(crate) started_in: Duration,
    cgroups: Cgroups,
}

/// Cgroup directories, removed at the end.
struct Cgroups(Vec<PathBuf>);

impl Drop for Cgroups {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        for cgroup in self.0.iter().rev() {
            // Busy until whoever adopted the last members has waited for them.
            while fs::remove_dir(cgroup).is_err() && cgroup.exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = fs::remove_dir(cgroup.parent().expect("a parent"));
        }
    }
}

impl Pod {
    /// A pod with namespaces of its own.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await.expect("a pod")
    }

    /// A pod from a changed spec.
    pub(crate) async fn with(change: impl FnOnce(&mut SandboxSpec)) -> Result<Self, MonitorError> {
        let dir = tempfile::Builder::new()
            .prefix("podling-pod-")
            .tempdir()
            .expect("a directory");
        let run_dir = dir.path().join("run");
        fs::create_dir(&run_dir).expect("a run directory");
        make_layer(&dir.path().join("layer"));
        let id = SandboxId::from_random(random());
        let cgroups = Cgroups(make_cgroups(id.as_str()));
        let mut spec = SandboxSpec {
            id,
            pause: pause_program(dir.path()),
            launch: program("podling-launch", env!("CARGO_BIN_EXE_podling-launch")),
            hostname: "test-pod".to_owned(),
            network: PodNamespace::New,
            ipc: PodNamespace::New,
            pid: PodNamespace::New,
            sysctls: BTreeMap::new(),
            user: PauseUser {
                uid: 65535,
                gid: 65535,
                groups: Vec::new(),
            },
            cgroup_dirs: cgroups.0.clone(),
            oom_score_adj: 0,
            shm_size: 1 << 20,
            filter: PauseFilter::None,
            user_namespace: None,
            labels: None,
        };
        change(&mut spec);
        let monitor = program("podling-monitor", env!("CARGO_BIN_EXE_podling-monitor"));
        let begun = Instant::now();
        let (client, started) = MonitorClient::spawn(&run_dir, &monitor, &spec).await?;
        Ok(Self {
            dir,
            client,
            pause: started.pid,
            started_in: begun.elapsed(),
            cgroups,
        })
    }

    /// Puts a program that is made from C into the image.
    pub(crate) fn compile(&self, name: &str, source: &str) {
        let file = self.dir.path().join(format!("{name}.c"));
        fs::write(&file, source).expect("a source file");
        gcc(
            &["-static"],
            &file,
            &self.dir.path().join("layer/bin").join(name),
        );
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// A container that is not launched yet.
    pub(crate) fn container(&mut self, script: &str) -> Container {
        let id = ContainerId::from_random(random());
        let dir = self.dir.path().join("containers").join(id.as_str());
        for name in ["upper", "work", "rootfs"] {
            fs::create_dir_all(dir.join(name)).expect("a container directory");
        }
        let cgroups = make_cgroups(id.as_str());
        self.cgroups.0.extend(cgroups.clone());
        Container {
            spec: spec(&["/bin/sh", "-c", script], self.pause, &self.run_dir()),
            request: LaunchRequest {
                container_id: id,
                bundle: dir.clone(),
                overlay: Overlay {
                    lower: vec![self.dir.path().join("layer")],
                    upper: dir.join("upper"),
                    work: dir.join("work"),
                    target: dir.join("rootfs"),
                },
                directories: Vec::new(),
                cgroup_dirs: cgroups,
                log_path: Some(self.dir.path().join("logs/c/0.log")),
                tty: false,
                stdin: false,
                stdin_once: false,
                seccomp_cache: None,
                shm_dir: Some(self.run_dir().join("shm")),
                image_volumes: Vec::new(),
                owner: (0, 0),
                oci: None,
            },
        }
    }

    pub(crate) async fn launch(&self, container: &Container) -> Result<i32, LaunchError> {
        let json = serde_json::to_vec(&container.spec).expect("JSON");
        fs::write(container.request.bundle.join("config.json"), json).expect("config.json");
        Ok(self.client.launch(container.request.clone()).await?.pid)
    }

    /// Launches a script and waits for its end.
    pub(crate) async fn run(&mut self, script: &str) -> ExitRecord {
        let container = self.container(script);
        self.launch(&container).await.expect("a launch");
        self.ended(container.id()).await
    }

    pub(crate) async fn status(&self, id: &ContainerId) -> Option<ContainerStatus> {
        let state = self.client.state().await.expect("the monitor's state");
        state
            .containers
            .into_iter()
            .find(|report| report.id == *id)
            .map(|report| report.status)
    }

    pub(crate) async fn ended(&self, id: &ContainerId) -> ExitRecord {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(ContainerStatus::Exited(record)) = self.status(id).await {
                return record;
            }
            assert!(Instant::now() < deadline, "container {id:?} does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What the container with the log file of this pod has printed, without stamps.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join("logs/c/0.log")).unwrap_or_default();
        // Not `lines`, which drops the carriage returns of terminals.
        text.split_terminator('\n')
            .map(|line| format!("{}\n", line.split_once(' ').map_or("", |l| l.1)))
            .collect()
    }

    pub(crate) async fn wait_for_log(&self, what: &str) {
        wait_until(|| self.log().contains(what)).await;
    }

    /// Runs a program in a container; its output and its code.
    pub(crate) async fn exec(
        &self,
        id: &ContainerId,
        process: ProcessSpec,
    ) -> Result<(String, i32), ExecError> {
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        let stderr = writer.try_clone().expect("a second writer");
        let stdio = Stdio3 {
            stdin: None,
            stdout: Some(writer),
            stderr: Some(stderr),
        };
        let request = ExecRequest {
            container_id: id.clone(),
            process,
            tty: false,
        };
        let mut exec = self.client.exec(request, stdio).await?;
        let output = tokio::task::spawn_blocking(move || read_all(reader));
        let code = exec.wait().await?;
        Ok((output.await.expect("a reader"), code))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let run_dir = self.run_dir();
        if let Ok(socket) = seqpacket::connect(&run_dir, "monitor.sock") {
            let _ = wire::send(socket.as_fd(), &Request::Shutdown, &[]);
        }
        let deadline = Instant::now() + Duration::from_secs(15);
        while is_alive(&run_dir).unwrap_or(false) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        // What a test has mounted in its own namespace would keep the directory.
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        let below: Vec<_> = points
            .filter(|point| Path::new(point).starts_with(self.dir.path()))
            .collect();
        for point in below.into_iter().rev() {
            let _ = unmount(point, UnmountFlags::DETACH);
        }
    }
}

/// A container to be launched: its request and its spec, both open to changes.
pub(crate) struct Container {
    pub(crate) request: LaunchRequest,
    pub(crate) spec: Value,
}

impl Container {
    pub(crate) fn id(&self) -> &ContainerId {
        &self.request.container_id
    }

    pub(crate) fn args(&mut self, args: &[&str]) {
        self.spec["process"]["args"] = json!(args);
    }
}

/// The capabilities that containers have by default.
pub(crate) const DEFAULT_CAPS: u64 = 0xa804_25fb;

/// A process like the first one of a container.
pub(crate) fn process(args: &[&str]) -> ProcessSpec {
    ProcessSpec {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec![b"PATH=/bin".to_vec()],
        cwd: "/".to_owned(),
        capabilities: CapabilityMasks {
            bounding: DEFAULT_CAPS,
            effective: DEFAULT_CAPS,
            permitted: DEFAULT_CAPS,
            inheritable: 0,
            ambient: 0,
        },
        ..ProcessSpec::default()
    }
}

pub(crate) async fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "the condition does not come true"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn default_caps() -> Value {
    json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SYS_CHROOT",
        "CAP_MKNOD",
        "CAP_AUDIT_WRITE",
        "CAP_SETFCAP"
    ])
}

fn spec(args: &[&str], pause: i32, run_dir: &Path) -> Value {
    let plain = ["nosuid", "noexec", "nodev"];
    json!({
        "ociVersion": "1.2.0",
        "process": {
            "args": args, "cwd": "/", "user": {"uid": 0, "gid": 0},
            "env": ["PATH=/bin"],
            "capabilities": {"bounding": default_caps(), "effective": default_caps(),
                             "permitted": default_caps()},
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": plain},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "bind", "source": run_dir.join("shm"),
             "options": ["rbind", "ro", "nosuid", "nodev", "noexec"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
        ],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "mount"}, {"type": "cgroup"},
                {"type": "network", "path": format!("/proc/{pause}/ns/net")},
                {"type": "ipc", "path": format!("/proc/{pause}/ns/ipc")},
                {"type": "uts", "path": format!("/proc/{pause}/ns/uts")},
            ],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
        },
    })
}

fn make_layer(layer: &Path) {
    for dir in ["bin", "proc", "dev", "sys", "etc", "tmp", "root"] {
        fs::create_dir_all(layer.join(dir)).expect("a directory of the layer");
    }
    fs::copy("/bin/busybox", layer.join("bin/busybox")).expect("busybox-static is installed");
    for applet in APPLETS {
        symlink("busybox", layer.join("bin").join(applet)).expect("an applet");
    }
    fs::write(layer.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").expect("a file");
    fs::write(layer.join("bin/not-executable"), "").expect("a file");
}

/// A program of ours: the one that was built with this test, or that of `PODLING_TEST_PROGRAMS`.
fn program(name: &str, built: &str) -> PathBuf {
    match std::env::var_os("PODLING_TEST_PROGRAMS") {
        Some(dir) => Path::new(&dir).join(name),
        None => built.into(),
    }
}

/// A program that waits for ever. The real pause is another crate, with tests of its own.
fn pause_program(dir: &Path) -> PathBuf {
    if let Some(path) = std::env::var_os("PODLING_TEST_PAUSE") {
        return path.into();
    }
    let (source, program) = (dir.join("pause.c"), dir.join("pause"));
    fs::write(
        &source,
        "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n",
    )
    .expect("a source file");
    gcc(&["-static"], &source, &program);
    program
}

/// Compiles one file of C.
pub(crate) fn gcc(options: &[&str], source: &Path, program: &Path) {
    let status = std::process::Command::new("gcc")
        .args(options)
        .args(["-Os", "-o"])
        .args([program, source])
        .status()
        .expect("gcc is installed");
    assert!(status.success());
}

/// A cgroup of every hierarchy, below one of this process.
fn make_cgroups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let parent = format!("podling-test-{}", std::process::id());
    let make = |hierarchy: PathBuf| {
        let dir = hierarchy.join(&parent).join(name);
        fs::create_dir_all(&dir).expect("a cgroup");
        dir
    };
    if root.join("cgroup.controllers").exists() {
        let _ = fs::write(root.join("cgroup.subtree_control"), "+memory +pids");
        let dir = make(root.to_owned());
        let _ = fs::write(
            root.join(&parent).join("cgroup.subtree_control"),
            "+memory +pids",
        );
        return vec![dir];
    }
    let hierarchies = fs::read_dir(root).expect("cgroup v1");
    hierarchies
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("tasks").exists() && !path.ends_with("cpuset"))
        .map(make)
        .collect()
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[28..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

fn read_all(fd: OwnedFd) -> String {
    use std::io::Read;
    let mut text = String::new();
    fs::File::from(fd)
        .read_to_string(&mut text)
        .expect("UTF-8 output");
    text
}
