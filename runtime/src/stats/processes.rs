//! What only a look at each process tells: its descriptors. Costs a system call for each of them.

use std::fs;
use std::path::Path;

use super::usage::ProcessCounts;

/// Counts what these processes have open; one that has ended meanwhile has nothing.
pub(super) fn count(pids: &[i32], first: Option<i32>) -> ProcessCounts {
    let mut counts = ProcessCounts {
        processes: pids.len().try_into().unwrap_or(u64::MAX),
        descriptor_limit: first.and_then(descriptor_limit),
        ..Default::default()
    };
    for pid in pids {
        let entries = fs::read_dir(format!("/proc/{pid}/fd"));
        for entry in entries.into_iter().flatten().flatten() {
            counts.descriptors += 1;
            counts.sockets += u64::from(is_socket(&entry.path()));
        }
    }
    counts
}

fn is_socket(descriptor: &Path) -> bool {
    let target = fs::read_link(descriptor).unwrap_or_default();
    target
        .as_os_str()
        .as_encoded_bytes()
        .starts_with(b"socket:")
}

fn descriptor_limit(pid: i32) -> Option<u64> {
    soft_limit(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

/// The soft limit of open files: `Max open files   1024   4096   files`.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_and_sockets_of_a_process_are_counted() {
        let _socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let counts = count(&[pid], Some(pid));
        assert_eq!(counts.processes, 1);
        assert!(counts.sockets >= 1 && counts.descriptors > counts.sockets);
    }

    #[test]
    fn an_unlimited_number_of_files_is_no_limit() {
        let line = |soft| format!("Max open files            {soft} unlimited files\n");
        assert_eq!(soft_limit(&line("1024")), Some(1024));
        assert_eq!(soft_limit(&line("unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }
}
