//! A pod that has no cgroup of its own uses what its parts use together.
#![deny(clippy::disallowed_methods)]

use super::Reading;
use super::usage::{Cpu, Memory, Pressures, Swap, Tasks, Usage};

/// What pause and the containers use together. Averages and peaks cannot be added, and a limit is
/// each container's own: they are left out.
pub(super) fn sum<'a>(pause: Reading, containers: impl Iterator<Item = &'a Reading>) -> Reading {
    let mut whole = pause;
    whole.usage.pressure = Pressures::default();
    whole.usage.devices.clear();
    whole.usage.huge_pages.clear();
    for part in containers {
        whole.nano_cores = add(whole.nano_cores, part.nano_cores, u64::saturating_add);
        add_usage(&mut whole.usage, &part.usage);
    }
    if let Some(memory) = &mut whole.usage.memory {
        memory.limit = None;
        memory.peak = None;
    }
    whole
}

fn add_usage(whole: &mut Usage, part: &Usage) {
    whole.cpu = add(whole.cpu, part.cpu, cpu);
    whole.memory = add(whole.memory, part.memory, memory);
    whole.swap = add(whole.swap, part.swap, |a, b| Swap {
        usage: a.usage + b.usage,
        limit: None,
    });
    whole.tasks = add(whole.tasks, part.tasks, |a, b| Tasks {
        count: a.count + b.count,
        limit: None,
    });
    whole.oom_kills = add(whole.oom_kills, part.oom_kills, u64::saturating_add);
}

/// Unknown when either is.
fn add<T>(a: Option<T>, b: Option<T>, together: impl Fn(T, T) -> T) -> Option<T> {
    Some(together(a?, b?))
}

fn cpu(a: Cpu, b: Cpu) -> Cpu {
    Cpu {
        total: a.total + b.total,
        user: a.user + b.user,
        system: a.system + b.system,
        periods: a.periods + b.periods,
        throttled_periods: a.throttled_periods + b.throttled_periods,
        throttled: a.throttled + b.throttled,
    }
}

fn memory(a: Memory, b: Memory) -> Memory {
    Memory {
        usage: a.usage + b.usage,
        peak: None,
        limit: None,
        limit_hits: a.limit_hits + b.limit_hits,
        rss: a.rss + b.rss,
        cache: a.cache + b.cache,
        mapped_file: a.mapped_file + b.mapped_file,
        kernel: a.kernel + b.kernel,
        active_file: a.active_file + b.active_file,
        inactive_file: a.inactive_file + b.inactive_file,
        page_faults: a.page_faults + b.page_faults,
        major_page_faults: a.major_page_faults + b.major_page_faults,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(total: u64, memory: Option<u64>) -> Reading {
        Reading {
            usage: Usage {
                cpu: Some(Cpu {
                    total,
                    ..Default::default()
                }),
                memory: memory.map(|usage| Memory {
                    usage,
                    limit: Some(1000),
                    ..Default::default()
                }),
                ..Default::default()
            },
            nano_cores: Some(total),
        }
    }

    #[test]
    fn a_pod_uses_what_its_parts_use() {
        let parts = [reading(10, Some(100)), reading(5, Some(50))];
        let whole = sum(reading(1, Some(7)), parts.iter());
        assert_eq!(whole.usage.cpu.unwrap().total, 16);
        assert_eq!(whole.nano_cores, Some(16));
        let memory = whole.usage.memory.unwrap();
        assert_eq!((memory.usage, memory.limit), (157, None));
    }

    #[test]
    fn a_part_that_is_unknown_makes_the_whole_unknown() {
        let parts = [reading(10, None)];
        let whole = sum(reading(1, Some(7)), parts.iter());
        assert!(whole.usage.memory.is_none() && whole.usage.cpu.is_some());
    }
}
