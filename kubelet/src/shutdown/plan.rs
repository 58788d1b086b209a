//! Who ends when, and how long it may take.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;

use crate::config::Configuration;
use crate::model::{SYSTEM_CRITICAL_PRIORITY, priority_of};

/// What a class of pods has of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Pods of this priority and above are in the class, up to the next.
    pub priority: i32,
    /// How long they have.
    pub seconds: u64,
}

/// A class, and the pods that are in it.
pub(super) type Class = (Share, Vec<Arc<core::Pod>>);

/// The classes from the lowest priority up; none when nobody waits for pods.
pub(crate) fn shares(configuration: &Configuration) -> Vec<Share> {
    if !configuration.is_open("GracefulNodeShutdown") {
        return Vec::new();
    }
    let by_priority = &configuration.shutdown_grace_period_by_pod_priority;
    let counts = configuration.is_open("GracefulNodeShutdownBasedOnPodPriority");
    if !counts || by_priority.is_empty() {
        return ordinary_and_critical(configuration);
    }
    let mut shares: Vec<_> = by_priority
        .iter()
        .map(|one| Share {
            priority: one.priority,
            seconds: u64::try_from(one.shutdown_grace_period_seconds).unwrap_or(0),
        })
        .collect();
    shares.sort_by_key(|share| share.priority);
    shares
}

/// The same of a configuration that knows two classes.
fn ordinary_and_critical(configuration: &Configuration) -> Vec<Share> {
    let all = configuration.shutdown_grace_period.to_std();
    let critical = configuration.shutdown_grace_period_critical_pods.to_std();
    let Some(ordinary) = all.checked_sub(critical) else {
        return Vec::new();
    };
    if all.is_zero() {
        return Vec::new();
    }
    let share = |priority, period: Duration| Share {
        priority,
        seconds: period.as_secs(),
    };
    vec![
        share(0, ordinary),
        share(SYSTEM_CRITICAL_PRIORITY, critical),
    ]
}

/// How long all of it may take.
pub fn total(shares: &[Share]) -> Duration {
    Duration::from_secs(shares.iter().map(|share| share.seconds).sum())
}

/// The pods in their classes, in the order in which they end; classes without pods are left out.
pub(super) fn classes(shares: &[Share], pods: Vec<Arc<core::Pod>>) -> Vec<Class> {
    let mut classes: Vec<Class> = shares.iter().map(|share| (*share, Vec::new())).collect();
    for pod in pods {
        let priority = pod.spec.as_ref().map_or(0, |spec| {
            priority_of(spec.priority, spec.priority_class_name.as_deref())
        });
        // Who is below all of them is in the lowest.
        let above = classes.partition_point(|(share, _)| share.priority <= priority);
        if let Some((_, members)) = classes.get_mut(above.saturating_sub(1)) {
            members.push(pod);
        }
    }
    classes.retain(|(_, members)| !members.is_empty());
    classes
}

/// How long a pod of the class has.
pub(super) fn grace(share: Share, pod: &core::Pod) -> Duration {
    let own = pod.spec.as_ref();
    let own = own.and_then(|spec| spec.termination_grace_period_seconds);
    let own = own.and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(own.map_or(share.seconds, |own| own.min(share.seconds)))
}

/// Whether nothing of a pod runs, and nothing will.
pub(super) fn has_ended(pod: &core::Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let all = [
        &status.init_container_statuses,
        &status.container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let mut all = all.into_iter().flat_map(|list| list.iter().flatten());
    let runs = all.any(|one| {
        one.state
            .as_ref()
            .is_some_and(|state| state.running.is_some())
    });
    !runs && is_terminal(status)
}

/// Whether its phase is one that nothing follows.
fn is_terminal(status: &core::PodStatus) -> bool {
    matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Duration as Period;
    use crate::config::ShutdownGracePeriod;

    fn pod(name: &str, spec: serde_json::Value) -> Arc<core::Pod> {
        let pod = json!({ "metadata": { "name": name }, "spec": spec });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn share(priority: i32, seconds: u64) -> Share {
        Share { priority, seconds }
    }

    #[test]
    fn time_is_shared_as_configured() {
        let mut configuration = Configuration::default();
        assert_eq!(shares(&configuration), []);
        configuration.shutdown_grace_period = Period::seconds(30);
        configuration.shutdown_grace_period_critical_pods = Period::seconds(10);
        let two = [share(0, 20), share(SYSTEM_CRITICAL_PRIORITY, 10)];
        assert_eq!(shares(&configuration), two);
        assert_eq!(total(&two), Duration::from_secs(30));

        let class = |priority, seconds| ShutdownGracePeriod {
            priority,
            shutdown_grace_period_seconds: seconds,
        };
        configuration.shutdown_grace_period_by_pod_priority = vec![class(9, 1), class(-3, 5)];
        assert_eq!(shares(&configuration), [share(-3, 5), share(9, 1)]);
        let close = |gate: &str| (gate.to_owned(), false);
        configuration.feature_gates = [close("GracefulNodeShutdownBasedOnPodPriority")].into();
        assert_eq!(shares(&configuration), two);
        configuration.feature_gates = [close("GracefulNodeShutdown")].into();
        assert_eq!(shares(&configuration), []);
    }

    #[test]
    fn each_pod_is_in_the_highest_class_that_is_not_above_it() {
        let shares = [share(0, 1), share(100, 2), share(1000, 3)];
        let pods = [
            ("below", json!({ "priority": -5 })),
            ("plain", json!({})),
            ("between", json!({ "priority": 999 })),
            ("at", json!({ "priority": 1000 })),
            (
                "named",
                json!({ "priorityClassName": "system-node-critical" }),
            ),
        ];
        let pods = pods.map(|(name, spec)| pod(name, spec)).to_vec();
        let classes = classes(&shares, pods);
        let names: Vec<_> = classes
            .iter()
            .map(|(share, pods)| {
                let names = pods
                    .iter()
                    .map(|pod| pod.metadata.name.clone().unwrap_or_default());
                (share.seconds, names.collect::<Vec<_>>().join(" "))
            })
            .collect();
        let expected = [(1, "below plain"), (2, "between"), (3, "at named")];
        assert_eq!(
            names,
            expected.map(|(share, names)| (share, names.to_owned()))
        );
        assert!(super::classes(&shares, Vec::new()).is_empty());
    }

    #[test]
    fn a_pod_has_no_more_than_its_own_grace_and_no_more_than_its_share() {
        let seconds = |spec| grace(share(0, 20), &pod("a", spec)).as_secs();
        assert_eq!(seconds(json!({ "terminationGracePeriodSeconds": 5 })), 5);
        assert_eq!(seconds(json!({ "terminationGracePeriodSeconds": 50 })), 20);
        assert_eq!(seconds(json!({})), 20);
    }
}
