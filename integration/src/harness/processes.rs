//! Processes that belong to a node, found through /proc.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line, with spaces.
    pub command: String,
}

/// Every process whose executable, directories or cgroup are the node's, the programs of podling that
/// have its root, and every descendant of one. This process is never among them.
pub fn of_node(root: &Path, cgroup: &str) -> BTreeSet<Process> {
    let all = all();
    let mut found: BTreeSet<i32> = all
        .iter()
        .filter(|pid| belongs(**pid, root, cgroup))
        .copied()
        .collect();
    loop {
        let is_child = |pid: &&i32| parent(**pid).is_some_and(|parent| found.contains(&parent));
        let more: Vec<i32> = all
            .iter()
            .filter(is_child)
            .filter(|pid| !found.contains(pid))
            .copied()
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    found.remove(&i32::try_from(std::process::id()).unwrap_or_default());
    found
        .into_iter()
        .map(|pid| Process {
            pid,
            command: command(pid),
        })
        .collect()
}

/// What still runs of a node whose root nobody knows any more: its daemon, what is in its cgroup, and
/// the monitors of that.
pub fn of_lost_node(bridge: &str, cgroup: &str) -> BTreeSet<Process> {
    let is_program = |pid: i32, name: &str| {
        let command = command(pid);
        let program = command.split(' ').next().unwrap_or_default();
        program.rsplit('/').next() == Some(name)
    };
    let is_daemon =
        |pid: i32| is_program(pid, "podling") && command(pid).split(' ').any(|word| word == bridge);
    let mut found: BTreeSet<i32> = all()
        .into_iter()
        .filter(|pid| is_daemon(*pid) || is_inside(*pid, cgroup))
        .collect();
    let monitors: Vec<i32> = found
        .iter()
        .filter_map(|pid| parent(*pid))
        .filter(|pid| is_program(*pid, "podling-monitor"))
        .collect();
    found.extend(monitors);
    found
        .into_iter()
        .map(|pid| Process {
            pid,
            command: command(pid),
        })
        .collect()
}

/// The first processes of containers below a cgroup that SIGTERM does not end, because they have no
/// handler: the kernel spares the first process of a namespace (pid_namespaces(7)).
pub fn deaf(cgroup: &str) -> BTreeSet<Process> {
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    let is_deaf = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ids = field(&status, "NSpid:");
        let is_first = ids.split_whitespace().count() > 1 && ids.ends_with("\t1");
        let caught = u64::from_str_radix(&field(&status, "SigCgt:"), 16).unwrap_or_default();
        let terminate = 1 << (Signal::TERM.as_raw() - 1);
        is_first && caught & terminate == 0
    };
    let inside = all().into_iter().filter(|pid| is_inside(*pid, cgroup));
    inside
        .filter(is_deaf)
        .map(|pid| Process {
            pid,
            command: command(pid),
        })
        .collect()
}

/// Kills processes; one that has gone is no matter.
pub fn kill(processes: &BTreeSet<Process>) {
    for pid in processes
        .iter()
        .filter_map(|process| Pid::from_raw(process.pid))
    {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Resident memory of a process in KiB.
pub fn resident(pid: u32) -> u64 {
    memory(pid, "VmRSS:")
}

/// The most that was resident of a process, in KiB, since [`forget_peak`] or its start.
pub fn peak(pid: u32) -> u64 {
    memory(pid, "VmHWM:")
}

/// Has the kernel begin anew with [`peak`].
pub fn forget_peak(pid: u32) {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(path, "5").expect("root may have the peak of a process forgotten");
}

/// Threads of a process.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The monitors among the processes of a node.
pub fn monitors(root: &Path, cgroup: &str) -> Vec<u32> {
    let is_monitor = |process: &Process| {
        let program = process.command.split(' ').next().unwrap_or_default();
        program.ends_with("podling-monitor")
    };
    let monitors = of_node(root, cgroup).into_iter().filter(is_monitor);
    monitors
        .filter_map(|process| process.pid.try_into().ok())
        .collect()
}

fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// Open file descriptors of a process.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

fn belongs(pid: i32, root: &Path, cgroup: &str) -> bool {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let leads_below = |link: PathBuf| fs::read_link(link).is_ok_and(|at| at.starts_with(root));
    is_inside(pid, cgroup)
        || ["exe", "cwd", "root"]
            .iter()
            .any(|link| leads_below(proc.join(link)))
        || is_podling_of(&proc, &command(pid), root)
}

fn is_inside(pid: i32, cgroup: &str) -> bool {
    let below = format!(":{cgroup}/");
    fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .is_ok_and(|text| text.lines().any(|line| line.contains(&below)))
}

/// The daemon names its root; a monitor names nothing, but holds its lock and sockets below it.
/// Other programs may do either and are the test's own.
fn is_podling_of(proc: &Path, command: &str, root: &Path) -> bool {
    let holds_something = || {
        let files = fs::read_dir(proc.join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| target.starts_with(root))
    };
    let program = command.split(' ').next().unwrap_or_default();
    let is_ours = program
        .rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with("podling"));
    is_ours && (command.contains(&*root.to_string_lossy()) || holds_something())
}

fn command(pid: i32) -> String {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .replace('\0', " ")
        .trim()
        .to_owned()
}

/// The parent, as the field after the last parenthesis and the state.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')')
        .next()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}
