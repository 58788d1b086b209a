//! Which containers have ended since the last status?

use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};

/// A container that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Of which list it is, as metrics call it.
    pub kind: &'static str,
    /// Its exit code.
    pub exit_code: i32,
    /// Why, in a word.
    pub reason: String,
}

/// Those that had not ended in the status before. Without one nothing is known to be new.
pub fn newly_ended(before: Option<&PodStatus>, now: &PodStatus) -> Vec<Ended> {
    let Some(before) = before else {
        return Vec::new();
    };
    let lists = [
        (
            "init_container",
            &before.init_container_statuses,
            &now.init_container_statuses,
        ),
        (
            "container",
            &before.container_statuses,
            &now.container_statuses,
        ),
        (
            "ephemeral_container",
            &before.ephemeral_container_statuses,
            &now.ephemeral_container_statuses,
        ),
    ];
    let mut ended = Vec::new();
    for (kind, before, now) in lists {
        let known: Vec<_> = before.iter().flatten().flat_map(exits).collect();
        let now = now.iter().flatten().flat_map(exits);
        let new = now.filter(|(id, ..)| known.iter().all(|(known, ..)| known != id));
        ended.extend(new.map(|(_, exit_code, reason)| Ended {
            kind,
            exit_code,
            reason: reason.to_owned(),
        }));
    }
    ended
}

/// The ends that a status tells of: the container's, and that of the one before.
fn exits(status: &ContainerStatus) -> impl Iterator<Item = (&str, i32, &str)> {
    let states = status.state.iter().chain(&status.last_state);
    let ended = states.filter_map(|state| state.terminated.as_ref());
    ended.map(|ended| {
        (
            ended.container_id.as_deref().unwrap_or_default(),
            ended.exit_code,
            ended.reason.as_deref().unwrap_or_default(),
        )
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated};

    use super::*;

    fn ended(id: &str) -> Option<ContainerState> {
        Some(ContainerState {
            terminated: Some(ContainerStateTerminated {
                container_id: Some(id.to_owned()),
                exit_code: 3,
                reason: Some("Error".to_owned()),
                ..ContainerStateTerminated::default()
            }),
            ..ContainerState::default()
        })
    }

    fn status(state: Option<ContainerState>, last_state: Option<ContainerState>) -> PodStatus {
        PodStatus {
            container_statuses: Some(vec![ContainerStatus {
                state,
                last_state,
                ..ContainerStatus::default()
            }]),
            ..PodStatus::default()
        }
    }

    #[test]
    fn each_end_is_new_once() {
        let rows = [
            (None, status(ended("a"), None), 0),
            (Some(status(None, None)), status(ended("a"), None), 1),
            (Some(status(ended("a"), None)), status(None, ended("a")), 0),
            (
                Some(status(None, ended("a"))),
                status(ended("b"), ended("a")),
                1,
            ),
            (Some(status(None, None)), status(None, ended("a")), 1),
        ];
        for (before, now, expected) in rows {
            let found = newly_ended(before.as_ref(), &now);
            assert_eq!(found.len(), expected, "{before:?} {now:?}");
            assert!(
                found
                    .iter()
                    .all(|one| one.kind == "container" && one.exit_code == 3)
            );
        }
    }
}
