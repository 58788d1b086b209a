//! Which sysctls a pod may set: those of the namespaces that it has of its own.
//!
//! A name is written with `.` or with `/` between its words. What comes first decides, as for
//! sysctl(8): after a `.` a `/` stands for a dot within a word (`net.ipv4.conf.eth0/100.mtu`), after
//! a `/` every dot is one (`net/ipv4/conf/eth0.100/mtu`).

use std::collections::BTreeMap;

use super::SpecError;
use crate::model::config::{NamespaceMode, Namespaces, StringMap};

/// The longest value that the kernel takes in one write: a page.
const LONGEST_VALUE: usize = 4096;

/// The sysctls of System V IPC; POSIX queues have a directory of their own.
const IPC: [&str; 12] = [
    "auto_msgmni",
    "msg_next_id",
    "msgmax",
    "msgmnb",
    "msgmni",
    "sem",
    "sem_next_id",
    "shm_next_id",
    "shm_rmid_forced",
    "shmall",
    "shmmax",
    "shmmni",
];

/// The sysctls of a pod with these namespaces: path below `/proc/sys` to value.
pub fn sysctls(
    asked: &StringMap,
    namespaces: &Namespaces,
) -> Result<BTreeMap<String, String>, SpecError> {
    let mut paths = BTreeMap::new();
    for (name, value) in asked {
        let fault = |why| SpecError::Sysctl(name.clone(), why);
        let words = words(name).ok_or_else(|| fault("is no name of a sysctl"))?;
        check_scope(&words, namespaces).map_err(fault)?;
        check_value(value).map_err(fault)?;
        if paths.insert(words.join("/"), value.clone()).is_some() {
            return Err(fault("is given twice"));
        }
    }
    Ok(paths)
}

/// The words of a name, each the name of a file or directory.
fn words(name: &str) -> Option<Vec<String>> {
    let words: Vec<String> = match name.find(['.', '/']).map(|at| &name[at..=at]) {
        Some("/") => name.split('/').map(str::to_owned).collect(),
        _ => name.split('.').map(|word| word.replace('/', ".")).collect(),
    };
    let is_word = |word: &String| {
        !matches!(word.as_str(), "" | "." | "..") && !word.contains(|c: char| c.is_control())
    };
    words.iter().all(is_word).then_some(words)
}

/// Says why a sysctl is not the pod's own.
fn check_scope(words: &[String], namespaces: &Namespaces) -> Result<(), &'static str> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["net", _, ..] => match namespaces.network {
            NamespaceMode::Node => Err("is forbidden: the pod is on the host's network"),
            _ => Ok(()),
        },
        ["kernel", "hostname" | "domainname"] => {
            Err("is forbidden: the pod's hostname is a field of its own")
        }
        ["kernel", name] if IPC.contains(name) => own_ipc(namespaces),
        ["fs", "mqueue", _] => own_ipc(namespaces),
        _ => Err("is forbidden: it belongs to no namespace of the pod, but to the whole node"),
    }
}

fn own_ipc(namespaces: &Namespaces) -> Result<(), &'static str> {
    match namespaces.ipc {
        NamespaceMode::Node => Err("is forbidden: the pod uses the host's IPC"),
        _ => Ok(()),
    }
}

fn check_value(value: &str) -> Result<(), &'static str> {
    if value.trim().is_empty() {
        Err("has no value")
    } else if value.len() > LONGEST_VALUE {
        Err("has a value of more than 4096 bytes")
    } else if value.contains(|c: char| c.is_control() && c != '\t') {
        Err("has a value with control characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        name: &str,
        value: &str,
        namespaces: &Namespaces,
    ) -> Result<BTreeMap<String, String>, String> {
        let asked = [(name.to_owned(), value.to_owned())].into();
        sysctls(&asked, namespaces).map_err(|error| error.to_string())
    }

    fn path(name: &str) -> Result<String, String> {
        let paths = run(name, "1", &Namespaces::default())?;
        Ok(paths.into_keys().collect())
    }

    #[test]
    fn both_spellings_lead_to_one_file() {
        for (name, expected) in [
            ("net.core.somaxconn", "net/core/somaxconn"),
            ("net/core/somaxconn", "net/core/somaxconn"),
            (
                "net.ipv4.conf.eth0/100.forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
            (
                "net/ipv4/conf/eth0.100/forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
            ("kernel.shm_rmid_forced", "kernel/shm_rmid_forced"),
            ("kernel.sem", "kernel/sem"),
            ("fs.mqueue.msg_max", "fs/mqueue/msg_max"),
        ] {
            assert_eq!(path(name).as_deref(), Ok(expected), "{name}");
        }
        let both = [("net.core.x", "1"), ("net/core/x", "2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let error = sysctls(&both.into(), &Namespaces::default()).unwrap_err();
        assert!(error.to_string().contains("given twice"), "{error}");
    }

    #[test]
    fn what_belongs_to_the_node_is_refused_by_name_and_with_the_reason() {
        for (name, reason) in [
            ("kernel.hostname", "a field of its own"),
            ("kernel/hostname", "a field of its own"),
            ("kernel.core_pattern", "the whole node"),
            ("kernel.shmmax_next", "the whole node"),
            ("kernel.sem.x", "the whole node"),
            ("vm.swappiness", "the whole node"),
            ("network.x", "the whole node"),
            ("net", "the whole node"),
            ("fs.mqueue", "the whole node"),
            ("net/../kernel/core_pattern", "is no name"),
            ("net.//.kernel", "is no name"),
            ("net..core", "is no name"),
            ("/net/core/x", "is no name"),
            ("net.core.\n", "is no name"),
            ("", "is no name"),
        ] {
            let error = path(name).expect_err(name);
            assert!(
                error.contains(reason) && error.contains(&format!("{name:?}")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_namespaces_that_the_pod_has_of_its_own_decide() {
        let host_network = Namespaces {
            network: NamespaceMode::Node,
            ..Namespaces::default()
        };
        let host_ipc = Namespaces {
            ipc: NamespaceMode::Node,
            ..Namespaces::default()
        };
        let error = run("net.core.somaxconn", "1", &host_network).unwrap_err();
        assert!(error.contains("host's network"), "{error}");
        assert!(run("kernel.shmmax", "1", &host_network).is_ok());
        for name in ["kernel.msgmax", "fs.mqueue.msg_max"] {
            let error = run(name, "1", &host_ipc).unwrap_err();
            assert!(error.contains("host's IPC"), "{error}");
        }
        assert!(run("net.core.somaxconn", "1", &host_ipc).is_ok());
    }

    #[test]
    fn a_value_is_one_line() {
        let pod = Namespaces::default();
        assert!(run("net.ipv4.ip_local_port_range", "1024\t65000", &pod).is_ok());
        for value in ["", " ", "1\n2", "1\0", &"9".repeat(5000)] {
            let error = run("net.core.somaxconn", value, &pod).unwrap_err();
            assert!(error.contains("value"), "{error}");
        }
    }
}
