//! What one more process in a running container must be.
//!
//! It gets everything that confines the container's first process: nothing is looked up again, and
//! nothing is left to a default.

use std::path::Path;

use oci_spec::runtime::{PosixRlimitType, Process, Spec};

use super::capabilities;
use crate::model::process::{CapabilityMasks, ProcessSpec, Rlimit};

/// A command for a running container.
#[derive(Clone, Copy, Debug)]
pub struct ExecCommand<'a> {
    /// Program and arguments.
    pub args: &'a [String],
    /// Whether it gets a terminal.
    pub tty: bool,
}

/// Why a command cannot be run in a container.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExecError {
    /// There is no command.
    #[error("no command is given")]
    NoCommand,
    /// An argument that execve cannot carry.
    #[error("argument {0:?} holds a NUL byte")]
    ArgumentWithNul(String),
    /// The record of the container is damaged.
    #[error("the container's spec has no process section")]
    NoProcess,
}

/// The process that runs `command` in the container that `spec` describes.
pub fn exec_process(spec: &Spec, command: &ExecCommand<'_>) -> Result<ProcessSpec, ExecError> {
    let process = spec.process().as_ref().ok_or(ExecError::NoProcess)?;
    if command.args.first().is_none_or(String::is_empty) {
        return Err(ExecError::NoCommand);
    }
    if let Some(arg) = command.args.iter().find(|arg| arg.contains('\0')) {
        return Err(ExecError::ArgumentWithNul(arg.clone()));
    }
    let user = process.user();
    let has_filter = spec
        .linux()
        .as_ref()
        .is_some_and(|linux| linux.seccomp().is_some());
    Ok(ProcessSpec {
        args: command.args.to_vec(),
        env: env(process, command.tty),
        cwd: text(process.cwd()),
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        umask: user.umask(),
        capabilities: masks(process),
        no_new_privs: process.no_new_privileges().unwrap_or(false),
        rlimits: process.rlimits().iter().flatten().map(rlimit).collect(),
        oom_score_adj: process.oom_score_adj(),
        seccomp: has_filter,
        apparmor_profile: process.apparmor_profile().clone(),
        selinux_label: process.selinux_label().clone(),
    })
}

/// The container's environment, with a TERM for a terminal that has none.
fn env(process: &Process, tty: bool) -> Vec<Vec<u8>> {
    let mut env: Vec<Vec<u8>> = process
        .env()
        .iter()
        .flatten()
        .map(|entry| entry.clone().into_bytes())
        .collect();
    if tty && !env.iter().any(|entry| entry.starts_with(b"TERM=")) {
        env.push(b"TERM=xterm".to_vec());
    }
    env
}

fn masks(process: &Process) -> CapabilityMasks {
    process
        .capabilities()
        .as_ref()
        .map(capabilities::from_spec)
        .unwrap_or_default()
}

fn text(path: &Path) -> String {
    path.to_str()
        .expect("the working directory is made from text")
        .to_owned()
}

fn rlimit(limit: &oci_spec::runtime::PosixRlimit) -> Rlimit {
    Rlimit {
        resource: resource(limit.typ()),
        soft: limit.soft(),
        hard: limit.hard(),
    }
}

/// The number of a resource, as all machines but mips and sparc count.
fn resource(kind: PosixRlimitType) -> i32 {
    match kind {
        PosixRlimitType::RlimitCpu => 0,
        PosixRlimitType::RlimitFsize => 1,
        PosixRlimitType::RlimitData => 2,
        PosixRlimitType::RlimitStack => 3,
        PosixRlimitType::RlimitCore => 4,
        PosixRlimitType::RlimitRss => 5,
        PosixRlimitType::RlimitNproc => 6,
        PosixRlimitType::RlimitNofile => 7,
        PosixRlimitType::RlimitMemlock => 8,
        PosixRlimitType::RlimitAs => 9,
        PosixRlimitType::RlimitLocks => 10,
        PosixRlimitType::RlimitSigpending => 11,
        PosixRlimitType::RlimitMsgqueue => 12,
        PosixRlimitType::RlimitNice => 13,
        PosixRlimitType::RlimitRtprio => 14,
        PosixRlimitType::RlimitRttime => 15,
    }
}

#[cfg(test)]
#[path = "exec_tests.rs"]
mod tests;
