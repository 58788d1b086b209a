//! Whole cgroups, as kernels have written them.

use super::*;
use crate::stats::usage::{Cpu, DeviceIo, HugePages, Memory, Swap, Tasks};

fn texts(files: &[(&'static str, &str)]) -> Texts {
    let mut texts = Texts::default();
    for &(name, text) in files {
        texts.insert(name, text.to_owned());
    }
    texts
}

const ON_V1: [(&str, &str); 18] = [
    ("cpuacct.usage", "1234567890\n"),
    ("cpuacct.usage_user", "1000000000\n"),
    ("cpuacct.usage_sys", "234567890\n"),
    (
        "cpu.stat",
        "nr_periods 50\nnr_throttled 7\nthrottled_time 350000000\nnr_bursts 0\nburst_time 0\n",
    ),
    ("memory.usage_in_bytes", "33554432\n"),
    ("memory.max_usage_in_bytes", "40000000\n"),
    ("memory.limit_in_bytes", "67108864\n"),
    ("memory.memsw.limit_in_bytes", "100663296\n"),
    ("memory.failcnt", "3\n"),
    ("memory.kmem.usage_in_bytes", "1048576\n"),
    (
        "memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    ),
    (
        "memory.stat",
        "cache 1\nrss 2\ninactive_file 3\nhierarchical_memory_limit 67108864\n\
             total_cache 12582912\ntotal_rss 20971520\ntotal_mapped_file 4096\ntotal_swap 8192\n\
             total_pgfault 500\ntotal_pgmajfault 5\ntotal_inactive_file 8388608\n\
             total_active_file 4194304\n",
    ),
    ("pids.current", "9\n"),
    ("pids.max", "max\n"),
    (
        "blkio.throttle.io_service_bytes_recursive",
        "254:0 Read 4096\n254:0 Write 0\nTotal 4096\n",
    ),
    (
        "blkio.throttle.io_serviced_recursive",
        "254:0 Read 1\n254:0 Write 0\nTotal 1\n",
    ),
    ("hugetlb.2MB.usage_in_bytes", "4194304\n"),
    ("hugetlb.2MB.max_usage_in_bytes", "6291456\n"),
];

#[test]
fn a_container_on_v1() {
    let texts = texts(&ON_V1);
    let usage = usage(CgroupMode::V1, &texts, 42);
    assert_eq!(
        usage,
        Usage {
            at: 42,
            cpu: Some(Cpu {
                total: 1_234_567_890,
                user: 1_000_000_000,
                system: 234_567_890,
                periods: 50,
                throttled_periods: 7,
                throttled: 350_000_000,
            }),
            memory: Some(Memory {
                usage: 33_554_432,
                peak: Some(40_000_000),
                limit: Some(67_108_864),
                limit_hits: 3,
                rss: 20_971_520,
                cache: 12_582_912,
                mapped_file: 4096,
                kernel: 1_048_576,
                active_file: 4_194_304,
                inactive_file: 8_388_608,
                page_faults: 500,
                major_page_faults: 5,
            }),
            swap: Some(Swap {
                usage: 8192,
                limit: Some(33_554_432),
            }),
            tasks: Some(Tasks {
                count: 9,
                limit: None,
            }),
            devices: vec![DeviceIo {
                major: 254,
                minor: 0,
                read_bytes: 4096,
                reads: 1,
                ..Default::default()
            }],
            huge_pages: vec![HugePages {
                page_size: "2MB".to_owned(),
                usage: 4_194_304,
                peak: Some(6_291_456),
            }],
            oom_kills: Some(2),
            pressure: Default::default(),
        }
    );
}

#[test]
fn a_container_on_v2() {
    let texts = texts(&[
        (
            "cpu.stat",
            "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnr_periods 50\n\
             nr_throttled 7\nthrottled_usec 350000\n",
        ),
        ("memory.current", "33554432\n"),
        ("memory.peak", "40000000\n"),
        ("memory.max", "67108864\n"),
        (
            "memory.events",
            "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n",
        ),
        (
            "memory.stat",
            "anon 20971520\nfile 12582912\nkernel 1048576\nkernel_stack 16384\nfile_mapped 4096\n\
             inactive_file 8388608\nactive_file 4194304\npgfault 500\npgmajfault 5\n",
        ),
        ("memory.swap.current", "8192\n"),
        ("memory.swap.max", "max\n"),
        ("pids.current", "9\n"),
        ("pids.max", "100\n"),
        (
            "io.stat",
            "254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
        ),
        (
            "cpu.pressure",
            "some avg10=1.50 avg60=0.00 avg300=0.00 total=700\n\
             full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        ),
        ("hugetlb.2MB.current", "4194304\n"),
    ]);
    let usage = usage(CgroupMode::V2, &texts, 42);
    let cpu = usage.cpu.unwrap();
    assert_eq!((cpu.total, cpu.throttled), (1_234_567_000, 350_000_000));
    let memory = usage.memory.unwrap();
    assert_eq!(memory.working_set(), 33_554_432 - 8_388_608);
    assert_eq!(
        (memory.rss, memory.cache, memory.kernel),
        (20_971_520, 12_582_912, 1_048_576)
    );
    assert_eq!((memory.limit_hits, usage.oom_kills), (3, Some(1)));
    let swap = usage.swap.unwrap();
    assert_eq!((swap.usage, swap.limit), (8192, None));
    assert_eq!(usage.tasks.unwrap().limit, Some(100));
    assert_eq!(usage.devices[0].read_bytes, 4096);
    assert_eq!(usage.pressure.cpu.unwrap().some.total, 700);
    assert!(usage.pressure.memory.is_none() && usage.pressure.io.is_none());
    assert_eq!(usage.huge_pages[0].page_size, "2MB");
}

#[test]
fn a_kernel_without_swap_accounting_says_nothing_about_swap() {
    let texts = texts(&[("memory.current", "1\n"), ("memory.stat", "anon 1\n")]);
    let usage = usage(CgroupMode::V2, &texts, 0);
    assert!(usage.swap.is_none() && usage.cpu.is_none() && usage.tasks.is_none());
    assert_eq!(usage.memory.unwrap().limit, None);
}

#[test]
fn each_size_of_huge_pages_has_its_files() {
    let named = |mode| {
        let files = files(mode, &["2MB".to_owned()]);
        files.last().unwrap().name.clone()
    };
    assert_eq!(named(CgroupMode::V1), "hugetlb.2MB.max_usage_in_bytes");
    assert_eq!(named(CgroupMode::V2), "hugetlb.2MB.current");
}
