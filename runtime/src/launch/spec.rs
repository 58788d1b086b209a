//! The spec as libcontainer gets it: the guards that are a matter of the spec.
//!
//! Numbers are rows of the list of libcontainer's defects that the tests are named after.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Linux, LinuxNamespaceType, Mount, MountBuilder, PosixRlimitBuilder, PosixRlimitType, Process,
    Root, Spec,
};

use super::capability;
use crate::sys::program::DEFAULT_PATH;

/// What `adjust` must know of this process and of what was staged.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Bounding set of this process.
    pub(super) bounding: u64,
    /// Its hard limits.
    pub(super) hard_limits: BTreeMap<i32, u64>,
    /// Where the overlay is mounted.
    pub(super) rootfs: PathBuf,
    /// What is bound in place of the spec's sources, by destination.
    pub(super) sources: BTreeMap<PathBuf, PathBuf>,
    /// The mount namespace that the container's root is prepared in.
    pub(super) mount_namespace: PathBuf,
    /// The directory that shows the container's cgroups.
    pub(super) cgroup_view: PathBuf,
    /// A cgroup path of its own (row 13).
    pub(super) cgroup_path: PathBuf,
    /// Whether the executor needs capabilities to load a filter, and takes them back after.
    pub(super) lends_capabilities: bool,
}

/// Why a spec is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SpecError {
    /// A part that cannot be missing is.
    #[error("the spec has no {0}")]
    Missing(&'static str),
    /// It asks for something that cannot be given.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A pids limit that leaves no room to start a container.
    #[error("pids limit {0} is too low: starting a container takes 4 processes")]
    PidsLimit(i64),
}

/// The fewest pids that a container can be started with: podling-launch, libcontainer's
/// intermediate process, the container's first process, and one to spare.
const FEWEST_PIDS: i64 = 4;

/// Refuses what cannot be given.
pub(super) fn check(spec: &Spec) -> Result<(), SpecError> {
    let unsupported = |what: &str| Err(SpecError::Unsupported(what.to_owned()));
    if spec.process().is_none() {
        return Err(SpecError::Missing("process"));
    }
    let linux = spec
        .linux()
        .as_ref()
        .ok_or(SpecError::Missing("linux part"))?;
    if !has_namespace(linux, LinuxNamespaceType::Mount) {
        return unsupported("a container without a mount namespace of its own");
    }
    if !has_namespace(linux, LinuxNamespaceType::User) {
        check_ids(spec)?;
    }
    let limit = linux
        .resources()
        .as_ref()
        .and_then(|resources| resources.pids().as_ref());
    match limit.map(|pids| pids.limit()) {
        Some(limit) if (1..FEWEST_PIDS).contains(&limit) => Err(SpecError::PidsLimit(limit)),
        _ => Ok(()),
    }
}

/// Ids are those of the pod's user namespace or the host's own.
fn check_ids(spec: &Spec) -> Result<(), SpecError> {
    let is_mapped =
        |mount: &&Mount| mount.uid_mappings().is_some() || mount.gid_mappings().is_some();
    match spec.mounts().iter().flatten().find(is_mapped) {
        Some(mount) => Err(SpecError::Unsupported(format!(
            "the idmapped mount at {} without a user namespace",
            mount.destination().display()
        ))),
        None => Ok(()),
    }
}

/// Turns a checked spec into the one that libcontainer carries out.
pub(super) fn adjust(spec: &mut Spec, facts: &Facts) {
    let readonly = spec.root().as_ref().and_then(Root::readonly);
    let mut root = Root::default();
    root.set_path(facts.rootfs.clone()).set_readonly(readonly);
    spec.set_root(Some(root));
    if let Some(mut process) = spec.process().clone() {
        adjust_process(&mut process, facts);
        spec.set_process(Some(process));
    }
    if let Some(mut linux) = spec.linux().clone() {
        adjust_linux(&mut linux, facts);
        spec.set_linux(Some(linux));
    }
    let mounts = spec.mounts().clone().unwrap_or_default();
    spec.set_mounts(Some(adjust_mounts(mounts, facts)));
    label_mounts(spec);
}

/// File systems that a container has for itself get its label. libcontainer would give it to all, also
/// to those that are there before the container (mqueue), which the kernel refuses.
fn label_mounts(spec: &mut Spec) {
    let Some(linux) = spec.linux_mut() else {
        return;
    };
    let Some(label) = linux.mount_label().clone() else {
        return;
    };
    linux.set_mount_label(None);
    let is_own = |mount: &&mut Mount| matches!(mount.typ().as_deref(), Some("tmpfs" | "devpts"));
    for mount in spec.mounts_mut().iter_mut().flatten().filter(is_own) {
        let mut options = mount.options().clone().unwrap_or_default();
        options.push(format!("context={label}"));
        mount.set_options(Some(options));
    }
}

