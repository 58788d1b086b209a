//! What one plugin wants of a container that is being made.

use podling_proto::nri::{self as wire, Field};

use super::lists::{Turn, env, list, map};
use super::owners::Conflict;
use super::resources;

/// Takes the wishes of a plugin into `result`, the wishes of all, and into `seen`, the container as the
/// next plugin sees it.
pub(super) fn take(
    turn: &mut Turn<'_>,
    wanted: wire::ContainerAdjustment,
    result: &mut wire::ContainerAdjustment,
    seen: &mut wire::Container,
) -> Result<(), Conflict> {
    map(
        turn,
        Field::Annotations,
        wanted.annotations,
        &mut result.annotations,
        &mut seen.annotations,
    )?;
    list(
        turn,
        Field::Mounts,
        wanted.mounts,
        &mut result.mounts,
        &mut seen.mounts,
    )?;
    env(turn, wanted.env, &mut result.env, &mut seen.env)?;
    take_args(turn, wanted.args, result, seen)?;
    if let Some(hooks) = wanted.hooks {
        take_hooks(turn, &hooks, result.hooks.get_or_insert_default());
        take_hooks_into(&hooks, seen.hooks.get_or_insert_default());
    }
    list(
        turn,
        Field::Rlimits,
        wanted.rlimits,
        &mut result.rlimits,
        &mut seen.rlimits,
    )?;
    list(
        turn,
        Field::CdiDevices,
        wanted.cdi_devices,
        &mut result.cdi_devices,
        &mut seen.cdi_devices,
    )?;
    match wanted.linux {
        Some(linux) => take_linux(
            turn,
            linux,
            result.linux.get_or_insert_default(),
            seen.linux.get_or_insert_default(),
        ),
        None => Ok(()),
    }
}

/// An empty first argument lets go of what another plugin has set.
fn take_args(
    turn: &mut Turn<'_>,
    mut wanted: Vec<String>,
    result: &mut wire::ContainerAdjustment,
    seen: &mut wire::Container,
) -> Result<(), Conflict> {
    match wanted.first() {
        None => return Ok(()),
        Some(first) if first.is_empty() => {
            turn.owners.clear(turn.id, Field::Args, turn.plugin);
            wanted.remove(0);
        }
        Some(_) => {}
    }
    turn.claim(Field::Args)?;
    result.args.clone_from(&wanted);
    seen.args = wanted;
    Ok(())
}

/// Hooks add up: several plugins may have some.
fn take_hooks(turn: &mut Turn<'_>, wanted: &wire::Hooks, result: &mut wire::Hooks) {
    if *wanted != wire::Hooks::default() {
        turn.owners.join(turn.id, Field::OciHooks, turn.plugin);
        take_hooks_into(wanted, result);
    }
}

fn take_hooks_into(wanted: &wire::Hooks, into: &mut wire::Hooks) {
    for (wanted, into) in [
        (&wanted.prestart, &mut into.prestart),
        (&wanted.create_runtime, &mut into.create_runtime),
        (&wanted.create_container, &mut into.create_container),
        (&wanted.start_container, &mut into.start_container),
        (&wanted.poststart, &mut into.poststart),
        (&wanted.poststop, &mut into.poststop),
    ] {
        into.extend(wanted.iter().cloned());
    }
}

fn take_linux(
    turn: &mut Turn<'_>,
    wanted: wire::LinuxContainerAdjustment,
    result: &mut wire::LinuxContainerAdjustment,
    seen: &mut wire::LinuxContainer,
) -> Result<(), Conflict> {
    take_limits(turn, &wanted, result, seen)?;
    list(
        turn,
        Field::Devices,
        wanted.devices,
        &mut result.devices,
        &mut seen.devices,
    )?;
    list(
        turn,
        Field::Namespace,
        wanted.namespaces,
        &mut result.namespaces,
        &mut seen.namespaces,
    )?;
    map(
        turn,
        Field::Sysctl,
        wanted.sysctl,
        &mut result.sysctl,
        &mut seen.sysctl,
    )?;
    map(
        turn,
        Field::LinuxNetDevices,
        wanted.net_devices,
        &mut result.net_devices,
        &mut seen.net_devices,
    )?;
    let oom = &mut seen.oom_score_adj;
    value(
        turn,
        Field::OomScoreAdj,
        wanted.oom_score_adj,
        &mut result.oom_score_adj,
        oom,
    )?;
    let priority = &mut seen.io_priority;
    value(
        turn,
        Field::IoPriority,
        wanted.io_priority,
        &mut result.io_priority,
        priority,
    )?;
    let policy = &mut seen.seccomp_policy;
    value(
        turn,
        Field::SeccompPolicy,
        wanted.seccomp_policy,
        &mut result.seccomp_policy,
        policy,
    )?;
    let scheduler = &mut seen.scheduler;
    value(
        turn,
        Field::LinuxSched,
        wanted.scheduler,
        &mut result.scheduler,
        scheduler,
    )?;
    // Containers do not show theirs.
    let policy = &mut None;
    value(
        turn,
        Field::MemoryPolicy,
        wanted.memory_policy,
        &mut result.memory_policy,
        policy,
    )?;
    match wanted.rdt {
        Some(rdt) => take_rdt(turn, &rdt, result.rdt.get_or_insert_default()),
        None => Ok(()),
    }
}

fn take_limits(
    turn: &mut Turn<'_>,
    wanted: &wire::LinuxContainerAdjustment,
    result: &mut wire::LinuxContainerAdjustment,
    seen: &mut wire::LinuxContainer,
) -> Result<(), Conflict> {
    if let Some(wanted) = &wanted.resources {
        resources::claim(turn, wanted)?;
        resources::overlay(wanted, result.resources.get_or_insert_default());
        resources::overlay(wanted, seen.resources.get_or_insert_default());
    }
    if !wanted.cgroups_path.is_empty() {
        turn.claim(Field::CgroupsPath)?;
        result.cgroups_path.clone_from(&wanted.cgroups_path);
        seen.cgroups_path.clone_from(&wanted.cgroups_path);
    }
    Ok(())
}

fn value<T: Clone>(
    turn: &mut Turn<'_>,
    field: Field,
    wanted: Option<T>,
    result: &mut Option<T>,
    seen: &mut Option<T>,
) -> Result<(), Conflict> {
    if wanted.is_some() {
        turn.claim(field)?;
        result.clone_from(&wanted);
        *seen = wanted;
    }
    Ok(())
}

fn take_rdt(
    turn: &mut Turn<'_>,
    wanted: &wire::LinuxRdt,
    result: &mut wire::LinuxRdt,
) -> Result<(), Conflict> {
    let fields = [
        (Field::RdtClosId, wanted.clos_id.is_some()),
        (Field::RdtSchemata, wanted.schemata.is_some()),
        (
            Field::RdtEnableMonitoring,
            wanted.enable_monitoring.is_some(),
        ),
    ];
    if wanted.remove {
        for (field, _) in fields {
            turn.owners.clear(turn.id, field, turn.plugin);
        }
        *result = wire::LinuxRdt::default();
    }
    for (field, is_set) in fields {
        if is_set {
            turn.claim(field)?;
        }
    }
    let is_set = fields.iter().any(|(_, is_set)| *is_set);
    *result = wire::LinuxRdt {
        clos_id: wanted.clos_id.clone().or(result.clos_id.take()),
        schemata: wanted.schemata.clone().or(result.schemata.take()),
        enable_monitoring: wanted.enable_monitoring.or(result.enable_monitoring),
        remove: wanted.remove && !is_set,
    };
    Ok(())
}
