//! What every container has mounted before its request says a word.

use std::path::Path;

use oci_spec::runtime::{Mount, MountBuilder};

use super::SandboxFacts;
use crate::model::config::ContainerSecurity;

/// /proc, /dev, /sys and what belongs below them.
///
/// A tmpfs on /dev is always among them: without one libcontainer makes the device nodes in the
/// image's own /dev, and the second start of the container fails over them.
pub(super) fn kernel_mounts(security: &ContainerSecurity) -> Vec<Mount> {
    let access = if security.privileged { "rw" } else { "ro" };
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount(
            "/dev/mqueue",
            "mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        ),
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", access],
        ),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", access],
        ),
    ]
}

/// The files and the shared memory of the pod.
pub(super) fn sandbox_mounts(sandbox: &SandboxFacts, security: &ContainerSecurity) -> Vec<Mount> {
    let access = if security.readonly_rootfs { "ro" } else { "rw" };
    let files = [
        ("/etc/hostname", &sandbox.hostname_file),
        ("/etc/hosts", &sandbox.hosts_file),
        ("/etc/resolv.conf", &sandbox.resolv_conf),
    ];
    let mut mounts: Vec<Mount> = files
        .into_iter()
        .filter_map(|(destination, file)| Some(bind(destination, file.as_deref()?, access)))
        .collect();
    mounts.push(bind("/dev/shm", &sandbox.shm_dir, "rw"));
    mounts
}

fn bind(destination: &str, source: &Path, access: &str) -> Mount {
    let mut mount = mount(destination, "bind", "", &["rbind", "rprivate", access]);
    mount.set_source(Some(source.to_owned()));
    mount
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    MountBuilder::default()
        .destination(destination)
        .typ(kind)
        .source(source)
        .options(
            options
                .iter()
                .map(|&option| option.to_owned())
                .collect::<Vec<_>>(),
        )
        .build()
        .expect("every field has a default")
}