fn adjust_process(process: &mut Process, facts: &Facts) {
    // Row 3: `false` is read as true when it is there.
    if process.no_new_privileges() == Some(false) {
        process.set_no_new_privileges(None);
    }
    // Row 12: a spec without PATH is refused.
    let mut env = process.env().clone().unwrap_or_default();
    if !env.iter().any(|variable| variable.starts_with("PATH=")) {
        env.push(format!("PATH={DEFAULT_PATH}"));
    }
    process.set_env(Some(env));
    // Row 17: the executor sets them, through a procfs that the container cannot cover.
    process.set_apparmor_profile(None).set_selinux_label(None);
    // Row 19: already set, clamped, by podling-launch itself; children inherit it. Limits likewise.
    process.set_oom_score_adj(None);
    clamp_limits(process, facts.bounding, &facts.hard_limits);
    if let Some(mut capabilities) = process.capabilities().clone() {
        capability::limit(&mut capabilities, facts.bounding);
        if facts.lends_capabilities {
            capability::lend_for_seccomp(&mut capabilities);
        }
        process.set_capabilities(Some(capabilities));
    }
}

/// Lowers resource limits to what a process with these capabilities may set.
pub(super) fn clamp_limits(process: &mut Process, bounding: u64, most: &BTreeMap<i32, u64>) {
    if bounding & (1 << capability::SYS_RESOURCE) != 0 {
        return;
    }
    let Some(mut limits) = process.rlimits().clone() else {
        return;
    };
    for limit in &mut limits {
        let most = most.get(&rlimit_number(limit.typ())).copied();
        let hard = limit.hard().min(most.unwrap_or(u64::MAX));
        let soft = limit.soft().min(hard);
        *limit = PosixRlimitBuilder::default()
            .typ(limit.typ())
            .hard(hard)
            .soft(soft)
            .build()
            .expect("every field that a limit needs is given");
    }
    process.set_rlimits(Some(limits));
}

fn adjust_linux(linux: &mut Linux, facts: &Facts) {
    // Limits were set by the daemon, which made the cgroups.
    linux.set_resources(None);
    linux.set_cgroups_path(Some(facts.cgroup_path.clone()));
    let mut namespaces = linux.namespaces().clone().unwrap_or_default();
    for namespace in &mut namespaces {
        if namespace.typ() == LinuxNamespaceType::Mount {
            namespace.set_path(Some(facts.mount_namespace.clone()));
        }
    }
    linux.set_namespaces(Some(namespaces));
    // Rows 1 and 2: the executor loads the filter that podling-launch has compiled.
    linux.set_seccomp(None);
}

fn adjust_mounts(mounts: Vec<Mount>, facts: &Facts) -> Vec<Mount> {
    let mut adjusted = Vec::with_capacity(mounts.len() + 1);
    // Row 11: without a /dev of its own, devices are made in the image.
    if !mounts
        .iter()
        .any(|mount| mount.destination() == Path::new("/dev"))
    {
        adjusted.push(default_dev());
    }
    for mount in mounts {
        let is_cgroup = matches!(mount.typ().as_deref(), Some("cgroup" | "cgroup2"));
        adjusted.push(if is_cgroup {
            cgroup_bind(&mount, facts)
        } else if let Some(source) = facts.sources.get(mount.destination()) {
            staged_bind(mount, source)
        } else {
            mount
        });
    }
    adjusted
}

/// The container's cgroups are bound from what podling-launch has staged: libcontainer would
/// mount v1 hierarchies writable whatever the spec says.
fn cgroup_bind(mount: &Mount, facts: &Facts) -> Mount {
    let mut options = mount.options().clone().unwrap_or_default();
    options.retain(|option| option != "relatime");
    options.push("rbind".to_owned());
    MountBuilder::default()
        .destination(mount.destination())
        .typ("bind")
        .source(&facts.cgroup_view)
        .options(options)
        .build()
        .expect("every field that a mount needs is given")
}

/// What was staged has the ids and the propagation that libcontainer cannot give it (row 16).
fn staged_bind(mut mount: Mount, source: &Path) -> Mount {
    mount
        .set_source(Some(source.to_owned()))
        .set_uid_mappings(None)
        .set_gid_mappings(None);
    mount
}

fn default_dev() -> Mount {
    let options = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    MountBuilder::default()
        .destination("/dev")
        .typ("tmpfs")
        .source("tmpfs")
        .options(options.map(str::to_owned).to_vec())
        .build()
        .expect("every field that a mount needs is given")
}

fn has_namespace(linux: &Linux, typ: LinuxNamespaceType) -> bool {
    linux
        .namespaces()
        .iter()
        .flatten()
        .any(|namespace| namespace.typ() == typ)
}

/// The kernel's number of a resource limit.
pub(super) fn rlimit_number(typ: PosixRlimitType) -> i32 {
    use PosixRlimitType as Type;
    let number = match typ {
        Type::RlimitCpu => libc::RLIMIT_CPU,
        Type::RlimitFsize => libc::RLIMIT_FSIZE,
        Type::RlimitData => libc::RLIMIT_DATA,
        Type::RlimitStack => libc::RLIMIT_STACK,
        Type::RlimitCore => libc::RLIMIT_CORE,
        Type::RlimitRss => libc::RLIMIT_RSS,
        Type::RlimitNproc => libc::RLIMIT_NPROC,
        Type::RlimitNofile => libc::RLIMIT_NOFILE,
        Type::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        Type::RlimitAs => libc::RLIMIT_AS,
        Type::RlimitLocks => libc::RLIMIT_LOCKS,
        Type::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        Type::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        Type::RlimitNice => libc::RLIMIT_NICE,
        Type::RlimitRtprio => libc::RLIMIT_RTPRIO,
        Type::RlimitRttime => libc::RLIMIT_RTTIME,
    };
    number as i32
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
