//! Plans from what files say.

use std::collections::HashMap;

use super::*;

const MIB: i64 = 1 << 20;

fn memory(limit: i64, swap: i64) -> LinuxResources {
    let mut memory = LinuxMemory::default();
    memory.set_limit(Some(limit)).set_swap(Some(swap));
    let mut limits = LinuxResources::default();
    limits.set_memory(Some(memory));
    limits
}

fn cpu(change: impl FnOnce(&mut LinuxCpu)) -> LinuxResources {
    let mut cpu = LinuxCpu::default();
    change(&mut cpu);
    let mut limits = LinuxResources::default();
    limits.set_cpu(Some(cpu));
    limits
}

fn planned(
    mode: CgroupMode,
    limits: &LinuxResources,
    files: &[(&str, &str)],
) -> Result<Vec<(String, String)>, UpdateError> {
    let files: HashMap<_, _> = files.iter().copied().collect();
    let current = |_: Controller, name: &str| files.get(name).map(|text| (*text).to_owned());
    let writes = plan(mode, limits, &current)?;
    Ok(writes.into_iter().map(|w| (w.name, w.value)).collect())
}

fn v1_memory(
    limit: i64,
    both: i64,
    now: (&str, &str),
) -> Result<Vec<(String, String)>, UpdateError> {
    planned(
        CgroupMode::V1,
        &memory(limit, both),
        &[
            ("memory.limit_in_bytes", now.0),
            ("memory.memsw.limit_in_bytes", now.1),
            ("memory.usage_in_bytes", "20971520"),
            ("memory.memsw.usage_in_bytes", "20971520"),
            (
                "memory.stat",
                "inactive_file 1\ntotal_inactive_file 10485760",
            ),
        ],
    )
}

fn names(writes: &[(String, String)]) -> Vec<&str> {
    writes.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn v1_raises_both_before_memory_and_lowers_memory_before_both() {
    let raised = v1_memory(128 * MIB, 128 * MIB, ("67108864", "67108864")).unwrap();
    assert_eq!(
        names(&raised),
        ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
    );
    let lowered = v1_memory(32 * MIB, 32 * MIB, ("67108864", "67108864")).unwrap();
    assert_eq!(
        names(&lowered),
        ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
    );
    let within = v1_memory(96 * MIB, 128 * MIB, ("67108864", "134217728")).unwrap();
    assert_eq!(
        names(&within),
        ["memory.limit_in_bytes"],
        "the other is so already"
    );
    let unlimited = v1_memory(-1, -1, ("67108864", "67108864")).unwrap();
    assert_eq!(
        names(&unlimited),
        ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
    );
}

#[test]
fn every_step_of_v1_keeps_memory_within_both() {
    const SIZES: [i64; 4] = [16, 32, 64, 128];
    let pairs = || SIZES.iter().flat_map(|&a| SIZES.map(move |b| (a, b)));
    let ways = pairs().flat_map(|from| pairs().map(move |to| (from, to)));
    for ((from, from_both), (to, to_both)) in ways {
        if from > from_both || to > to_both {
            continue;
        }
        let text = |mebibytes: i64| (mebibytes * MIB).to_string();
        let writes = v1_memory(to * MIB, to_both * MIB, (&text(from), &text(from_both))).unwrap();
        let (mut limit, mut both) = (from * MIB, from_both * MIB);
        for (name, value) in writes {
            let value = value.parse().unwrap();
            if name == "memory.limit_in_bytes" {
                limit = value;
            } else {
                both = value;
            }
            assert!(limit <= both, "{from}/{from_both} to {to}/{to_both}");
        }
        assert_eq!((limit, both), (to * MIB, to_both * MIB));
    }
}

#[test]
fn a_limit_below_what_cannot_be_given_back_is_refused_with_both_numbers() {
    let error = v1_memory(8 * MIB, 8 * MIB, ("67108864", "67108864")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("8388608") && text.contains("10485760"),
        "{text}"
    );
    // Twice as much is in use, half of it file pages.
    assert!(v1_memory(12 * MIB, 12 * MIB, ("67108864", "67108864")).is_ok());
    let files = [
        ("memory.current", "20971520"),
        ("memory.stat", "anon 1\ninactive_file 10485760"),
        ("memory.max", "67108864"),
        ("memory.swap.max", "0"),
    ];
    let v2 = |limit| planned(CgroupMode::V2, &memory(limit, limit), &files);
    assert!(matches!(v2(8 * MIB), Err(UpdateError::BelowUsage { .. })));
    assert_eq!(
        v2(12 * MIB).unwrap(),
        [("memory.max".to_owned(), (12 * MIB).to_string())]
    );
}

#[test]
fn a_quota_never_gives_more_on_the_way_than_at_its_ends() {
    let now = [
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "50000"),
        ("cpu.shares", "1024"),
    ];
    for ((quota, period), expected) in [
        (
            (100_000, 200_000),
            ["cpu.cfs_period_us", "cpu.cfs_quota_us"],
        ),
        ((5_000, 10_000), ["cpu.cfs_quota_us", "cpu.cfs_period_us"]),
    ] {
        let limits = cpu(|cpu| {
            cpu.set_quota(Some(quota)).set_period(Some(period));
        });
        let writes = planned(CgroupMode::V1, &limits, &now).unwrap();
        assert_eq!(names(&writes), expected);
    }
}

#[test]
fn v2_keeps_the_half_of_the_bandwidth_that_is_not_asked_for() {
    let now = [("cpu.max", "50000 100000"), ("cpu.weight", "100")];
    let write = |limits: &LinuxResources| planned(CgroupMode::V2, limits, &now).unwrap();
    let quota = |quota| {
        cpu(|cpu| {
            cpu.set_quota(Some(quota));
        })
    };
    assert_eq!(write(&quota(-1))[0].1, "max 100000");
    assert_eq!(write(&quota(20_000))[0].1, "20000 100000");
    assert_eq!(write(&quota(50_000)), [], "it is so already");
    let shares = cpu(|cpu| {
        cpu.set_shares(Some(102));
    });
    assert_eq!(write(&shares), [("cpu.weight".to_owned(), "17".to_owned())]);
}

#[test]
fn what_the_kernel_would_refuse_is_refused_before_anything_is_written() {
    let now = [("cpu.max", "max 100000")];
    let refused = |limits: &LinuxResources| planned(CgroupMode::V2, limits, &now).unwrap_err();
    let period = cpu(|cpu| {
        cpu.set_period(Some(10));
    });
    assert!(matches!(refused(&period), UpdateError::Range { .. }));
    let quota = cpu(|cpu| {
        cpu.set_quota(Some(10));
    });
    assert!(matches!(refused(&quota), UpdateError::Range { .. }));
    let mut unified = LinuxResources::default();
    unified.set_unified(Some([("memory.hihg".to_owned(), "1".to_owned())].into()));
    let text = refused(&unified).to_string();
    assert!(text.contains("memory.hihg"), "{text}");
}
