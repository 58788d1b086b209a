//! UpdateContainerResources: new limits for a container that was created, or that runs.
//!
//! ```text
//! Created ──► recorded; StartContainer applies them
//! Running ──► applied, all or nothing ──► recorded      (what cannot be recorded is set back)
//! ```

use oci_spec::runtime::LinuxResources;

use super::error::LifecycleError;
use super::paths;
use super::pod::Pod;
use crate::cgroup::{Applied, UpdateError};
use crate::model::config::Resources;
use crate::model::{ContainerId, ContainerState};
use crate::spec::{self, HostFacts, SpecError};

/// Gives a container these limits; what `asked` leaves open stays as it is.
pub(super) async fn update(
    pod: &mut Pod,
    id: &ContainerId,
    asked: Resources,
) -> Result<(), LifecycleError> {
    let container = pod.container(id)?;
    let resources = merged(&container.config.resources, asked);
    let attempted = || format!("update the resources of container {id}");
    let mut notes = Vec::new();
    let limits = spec::limits(&resources, &pod.parts.host, &mut notes)
        .map_err(|error| LifecycleError::failed(attempted(), error))?;
    let applied = match container.state {
        ContainerState::Created => None,
        ContainerState::Running { .. } => Some(apply(pod, id, limits).await?),
        _ => {
            return Err(LifecycleError::WrongState(format!(
                "container {id} neither waits to be started nor runs"
            )));
        }
    };
    let recorded = pod.set_resources(id, resources);
    if recorded.is_err()
        && let Some(applied) = applied
    {
        applied.revert();
    }
    for note in notes {
        tracing::info!(container = %id, "{note}");
    }
    recorded
}

async fn apply(
    pod: &Pod,
    id: &ContainerId,
    limits: LinuxResources,
) -> Result<Applied, LifecycleError> {
    let path = paths::cgroup(&pod.parts, &pod.sandbox, id.as_str())?;
    let cgroups = pod.parts.cgroups.clone();
    let updated = tokio::task::spawn_blocking(move || cgroups.update(&path, &limits)).await;
    let attempted = format!("update the resources of container {id}");
    let updated = updated.map_err(|error| LifecycleError::failed(attempted.clone(), error))?;
    updated.map_err(|error| match error {
        UpdateError::BelowUsage { .. } | UpdateError::Gone(_) => {
            LifecycleError::WrongState(format!("{attempted}: {error}"))
        }
        UpdateError::Range { .. } | UpdateError::NoSuchLimit(_) => {
            LifecycleError::Invalid(format!("{attempted}: {error}"))
        }
        UpdateError::Write { .. } => LifecycleError::failed(attempted, error),
    })
}

/// What was asked for, then and now. The score of a process is given to it once, at its start.
fn merged(before: &Resources, asked: Resources) -> Resources {
    let list = |asked: String, before: &str| match asked.as_str() {
        "" => before.to_owned(),
        _ => asked,
    };
    let (memory_limit, memory_swap_limit) = match (asked.memory_limit, asked.memory_swap_limit) {
        (None, None) => (before.memory_limit, before.memory_swap_limit),
        (None, swap) => (before.memory_limit, swap),
        // A memory limit without a word about swap means no swap, as when a container is made.
        (limit, swap) => (limit, swap),
    };
    let mut merged = Resources {
        cpu_period: asked.cpu_period.or(before.cpu_period),
        cpu_quota: asked.cpu_quota.or(before.cpu_quota),
        cpu_shares: asked.cpu_shares.or(before.cpu_shares),
        memory_limit,
        memory_swap_limit,
        oom_score_adj: before.oom_score_adj,
        cpuset_cpus: list(asked.cpuset_cpus, &before.cpuset_cpus),
        cpuset_mems: list(asked.cpuset_mems, &before.cpuset_mems),
        hugepage_limits: before.hugepage_limits.clone(),
        unified: before.unified.clone(),
    };
    merged.hugepage_limits.extend(asked.hugepage_limits);
    merged.unified.extend(asked.unified);
    merged
}

/// The limits that a container starts with: those that were written down when it was made, with
/// what was asked for since.
pub(super) fn at_start(
    made: LinuxResources,
    pod: &Pod,
    id: &ContainerId,
) -> Result<LinuxResources, LifecycleError> {
    let resources = &pod.container(id)?.config.resources;
    with_limits(made, resources, &pod.parts.host)
        .map_err(|error| LifecycleError::failed(format!("limit container {id}"), error))
}

/// What was written down when a container was made, with these limits.
pub(super) fn with_limits(
    mut made: LinuxResources,
    resources: &Resources,
    host: &HostFacts,
) -> Result<LinuxResources, SpecError> {
    let limits = spec::limits(resources, host, &mut Vec::new())?;
    made.set_memory(*limits.memory());
    made.set_cpu(limits.cpu().clone());
    made.set_hugepage_limits(limits.hugepage_limits().clone());
    made.set_unified(limits.unified().clone());
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before() -> Resources {
        Resources {
            cpu_shares: Some(512),
            cpu_quota: Some(50_000),
            cpu_period: Some(100_000),
            memory_limit: Some(100),
            memory_swap_limit: Some(100),
            oom_score_adj: 900,
            cpuset_cpus: "0-3".to_owned(),
            hugepage_limits: [("2MB".to_owned(), 4)].into(),
            unified: [("memory.high".to_owned(), "90".to_owned())].into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_not_asked_for_stays() {
        assert_eq!(merged(&before(), Resources::default()), before());
    }

    #[test]
    fn what_is_asked_for_replaces_what_was() {
        let asked = Resources {
            cpu_shares: Some(1024),
            cpuset_cpus: "1".to_owned(),
            oom_score_adj: -5,
            hugepage_limits: [("1GB".to_owned(), 8)].into(),
            unified: [("memory.high".to_owned(), "80".to_owned())].into(),
            ..Default::default()
        };
        let merged = merged(&before(), asked);
        assert_eq!(
            (merged.cpu_shares, merged.cpu_quota),
            (Some(1024), Some(50_000))
        );
        assert_eq!(merged.cpuset_cpus, "1");
        assert_eq!(merged.oom_score_adj, 900, "it is given at the start");
        assert_eq!(merged.hugepage_limits.len(), 2);
        assert_eq!(merged.unified["memory.high"], "80");
    }

    #[test]
    fn a_memory_limit_without_a_word_about_swap_takes_the_old_word_back() {
        let asked = |memory_limit, memory_swap_limit| {
            let asked = Resources {
                memory_limit,
                memory_swap_limit,
                ..Default::default()
            };
            let merged = merged(&before(), asked);
            (merged.memory_limit, merged.memory_swap_limit)
        };
        assert_eq!(asked(Some(200), None), (Some(200), None));
        assert_eq!(asked(Some(200), Some(300)), (Some(200), Some(300)));
        assert_eq!(asked(None, Some(300)), (Some(100), Some(300)));
    }
}
