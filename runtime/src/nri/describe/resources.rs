//! What a container may use.

use oci_spec::runtime::{LinuxDeviceType, LinuxResources};
use podling_proto::nri as wire;

use crate::model::config::Resources;

/// What a client asked for.
pub(in crate::nri) fn asked(asked: &Resources) -> wire::LinuxResources {
    wire::LinuxResources {
        memory: Some(wire::LinuxMemory {
            limit: asked.memory_limit.map(int64),
            swap: asked.memory_swap_limit.map(int64),
            ..Default::default()
        }),
        cpu: Some(wire::LinuxCpu {
            shares: asked.cpu_shares.map(uint64),
            quota: asked.cpu_quota.map(int64),
            period: asked.cpu_period.map(uint64),
            cpus: asked.cpuset_cpus.clone(),
            mems: asked.cpuset_mems.clone(),
            ..Default::default()
        }),
        hugepage_limits: asked
            .hugepage_limits
            .iter()
            .map(|(page_size, limit)| wire::HugepageLimit {
                page_size: page_size.clone(),
                limit: *limit,
            })
            .collect(),
        unified: asked.unified.clone(),
        ..Default::default()
    }
}

/// What a spec says.
pub(super) fn of_spec(spec: &LinuxResources) -> wire::LinuxResources {
    let memory = spec.memory().as_ref().map(|memory| wire::LinuxMemory {
        limit: memory.limit().map(int64),
        reservation: memory.reservation().map(int64),
        swap: memory.swap().map(int64),
        ..Default::default()
    });
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cpu = spec.cpu().as_ref().map(|cpu| wire::LinuxCpu {
        shares: cpu.shares().map(uint64),
        quota: cpu.quota().map(int64),
        period: cpu.period().map(uint64),
        realtime_runtime: cpu.realtime_runtime().map(int64),
        realtime_period: cpu.realtime_period().map(uint64),
        cpus: text(cpu.cpus()),
        mems: text(cpu.mems()),
    });
    let pages = spec.hugepage_limits().iter().flatten();
    let devices = spec.devices().iter().flatten();
    wire::LinuxResources {
        memory,
        cpu,
        hugepage_limits: pages
            .map(|pages| wire::HugepageLimit {
                page_size: pages.page_size().clone(),
                limit: u64::try_from(pages.limit()).unwrap_or_default(),
            })
            .collect(),
        unified: spec
            .unified()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        devices: devices
            .map(|rule| wire::LinuxDeviceCgroup {
                allow: rule.allow(),
                r#type: rule.typ().map(kind).unwrap_or_default().to_owned(),
                major: rule.major().map(int64),
                minor: rule.minor().map(int64),
                access: rule.access().clone().unwrap_or_default(),
            })
            .collect(),
        pids: spec.pids().map(|pids| wire::LinuxPids {
            limit: pids.limit(),
        }),
        ..Default::default()
    }
}

/// The letter of a kind of device.
pub(super) fn kind(kind: LinuxDeviceType) -> &'static str {
    match kind {
        LinuxDeviceType::A => "a",
        LinuxDeviceType::B => "b",
        LinuxDeviceType::C => "c",
        LinuxDeviceType::U => "u",
        LinuxDeviceType::P => "p",
    }
}

pub(super) fn int64(value: i64) -> wire::OptionalInt64 {
    wire::OptionalInt64 { value }
}

fn uint64(value: u64) -> wire::OptionalUInt64 {
    wire::OptionalUInt64 { value }
}
