//! What /proc says: which processes belong to a runtime, and what they use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::pod::MARK;
use super::report::Memory;

/// The kernel counts in ticks of its own, and tells in hundredths of a second on all machines.
const MILLISECONDS_A_TICK: u64 = 10;

/// What is known of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its parent.
    pub parent: i32,
    /// Its arguments and its cgroups: where a runtime's helper names its sandbox.
    pub names: String,
    /// Whether it is part of a pod's workload.
    pub is_workload: bool,
}

/// All processes at one moment.
pub type Snapshot = BTreeMap<i32, Process>;

/// Looks at all processes; what ends meanwhile is left out.
pub fn snapshot() -> Snapshot {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| Some((pid, look_at(pid)?)))
        .collect()
}

/// The processes in `now` that `before` has not, and that serve the given sandboxes.
pub fn helpers(before: &Snapshot, now: &Snapshot, daemon: i32, sandboxes: &[String]) -> Vec<i32> {
    let mut roots: BTreeSet<i32> = BTreeSet::from([daemon]);
    let names_one = |process: &Process| sandboxes.iter().any(|id| process.names.contains(id));
    roots.extend(
        now.iter()
            .filter(|(_, p)| names_one(p))
            .map(|(pid, _)| *pid),
    );
    let is_helper = |pid: i32, process: &Process| {
        pid != daemon
            && !before.contains_key(&pid)
            && !process.is_workload
            && descends_from(now, pid, &roots)
    };
    let found = now
        .iter()
        .filter(|(pid, process)| is_helper(**pid, process));
    found.map(|(pid, _)| *pid).collect()
}

/// Memory of some processes together.
pub fn memory(pids: &[i32]) -> Memory {
    pids.iter().fold(Memory::default(), |sum, pid| {
        let rollup = read(*pid, "smaps_rollup").unwrap_or_default();
        Memory {
            pss: sum.pss + field(&rollup, "Pss:"),
            rss: sum.rss + field(&rollup, "Rss:"),
        }
    })
}

/// CPU time that some processes have used so far.
pub fn cpu_time(pids: &[i32]) -> Duration {
    let ticks = pids.iter().filter_map(|pid| ticks(&read(*pid, "stat")?));
    let ticks: u64 = ticks.sum();
    Duration::from_millis(ticks * MILLISECONDS_A_TICK)
}

fn descends_from(now: &Snapshot, pid: i32, roots: &BTreeSet<i32>) -> bool {
    let mut pid = pid;
    while pid > 1 {
        if roots.contains(&pid) {
            return true;
        }
        pid = now.get(&pid).map_or(0, |process| process.parent);
    }
    false
}

fn look_at(pid: i32) -> Option<Process> {
    let stat = read(pid, "stat")?;
    let environment = read(pid, "environ").unwrap_or_default();
    let arguments = read(pid, "cmdline").unwrap_or_default();
    let cgroups = read(pid, "cgroup").unwrap_or_default();
    let mark = format!("{MARK}=");
    Some(Process {
        parent: after_name(&stat)?.nth(1)?.parse().ok()?,
        names: format!("{arguments}\n{cgroups}"),
        is_workload: environment.split('\0').any(|line| line.starts_with(&mark)),
    })
}

/// User and system time, fields 14 and 15 of the line.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = after_name(stat)?.skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The fields of a stat line behind the name, which may hold anything.
fn after_name(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace())
}

fn field(rollup: &str, name: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn read(pid: i32, file: &str) -> Option<String> {
    let bytes = fs::read(PathBuf::from(format!("/proc/{pid}/{file}"))).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(parent: i32, names: &str) -> Process {
        Process {
            parent,
            names: names.to_owned(),
            is_workload: false,
        }
    }

    #[test]
    fn a_helper_is_new_and_descends_from_the_daemon_or_names_a_sandbox() {
        let before = Snapshot::from([(10, process(1, "daemon")), (11, process(10, "old worker"))]);
        let mut now = before.clone();
        now.insert(20, process(10, "monitor"));
        now.insert(21, process(20, "pause"));
        now.insert(30, process(1, "shim -id abc123"));
        now.insert(31, process(30, "pause"));
        now.insert(40, process(1, "somebody else"));
        let mut workload = process(20, "sh /kubepods/abc123");
        workload.is_workload = true;
        now.insert(22, workload);
        let found = helpers(&before, &now, 10, &["abc123".to_owned()]);
        assert_eq!(found, [20, 21, 30, 31]);
    }

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_move_the_fields() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 5";
        assert_eq!(ticks(stat), Some(175));
        assert_eq!(after_name(stat).unwrap().nth(1), Some("3"));
    }

    #[test]
    fn this_process_has_memory_and_a_parent() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let now = snapshot();
        assert!(now.contains_key(&now[&pid].parent));
        let memory = memory(&[pid]);
        assert!(memory.pss > 0 && memory.rss >= memory.pss);
    }
}
