//! Which dead containers go for the sake of the whole node: pure.
//!
//! How each pod tidies itself up is planned with the pod (`plan/collect.rs`). Here more goes: beyond the
//! limit over all pods, and whatever is left of pods that the API server knows to have ended. What decides
//! whether a container is started again stays, and so does all of a pod that nobody else remembers.
#![deny(clippy::disallowed_methods)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::cri::{Container, ContainerPhase, Sandbox};
use crate::labels;
use crate::model::{ContainerId, PodUid, SandboxState};

/// How many dead containers all pods may have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many (`--maximum-dead-containers`).
    pub at_most: usize,
    /// Those that are no older than this do not count (`--minimum-container-ttl-duration`).
    pub at_least: Duration,
}

/// The pods of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pods<'a> {
    /// Everyone that somebody works on; what is left of others is going already.
    pub(super) known: &'a BTreeSet<PodUid>,
    /// Those that have ended, as the API server knows.
    pub(super) settled: &'a BTreeSet<PodUid>,
}

/// A pod and the name of one of its containers.
type Unit<'a> = (&'a str, &'a str);

/// The dead containers beyond the limit: as many of each name, and of those that are left the oldest.
pub(super) fn beyond<'a>(
    all: &'a [Container],
    pods: Pods<'_>,
    limit: Limit,
    now: Timestamp,
) -> Vec<&'a Container> {
    let needed = needed(all, pods);
    let least = SignedDuration::try_from(limit.at_least).unwrap_or(SignedDuration::MAX);
    let counts = |one: &&Container| {
        is_dead(one) && is_of(one, pods.known) && now.duration_since(one.created_at) >= least
    };
    let mut units: BTreeMap<Unit<'_>, Vec<&Container>> = BTreeMap::new();
    for one in all.iter().filter(counts) {
        units.entry(unit(one)).or_default().push(one);
    }
    let count = units.values().map(Vec::len).sum::<usize>();
    if count <= limit.at_most {
        return Vec::new();
    }
    // What is needed goes last, and of the others the oldest first.
    let rank = |one: &&Container| Reverse((needed.contains(&one.id), one.created_at));
    let of_each = (limit.at_most / units.len()).max(1);
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    for mut unit in units.into_values() {
        unit.sort_by_key(rank);
        gone.extend(unit.split_off(of_each.min(unit.len())));
        left.extend(unit);
    }
    left.sort_by_key(rank);
    gone.extend(left.split_off(limit.at_most.min(left.len())));
    gone.retain(|one| !needed.contains(&one.id));
    gone
}

/// The dead containers of pods that have ended, as the API server knows.
pub(super) fn of_settled<'a>(all: &'a [Container], pods: Pods<'_>) -> Vec<&'a Container> {
    let dead = all.iter().filter(|one| is_dead(one));
    dead.filter(|one| is_of(one, pods.settled)).collect()
}

/// Their sandboxes.
pub(super) fn sandboxes_of_settled<'a>(all: &'a [Sandbox], pods: Pods<'_>) -> Vec<&'a Sandbox> {
    let is_of = |one: &&Sandbox| pods.settled.contains(&PodUid::from(&*one.metadata.uid));
    let dead = all.iter().filter(|one| one.state == SandboxState::NotReady);
    dead.filter(is_of).collect()
}

/// Those that say whether their pod starts another of their name, and when: the newest, and the newest
/// that exited as long as no newer one runs.
fn needed<'a>(all: &'a [Container], pods: Pods<'_>) -> BTreeSet<&'a ContainerId> {
    let mut units: BTreeMap<Unit<'_>, Vec<&Container>> = BTreeMap::new();
    for one in all.iter().filter(|one| !is_of(one, pods.settled)) {
        units.entry(unit(one)).or_default().push(one);
    }
    let mut needed = BTreeSet::new();
    for mut unit in units.into_values() {
        unit.sort_by_key(|one| Reverse((one.created_at, one.metadata.attempt)));
        let [newest, older @ ..] = unit.as_slice() else {
            continue;
        };
        needed.insert(&newest.id);
        let mut exited = older
            .iter()
            .filter(|one| one.phase == ContainerPhase::Exited);
        if matches!(
            newest.phase,
            ContainerPhase::Created | ContainerPhase::Unknown
        ) {
            needed.extend(exited.next().map(|one| &one.id));
        }
    }
    needed
}

