//! What every container has mounted before its request says a word.

use std::path::Path;

use oci_spec::runtime::{Mount, MountBuilder};

use super::{HostFacts, SandboxFacts, user_namespace};
use crate::model::config::{ContainerSecurity, NamespaceMode};

/// /proc, /dev, /sys and what belongs below them.
///
/// A tmpfs on /dev is always among them: without one libcontainer makes the device nodes in the
/// image's own /dev, and the second start of the container fails over them.
pub(super) fn kernel_mounts(
    security: &ContainerSecurity,
    sandbox: &SandboxFacts,
    host: &HostFacts,
) -> Vec<Mount> {
    let access = if security.privileged { "rw" } else { "ro" };
    let plain = ["nosuid", "noexec", "nodev"];
    vec![
        mount("/proc", "proc", "proc", &plain),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        terminals(sandbox),
        mount("/dev/mqueue", "mqueue", "mqueue", &plain),
        sysfs(security, sandbox, host, access),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", access],
        ),
    ]
}

/// Terminals belong to the group `tty`, if it exists in the pod's user namespace.
fn terminals(sandbox: &SandboxFacts) -> Mount {
    let mut options = vec![
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
    ];
    if sandbox
        .user_namespace
        .is_none_or(|namespace| namespace.has(5))
    {
        options.push("gid=5");
    }
    mount("/dev/pts", "devpts", "devpts", &options)
}

/// sysfs shows the network namespace of whoever mounts it. In a user namespace that does not own
/// the network it cannot be mounted: there the host's is shown, and nothing of it can be written.
fn sysfs(
    security: &ContainerSecurity,
    sandbox: &SandboxFacts,
    host: &HostFacts,
    access: &str,
) -> Mount {
    let is_hosts_network = security.namespaces.network == NamespaceMode::Node;
    if sandbox.user_namespace.is_some() && is_hosts_network {
        let read_only = if host.recursive_read_only {
            "rro"
        } else {
            "ro"
        };
        let options = ["rbind", "rprivate", "nosuid", "noexec", "nodev", read_only];
        return mount("/sys", "bind", "/sys", &options);
    }
    mount(
        "/sys",
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", access],
    )
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
    if let Some(namespace) = &sandbox.user_namespace {
        for mount in &mut mounts {
            user_namespace::map(mount, namespace);
        }
    }
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
