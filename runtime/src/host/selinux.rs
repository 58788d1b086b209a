//! SELinux of the machine: whether it is on, what its policy has for containers, and labelling files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::model::selinux::Context;
use crate::spec::{Selinux, SelinuxPolicy};
use crate::sys::label;

/// Where the kernel takes contexts and says whether the policy knows them.
const CHECK: &str = "/sys/fs/selinux/context";
const CURRENT: &str = "/proc/self/attr/current";
const CONFIG: &str = "/etc/selinux/config";
/// Where container-selinux says what containers are; before it was, policies said so themselves.
const CONTEXTS: &str = "/usr/share/containers/selinux/contexts";

/// What policies call it that have nothing to say of their own.
const PROCESS: &str = "system_u:system_r:container_t";
const FILE: &str = "system_u:object_r:container_file_t";
const PRIVILEGED: &str = "spc_t";

/// What is nobody's volume: labelling all below it would break the machine.
const KEPT: [&str; 27] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/passwd",
    "/etc/pki",
    "/etc/shadow",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/run",
    "/var/tmp",
];

/// Why files cannot have a label, or a process cannot.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// It belongs to the machine.
    #[error("{} is not labelled for a container: the machine itself needs it", path.display())]
    Kept {
        /// Which.
        path: PathBuf,
    },
    /// The policy does not know it.
    #[error("the SELinux policy of this machine does not know {context}")]
    Unknown {
        /// What was asked for.
        context: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel does not go along.
    #[error("label {} {context}", path.display())]
    Set {
        /// Which file or directory.
        path: PathBuf,
        /// With what.
        context: String,
        /// Why.
        source: io::Error,
    },
}

/// What SELinux can do for containers.
pub fn selinux_state() -> Selinux {
    if !is_enabled() {
        return Selinux::Disabled;
    }
    let written = fs::read_to_string(CONTEXTS)
        .or_else(|_| fs::read_to_string(lxc_contexts(&fs::read_to_string(CONFIG)?)))
        .unwrap_or_default();
    let policy = candidates(&written)
        .into_iter()
        .find(|policy| is_known(&policy.process) && is_known(&policy.file));
    let policy = policy.map(|policy| SelinuxPolicy {
        privileged: match is_known(&policy.privileged) {
            true => policy.privileged,
            false => policy.process.clone(),
        },
        ..policy
    });
    Selinux::Enabled(policy.map(Box::new))
}

/// Refuses a context that the policy does not know.
pub fn check_selinux_context(context: &Context) -> Result<(), LabelError> {
    check(context).map_err(|source| LabelError::Unknown {
        context: context.to_string(),
        source,
    })
}

/// Labels a volume and everything in it. File systems without labels, such as those of other machines,
/// stay as they are. What vanishes meanwhile is left out.
pub fn label_tree(path: &Path, context: &Context) -> Result<(), LabelError> {
    if KEPT.iter().any(|kept| path == Path::new(kept)) {
        return Err(LabelError::Kept {
            path: path.to_owned(),
        });
    }
    label::label_tree(path, &context.to_string()).map_err(|source| LabelError::Set {
        path: path.to_owned(),
        context: context.to_string(),
        source,
    })
}

/// Without a policy every process is what the kernel itself is.
fn is_enabled() -> bool {
    let current = fs::read_to_string(CURRENT).unwrap_or_default();
    let current = current.trim_end_matches(['\0', '\n']);
    Path::new(CHECK).exists() && current.parse::<Context>().is_ok()
}

fn is_known(context: &Context) -> bool {
    check(context).is_ok()
}

fn check(context: &Context) -> io::Result<()> {
    match fs::write(CHECK, context.to_string()) {
        // One that the kernel knows, and would rather not say so.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

/// Where the policy that the configuration names has what containers are.
fn lxc_contexts(config: &str) -> PathBuf {
    let named = config.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "SELINUXTYPE").then(|| value.trim())
    });
    let policy = named.filter(|name| !name.is_empty() && !name.contains('/'));
    Path::new("/etc/selinux")
        .join(policy.unwrap_or("targeted"))
        .join("contexts/lxc_contexts")
}

/// What the policy may have for containers, best first: what is written, and what is usual.
fn candidates(written: &str) -> Vec<SelinuxPolicy> {
    let usual = |level: &str| policy(&format!("{PROCESS}{level}"), &format!("{FILE}{level}"));
    let read = policy(&value(written, "process"), &value(written, "file"));
    [read, usual(":s0"), usual("")]
        .into_iter()
        .flatten()
        .collect()
}

fn policy(process: &str, file: &str) -> Option<SelinuxPolicy> {
    let process: Context = process.parse().ok()?;
    let privileged = Context {
        kind: PRIVILEGED.to_owned(),
        ..process.clone()
    };
    Some(SelinuxPolicy {
        file: file.parse().ok()?,
        process,
        privileged,
    })
}

/// The value of a line `name = "value"`.
fn value(text: &str, name: &str) -> String {
    let lines = text.lines().map(str::trim);
    let mut values = lines.filter_map(|line| {
        let (known, value) = line.split_once('=')?;
        (known.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    });
    values.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_containers_are_is_read_as_policies_write_it() {
        let written = "# of the policy\nprocess = \"system_u:system_r:svirt_t:s0\"\n\
             content = \"system_u:object_r:virt_var_lib_t:s0\"\nfile=\"u:object_r:svirt_file_t:s0\"\n";
        let first = candidates(written).remove(0);
        assert_eq!(first.process.to_string(), "system_u:system_r:svirt_t:s0");
        assert_eq!(first.file.to_string(), "u:object_r:svirt_file_t:s0");
        assert_eq!(first.privileged.to_string(), "system_u:system_r:spc_t:s0");
        for nothing in ["", "process = \"\"\n", "process = \"a:b:c\"\n"] {
            let usual = candidates(nothing).remove(0);
            let expected = "system_u:system_r:container_t:s0";
            assert_eq!(usual.process.to_string(), expected, "{nothing:?}");
        }
    }

    #[test]
    fn the_policy_is_the_one_that_the_configuration_names() {
        for (config, policy) in [
            ("SELINUX=enforcing\nSELINUXTYPE = default\n", "default"),
            ("SELINUXTYPE=../../tmp\n", "targeted"),
            ("", "targeted"),
        ] {
            let expected = format!("/etc/selinux/{policy}/contexts/lxc_contexts");
            assert_eq!(lxc_contexts(config), Path::new(&expected));
        }
    }

    #[test]
    fn directories_of_the_machine_are_never_labelled() {
        let context: Context = FILE.parse().unwrap();
        for kept in ["/", "/etc", "/usr/", "/var/lib"] {
            let refused = label_tree(Path::new(kept), &context);
            assert!(matches!(refused, Err(LabelError::Kept { .. })), "{kept}");
        }
    }
}
