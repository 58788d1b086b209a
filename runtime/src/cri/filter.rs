//! The filters of the list calls.
#![deny(clippy::disallowed_methods)]

use podling_proto::runtime::v1 as cri;

use super::encode::{container_state, sandbox_state};
use crate::model::config::StringMap;
use crate::model::{ContainerRecord, SandboxRecord};

/// Whether a sandbox is asked for. An id may be shortened.
pub(super) fn wants_sandbox(
    filter: Option<&cri::PodSandboxFilter>,
    sandbox: &SandboxRecord,
) -> bool {
    let Some(cri::PodSandboxFilter {
        id,
        state,
        label_selector,
    }) = filter
    else {
        return true;
    };
    sandbox.id.as_str().starts_with(id.as_str())
        && state.is_none_or(|wanted| wanted.state() == sandbox_state(sandbox))
        && has_labels(&sandbox.config.labels, label_selector)
}

/// Whether a container is asked for. Ids may be shortened.
pub(super) fn wants_container(
    filter: Option<&cri::ContainerFilter>,
    container: &ContainerRecord,
) -> bool {
    let Some(filter) = filter else { return true };
    let cri::ContainerFilter {
        id,
        state,
        pod_sandbox_id,
        label_selector,
    } = filter;
    container.id.as_str().starts_with(id.as_str())
        && container
            .sandbox_id
            .as_str()
            .starts_with(pod_sandbox_id.as_str())
        && state.is_none_or(|wanted| wanted.state() == container_state(container))
        && has_labels(&container.config.labels, label_selector)
}

/// Whether the statistics of a container are asked for.
pub(super) fn wants_container_stats(
    filter: Option<&cri::ContainerStatsFilter>,
    container: &ContainerRecord,
) -> bool {
    let Some(filter) = filter else { return true };
    let cri::ContainerStatsFilter {
        id,
        pod_sandbox_id,
        label_selector,
    } = filter;
    container.id.as_str().starts_with(id.as_str())
        && container
            .sandbox_id
            .as_str()
            .starts_with(pod_sandbox_id.as_str())
        && has_labels(&container.config.labels, label_selector)
}

/// Whether the statistics of a sandbox are asked for.
pub(super) fn wants_sandbox_stats(
    filter: Option<&cri::PodSandboxStatsFilter>,
    sandbox: &SandboxRecord,
) -> bool {
    let Some(cri::PodSandboxStatsFilter { id, label_selector }) = filter else {
        return true;
    };
    sandbox.id.as_str().starts_with(id.as_str())
        && has_labels(&sandbox.config.labels, label_selector)
}

fn has_labels(labels: &StringMap, wanted: &StringMap) -> bool {
    wanted
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SandboxConfig, SandboxId, SandboxState};

    fn sandbox() -> SandboxRecord {
        let labels = StringMap::from([("app".to_owned(), "web".to_owned())]);
        let config = SandboxConfig {
            labels,
            ..Default::default()
        };
        SandboxRecord {
            state: SandboxState::Stopped,
            ..SandboxRecord::reserved(SandboxId::from_random([0xab; 32]), config)
        }
    }

    #[test]
    fn statistics_are_filtered_as_lists_are() {
        let wants = |id: &str, name: &str, value: &str| {
            let filter = cri::PodSandboxStatsFilter {
                id: id.to_owned(),
                label_selector: StringMap::from([(name.to_owned(), value.to_owned())]),
            };
            wants_sandbox_stats(Some(&filter), &sandbox())
        };
        assert!(wants("abab", "app", "web") && wants_sandbox_stats(None, &sandbox()));
        assert!(!wants("cd", "app", "web") && !wants("ab", "app", "db"));
        assert!(!wants("ab", "tier", ""));
    }

    #[test]
    fn no_filter_wants_everything() {
        assert!(wants_sandbox(None, &sandbox()));
        assert!(wants_sandbox(
            Some(&cri::PodSandboxFilter::default()),
            &sandbox()
        ));
    }

    #[test]
    fn every_part_of_a_filter_must_fit() {
        let ready = cri::PodSandboxStateValue {
            state: cri::PodSandboxState::SandboxReady.into(),
        };
        let rows = [
            (
                "a shortened id",
                cri::PodSandboxFilter {
                    id: "abab".into(),
                    ..Default::default()
                },
                true,
            ),
            (
                "another id",
                cri::PodSandboxFilter {
                    id: "cd".into(),
                    ..Default::default()
                },
                false,
            ),
            (
                "another state",
                cri::PodSandboxFilter {
                    state: Some(ready),
                    ..Default::default()
                },
                false,
            ),
            (
                "another label",
                cri::PodSandboxFilter {
                    label_selector: StringMap::from([("app".into(), "db".into())]),
                    ..Default::default()
                },
                false,
            ),
        ];
        for (name, filter, wanted) in rows {
            assert_eq!(wants_sandbox(Some(&filter), &sandbox()), wanted, "{name}");
        }
    }
}
