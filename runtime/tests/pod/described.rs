//! Containers as the daemon makes them: from a request to a spec, with a cgroup that has the
//! spec's limits and device rules.

use std::collections::BTreeMap;
use std::fs;

use podling_runtime::cgroup::{CgroupPath, Cgroups};
use podling_runtime::host;
use podling_runtime::model::process::ProcessSpec;
use podling_runtime::model::selinux::PodLabels;
use podling_runtime::model::{ContainerConfig, SandboxId};
use podling_runtime::monitor::Stdio3;
use podling_runtime::monitor::protocol::{ContainerStatus, ExecRequest};
use podling_runtime::spec::{
    Accounts, DeviceMount, ExecCommand, HostDevice, ImageFacts, SandboxFacts, SpecError, SpecInput,
    container_spec, exec_process,
};

use super::{Container, Pod};

/// What a container is described by.
#[derive(Default)]
pub(crate) struct Description {
    pub(crate) config: ContainerConfig,
    pub(crate) image: ImageFacts,
    pub(crate) accounts: Accounts,
    pub(crate) devices: Vec<HostDevice>,
    pub(crate) device_mounts: Vec<DeviceMount>,
    pub(crate) seccomp_profile: Option<String>,
    pub(crate) selinux: Option<PodLabels>,
}

impl Description {
    /// A container that runs a script.
    pub(crate) fn of(script: &str) -> Self {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Self {
            config: ContainerConfig {
                command,
                ..ContainerConfig::default()
            },
            ..Self::default()
        }
    }

    /// A container that stays.
    pub(crate) fn sleeper() -> Self {
        let mut description = Self::of("");
        description.config.command = ["/bin/sleep", "1000"].map(str::to_owned).to_vec();
        description
    }
}

impl Pod {
    /// A container of a description, not launched yet.
    pub(crate) fn described(&mut self, what: &Description) -> Result<Container, SpecError> {
        let host = host::read().expect("the facts of this machine");
        let mut container = self.container("");
        let sandbox = SandboxFacts {
            user_namespace: None,
            id: SandboxId::from_random([7; 32]),
            pause_pid: self.pause,
            target_pid: None,
            hostname: "test-pod".to_owned(),
            hostname_file: None,
            hosts_file: None,
            resolv_conf: None,
            shm_dir: self.run_dir().join("shm"),
            selinux: what.selinux.clone(),
        };
        let described = container_spec(&SpecInput {
            id: container.id(),
            config: &what.config,
            mounts: &what.config.mounts,
            devices: &what.devices,
            device_mounts: &what.device_mounts,
            seccomp_profile: what.seccomp_profile.as_deref(),
            image: &what.image,
            accounts: &what.accounts,
            sandbox: &sandbox,
            host: &host,
            rootfs: &container.request.overlay.target,
            cgroup_path: "/unused",
        })?;
        container.spec = serde_json::to_value(&described.spec).expect("JSON");
        container.request.directories = described.directories;
        let limits = described.spec.linux().as_ref();
        let limits = limits.and_then(|linux| linux.resources().clone());
        self.limit(&container, &limits.unwrap_or_default());
        Ok(container)
    }

    /// Gives the container's cgroup its limits and device rules.
    fn limit(&mut self, container: &Container, limits: &oci_spec::runtime::LinuxResources) {
        let parent = format!("/podling-test-{}", std::process::id());
        let path = CgroupPath::new(&parent, container.id().as_str()).expect("a path");
        let cgroups = Cgroups::open().expect("cgroups");
        let made = cgroups.create(&path, limits).expect("a cgroup");
        self.cgroups.0.extend(made);
    }

    /// The pid of a container that runs.
    pub(crate) async fn pid_of(&self, container: &Container) -> i32 {
        match self.status(container.id()).await {
            Some(ContainerStatus::Running { pid, .. }) => pid,
            other => panic!("{other:?}"),
        }
    }

    /// The process that an exec in the container is, as the daemon describes it.
    pub(crate) fn exec_of(&self, container: &Container, args: &[&str]) -> ProcessSpec {
        let spec = serde_json::from_value(container.spec.clone()).expect("a spec");
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let command = ExecCommand {
            args: &args,
            tty: false,
        };
        exec_process(&spec, &command).expect("a process")
    }

    /// Begins an exec of `sleep` in the container, and reads what confines it from the host.
    pub(crate) async fn facts_of_exec(&self, container: &Container) -> Facts {
        let request = ExecRequest {
            container_id: container.id().clone(),
            process: self.exec_of(container, &["/bin/sleep", "1000"]),
            tty: false,
        };
        let exec = self.client.exec(request, Stdio3::default()).await;
        let exec = exec.expect("an exec");
        facts(exec.pid())
    }
}

/// What confines a process, by name.
pub(crate) type Facts = BTreeMap<String, String>;

/// Lines of /proc/PID/status that say who a process is and what it may do.
const STATUS: [&str; 15] = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "SigBlk",
    "SigIgn",
    "SigCgt",
];

/// Reads what confines a process.
pub(crate) fn facts(pid: i32) -> Facts {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let text = |name: &str| String::from_utf8_lossy(&read(name)).into_owned();
    let mut facts = Facts::new();
    for line in text("status").lines() {
        if let Some((name, value)) = line.split_once(':')
            && STATUS.contains(&name)
        {
            let words: Vec<&str> = value.split_whitespace().collect();
            facts.insert(name.to_owned(), words.join(" "));
        }
    }
    for line in text("limits").lines().skip(1) {
        let (name, values) = line.split_at(26);
        let words: Vec<&str> = values.split_whitespace().collect();
        facts.insert(name.trim().to_owned(), words.join(" "));
    }
    for name in [
        "cgroup",
        "oom_score_adj",
        "attr/current",
        "environ",
        "mountinfo",
    ] {
        facts.insert(name.to_owned(), text(name).trim().to_owned());
    }
    for name in [
        "cwd",
        "root",
        "ns/mnt",
        "ns/pid",
        "ns/net",
        "ns/ipc",
        "ns/uts",
        "ns/cgroup",
        "ns/user",
    ] {
        let link = fs::read_link(format!("/proc/{pid}/{name}")).expect("a link");
        facts.insert(name.to_owned(), link.display().to_string());
    }
    facts
}