fn is_dead(container: &Container) -> bool {
    use ContainerPhase::{Created, Exited, Running, Unknown};
    match container.phase {
        Created | Exited => true,
        Running | Unknown => false,
    }
}

fn is_of(container: &Container, pods: &BTreeSet<PodUid>) -> bool {
    pods.contains(&PodUid::from(uid(container)))
}

fn unit(container: &Container) -> Unit<'_> {
    (uid(container), &container.metadata.name)
}

fn uid(container: &Container) -> &str {
    let uid = container.labels.get(labels::POD_UID);
    uid.map(String::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::ContainerMetadata;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// The container `pod/name#attempt`, made in the second of that number.
    fn made(pod: &str, name: &str, attempt: u32, phase: ContainerPhase) -> Container {
        Container {
            id: format!("{pod}/{name}#{attempt}").as_str().into(),
            sandbox: "s".into(),
            metadata: ContainerMetadata {
                name: name.to_owned(),
                attempt,
            },
            phase,
            created_at: at(attempt.into()),
            labels: [(labels::POD_UID.to_owned(), pod.to_owned())].into(),
            image_id: String::new(),
        }
    }

    fn exited(pod: &str, name: &str, attempt: u32) -> Container {
        made(pod, name, attempt, ContainerPhase::Exited)
    }

    fn running(pod: &str, name: &str, attempt: u32) -> Container {
        made(pod, name, attempt, ContainerPhase::Running)
    }

    fn uids(all: &[&str]) -> BTreeSet<PodUid> {
        all.iter().map(|uid| PodUid::from(*uid)).collect()
    }

    /// Who goes of the pods `a` and `b`, and of `done`, which has ended, in the hundredth second.
    fn going(all: &[Container], at_most: usize, at_least: u64) -> Vec<String> {
        let pods = Pods {
            known: &uids(&["a", "b", "done"]),
            settled: &uids(&["done"]),
        };
        let limit = Limit {
            at_most,
            at_least: Duration::from_secs(at_least),
        };
        let gone = beyond(all, pods, limit, at(100));
        let mut names: Vec<_> = gone.iter().map(|one| one.id.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn beyond_the_limit_over_all_pods_each_name_keeps_as_many_and_then_the_oldest_go() {
        let all = [
            exited("a", "web", 1),
            exited("a", "web", 2),
            exited("a", "web", 3),
            running("a", "web", 9),
            exited("b", "web", 4),
            running("b", "web", 9),
        ];
        assert_eq!(going(&all, 4, 0), [""; 0]);
        // Two names, one of each; there is room for another, which is not used.
        assert_eq!(going(&all, 3, 0), ["a/web#1", "a/web#2"]);
        assert_eq!(going(&all, 1, 0), ["a/web#1", "a/web#2", "a/web#3"]);
        assert_eq!(going(&all, 0, 0).len(), 4);
        // Those of the last 98 seconds do not count, and are as many as may be.
        assert_eq!(going(&all, 1, 98), ["a/web#1"]);
        assert_eq!(going(&all, 2, 98), [""; 0]);
    }

    #[test]
    fn what_decides_over_a_restart_stays_and_nothing_of_a_pod_that_is_known_to_have_ended() {
        let all = [
            exited("a", "job", 1),
            exited("a", "job", 2),
            exited("b", "web", 1),
            made("b", "web", 2, ContainerPhase::Created),
            exited("done", "job", 5),
            exited("orphan", "web", 1),
        ];
        assert_eq!(going(&all, 0, 0), ["a/job#1", "done/job#5"]);
    }
}
