//! What tests start from: a plain pod on a plain machine.

use std::path::PathBuf;

use super::{AppArmor, CgroupMode, HostFacts, ImageFacts, OpenFiles, SandboxFacts, Selinux};
use crate::model::SandboxId;

pub(crate) fn host() -> HostFacts {
    HostFacts {
        hostname: "node-1".to_owned(),
        bounding: (1 << 41) - 1,
        oom_score_adj_floor: -1000,
        cgroup_mode: CgroupMode::V1,
        swap_limit: true,
        recursive_read_only: true,
        user_namespaces: true,
        apparmor: AppArmor::Disabled,
        selinux: Selinux::Disabled,
        open_files: OpenFiles {
            soft: 1024,
            hard: 524_288,
        },
    }
}

pub(crate) fn sandbox() -> SandboxFacts {
    let file = |name: &str| Some(PathBuf::from("/state/sandboxes/s").join(name));
    SandboxFacts {
        id: SandboxId::from_random([0x5a; 32]),
        pause_pid: 7,
        target_pid: None,
        hostname: "web-0".to_owned(),
        hostname_file: file("hostname"),
        hosts_file: file("hosts"),
        resolv_conf: file("resolv.conf"),
        shm_dir: PathBuf::from("/run/sandboxes/s/shm"),
        user_namespace: None,
        selinux: None,
    }
}

pub(crate) fn image() -> ImageFacts {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    ImageFacts {
        entrypoint: words("/bin/server"),
        cmd: words("--port 80"),
        env: words("PATH=/bin:/usr/bin LANG=C.UTF-8"),
        working_dir: "/srv".to_owned(),
        user: "web".to_owned(),
        stop_signal: "SIGQUIT".to_owned(),
        volumes: words("/data"),
    }
}
