//! The kernel's words about killed processes, one line after the other: pure.
#![deny(clippy::disallowed_methods)]

/// Follows the kernel's lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Parser {
    state: State,
}

/// What was said last of a kill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing.
    #[default]
    Quiet,
    /// Memory was full; of the machine, as long as nothing else is said.
    Machine,
    /// A group of processes had reached its limit.
    Group,
}

/// Who was killed because the machine's memory was full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) process: String,
    pub(super) pid: u32,
}

impl Parser {
    /// Takes a record of `/dev/kmsg`; the victim, when this line has named one of the machine.
    pub(super) fn take(&mut self, record: &str) -> Option<Victim> {
        let line = record.split_once(';')?.1.lines().next()?;
        if line.contains(" invoked oom-killer: ") {
            self.state = State::Machine;
        } else if self.state == State::Machine && is_of_group(line) {
            self.state = State::Group;
        } else if let Some(victim) = victim(line) {
            let state = std::mem::take(&mut self.state);
            return (state == State::Machine).then_some(victim);
        }
        None
    }
}

/// `oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/a,task_memcg=/a/b,task=sh,pid=1,uid=0`, or, in
/// older kernels, `Task in /a/b killed as a result of limit of /a`.
fn is_of_group(line: &str) -> bool {
    let group = line.strip_prefix("oom-kill:").and_then(|rest| {
        rest.split(',')
            .find_map(|part| part.strip_prefix("oom_memcg="))
    });
    let older = || {
        line.split_once(" killed as a result of limit of ")
            .map(|(_, group)| group)
    };
    group
        .or_else(older)
        .is_some_and(|group| group.trim() != "/")
}

/// `Out of memory: Killed process 4711 (sh) total-vm:…`, or `Memory cgroup out of memory: …`.
fn victim(line: &str) -> Option<Victim> {
    let (_, rest) = line.split_once("Killed process ")?;
    let (pid, rest) = rest.split_once(" (")?;
    // A name may have parentheses of its own.
    let end = rest.find(") total-vm").or_else(|| rest.rfind(')'))?;
    Some(Victim {
        process: rest[..end].to_owned(),
        pid: pid.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Vec<String> {
        let mut parser = Parser::default();
        let records = lines
            .iter()
            .map(|line| format!("6,1,2,-;{line}\n SUBSYSTEM=x\n"));
        let victims = records.filter_map(|record| parser.take(&record));
        victims
            .map(|victim| format!("{} {}", victim.pid, victim.process))
            .collect()
    }

    const INVOKED: &str = "sh invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0";

    #[test]
    fn a_victim_of_the_machine_is_told() {
        let lines = [
            INVOKED,
            "Mem-Info:",
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
             task_memcg=/a,task=my (sh),pid=4711,uid=0",
            "Out of memory: Killed process 4711 (my (sh)) total-vm:4kB, anon-rss:4kB",
        ];
        assert_eq!(told(&lines), ["4711 my (sh)"]);
    }

    #[test]
    fn a_victim_of_a_limit_is_not() {
        let of_group = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,\
                        mems_allowed=0,oom_memcg=/kubepods/a,task_memcg=/kubepods/a,task=sh,pid=1,uid=0";
        let older = "Task in /kubepods/a killed as a result of limit of /kubepods";
        let killed = "Memory cgroup out of memory: Killed process 1 (sh) total-vm:4kB";
        for line in [of_group, older] {
            assert_eq!(told(&[INVOKED, line, killed]), [""; 0], "{line}");
        }
        // The next one is told again.
        let all = [
            INVOKED,
            of_group,
            killed,
            INVOKED,
            "Killed process 2 (b) total-vm:1kB",
        ];
        assert_eq!(told(&all), ["2 b"]);
    }

    #[test]
    fn what_nobody_was_killed_for_is_passed_over() {
        let lines = [
            "usb 1-1: new device",
            "Killed process 2 (b) total-vm:1kB",
            "",
        ];
        assert_eq!(told(&lines), [""; 0]);
        assert_eq!(Parser::default().take("no record"), None);
    }
}
