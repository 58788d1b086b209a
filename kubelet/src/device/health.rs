//! The health of the devices of a pod's containers, in its status: pure.

#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1::{PodStatus, ResourceHealth, ResourceStatus};

use super::books::{Books, Health, Holder};
use crate::model::PodUid;

/// Tells of each regular container which devices it has and how they are.
pub(super) fn tell(books: &Books, pod: &PodUid, status: &mut PodStatus) {
    if !books.has(pod) {
        return;
    }
    for container in status.container_statuses.iter_mut().flatten() {
        let holder = Holder {
            pod: pod.clone(),
            container: container.name.clone(),
        };
        let held = books.all_of(&holder).map(|(resource, held)| {
            let ids = held.ids().into_iter();
            let devices = ids.map(|id| ResourceHealth {
                health: Some(word(books.health(resource, &id)).to_owned()),
                resource_id: id,
                ..ResourceHealth::default()
            });
            ResourceStatus {
                name: resource.clone(),
                resources: Some(devices.collect()),
            }
        });
        let held: Vec<_> = held.collect();
        container.allocated_resources_status = Some(held).filter(|held| !held.is_empty());
    }
}

fn word(health: Option<Health>) -> &'static str {
    match health {
        Some(Health::Healthy) => "Healthy",
        Some(Health::Unhealthy) => "Unhealthy",
        None => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::api::core::v1::ContainerStatus;
    use serde_json::json;

    use super::super::books::{Device, Wish};
    use super::*;

    #[test]
    fn a_container_shows_its_devices_and_how_they_are() {
        let mut books = Books::default();
        let device = |health| Device {
            health,
            nodes: Vec::new(),
        };
        let listed = |health| [("a".to_owned(), device(health))].into();
        books.list("example.com/gpu", listed(Health::Healthy));
        let holder = Holder {
            pod: "p".into(),
            container: "main".to_owned(),
        };
        let wish = Wish {
            holder: &holder,
            resource: "example.com/gpu",
            count: 1,
            reusable: &BTreeSet::new(),
            near: None,
        };
        books.take(wish, &[]).unwrap();
        assert!(
            books
                .list("example.com/gpu", listed(Health::Healthy))
                .is_empty()
        );
        let changed = books.list("example.com/gpu", listed(Health::Unhealthy));
        assert_eq!(changed, ["p".into()].into());
        let container = |name: &str| ContainerStatus {
            name: name.to_owned(),
            ..ContainerStatus::default()
        };
        let mut status = PodStatus {
            container_statuses: Some(vec![container("main"), container("other")]),
            ..PodStatus::default()
        };
        tell(&books, &"p".into(), &mut status);
        let [main, other] = &status.container_statuses.unwrap()[..] else {
            panic!("there are two");
        };
        assert_eq!(
            json!(main.allocated_resources_status),
            json!([{
                "name": "example.com/gpu",
                "resources": [{ "resourceID": "a", "health": "Unhealthy" }],
            }])
        );
        assert_eq!(other.allocated_resources_status, None);
    }
}
