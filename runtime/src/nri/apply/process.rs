//! The process: arguments, environment, limits, and how it is scheduled.

use oci_spec::runtime::{
    IOPriorityClass, LinuxIOPriorityBuilder, LinuxSchedulerFlag, LinuxSchedulerPolicy,
    PosixRlimitBuilder, PosixRlimitType, Process, SchedulerBuilder, Spec,
};
use podling_proto::nri as wire;

use super::{AdjustError, refused};
use crate::nri::merge::removed;

pub(super) fn change(
    spec: &mut Spec,
    wanted: &wire::ContainerAdjustment,
) -> Result<(), AdjustError> {
    let Some(mut process) = spec.process().clone() else {
        return Ok(());
    };
    if !wanted.args.is_empty() {
        process.set_args(Some(wanted.args.clone()));
    }
    env(&mut process, &wanted.env)?;
    rlimits(&mut process, &wanted.rlimits)?;
    if let Some(linux) = &wanted.linux {
        if let Some(priority) = &linux.io_priority {
            io_priority(&mut process, priority)?;
        }
        if let Some(asked) = &linux.scheduler {
            scheduler(&mut process, asked)?;
        }
    }
    spec.set_process(Some(process));
    Ok(())
}

/// What is there already is changed in its place; the rest comes behind.
fn env(process: &mut Process, wanted: &[wire::KeyValue]) -> Result<(), AdjustError> {
    let mut env = process.env().clone().unwrap_or_default();
    let is_of =
        |entry: &String, key: &str| entry.split_once('=').is_some_and(|(name, _)| name == key);
    for variable in wanted {
        let key = removed(&variable.key).unwrap_or(&variable.key);
        let is_odd = |c: char| c == '=' || c.is_control();
        if key.is_empty() || key.contains(is_odd) {
            return Err(refused(
                format!("environment variable {key:?}"),
                "it is no name",
            ));
        }
        if variable.value.contains('\0') {
            return Err(refused(
                format!("environment variable {key:?}"),
                "its value holds a NUL byte",
            ));
        }
        if removed(&variable.key).is_some() {
            env.retain(|entry| !is_of(entry, key));
            continue;
        }
        let text = format!("{key}={}", variable.value);
        match env.iter_mut().find(|entry| is_of(entry, key)) {
            Some(entry) => *entry = text,
            None => env.push(text),
        }
    }
    process.set_env(Some(env));
    Ok(())
}

fn rlimits(process: &mut Process, wanted: &[wire::PosixRlimit]) -> Result<(), AdjustError> {
    let mut limits = process.rlimits().clone().unwrap_or_default();
    for limit in wanted {
        let name = limit.r#type.as_str();
        let is_removed = removed(name).is_some();
        let kind: PosixRlimitType = removed(name)
            .unwrap_or(name)
            .parse()
            .map_err(|_| refused(format!("rlimit {name:?}"), "there is no such limit"))?;
        limits.retain(|known| known.typ() != kind);
        if !is_removed {
            let built = PosixRlimitBuilder::default()
                .typ(kind)
                .hard(limit.hard)
                .soft(limit.soft)
                .build();
            limits.push(built.expect("every field that a limit needs is given"));
        }
    }
    process.set_rlimits(Some(limits));
    Ok(())
}

fn io_priority(process: &mut Process, wanted: &wire::LinuxIoPriority) -> Result<(), AdjustError> {
    let class = match wanted.class() {
        wire::IoPrioClass::IoprioClassNone => {
            process.set_io_priority(None);
            return Ok(());
        }
        wire::IoPrioClass::IoprioClassRt => IOPriorityClass::IoprioClassRt,
        wire::IoPrioClass::IoprioClassBe => IOPriorityClass::IoprioClassBe,
        wire::IoPrioClass::IoprioClassIdle => IOPriorityClass::IoprioClassIdle,
    };
    if !(0..8).contains(&wanted.priority) {
        let why = format!("{} is not from 0 to 7", wanted.priority);
        return Err(refused("io_priority", why));
    }
    let built = LinuxIOPriorityBuilder::default()
        .class(class)
        .priority(i64::from(wanted.priority))
        .build();
    process.set_io_priority(Some(built.expect("every field is given")));
    Ok(())
}

fn scheduler(process: &mut Process, wanted: &wire::LinuxScheduler) -> Result<(), AdjustError> {
    use wire::LinuxSchedulerPolicy as Policy;
    let policy = match wanted.policy() {
        Policy::SchedNone => {
            process.set_scheduler(None);
            return Ok(());
        }
        Policy::SchedOther => LinuxSchedulerPolicy::SchedOther,
        Policy::SchedFifo => LinuxSchedulerPolicy::SchedFifo,
        Policy::SchedRr => LinuxSchedulerPolicy::SchedRr,
        Policy::SchedBatch => LinuxSchedulerPolicy::SchedBatch,
        Policy::SchedIdle => LinuxSchedulerPolicy::SchedIdle,
        Policy::SchedDeadline => LinuxSchedulerPolicy::SchedDeadline,
        Policy::SchedIso => return Err(refused("scheduler", "Linux has no SCHED_ISO")),
    };
    let flags = wanted.flags().map(flag).collect::<Vec<_>>();
    let built = SchedulerBuilder::default()
        .policy(policy)
        .nice(wanted.nice)
        .priority(wanted.priority)
        .flags(flags)
        .runtime(wanted.runtime)
        .deadline(wanted.deadline)
        .period(wanted.period)
        .build();
    process.set_scheduler(Some(built.expect("every field is given")));
    Ok(())
}

fn flag(flag: wire::LinuxSchedulerFlag) -> LinuxSchedulerFlag {
    use wire::LinuxSchedulerFlag as Flag;
    match flag {
        Flag::SchedFlagResetOnFork => LinuxSchedulerFlag::SchedResetOnFork,
        Flag::SchedFlagReclaim => LinuxSchedulerFlag::SchedFlagReclaim,
        Flag::SchedFlagDlOverrun => LinuxSchedulerFlag::SchedFlagDLOverrun,
        Flag::SchedFlagKeepPolicy => LinuxSchedulerFlag::SchedFlagKeepPolicy,
        Flag::SchedFlagKeepParams => LinuxSchedulerFlag::SchedFlagKeepParams,
        Flag::SchedFlagUtilClampMin => LinuxSchedulerFlag::SchedFlagUtilClampMin,
        Flag::SchedFlagUtilClampMax => LinuxSchedulerFlag::SchedFlagUtilClampMax,
    }
}
