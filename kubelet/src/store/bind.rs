//! Which claim has which volume: what a cluster's volume controller decides, for a node alone.
//!
//! A volume that a claim once had is nobody else's: what was written to it may not be for others.
//! Who wants it free takes its manifest away.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{
    ClaimName, Object, ObjectKey, ObjectKind, PersistentVolume, PersistentVolumeClaim,
};

/// Every object that is there.
type Objects = BTreeMap<ObjectKey, Object>;

/// Which claim each volume belongs to, by the volume's name; kept on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Bindings {
    volumes: BTreeMap<String, Owner>,
}

/// A claim, as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Owner {
    namespace: String,
    name: String,
}

impl Bindings {
    fn of(&self, claim: &ClaimName) -> Option<&str> {
        let mut all = self.volumes.iter();
        let found = all.find(|(_, owner)| owner.is(claim));
        found.map(|(volume, _)| volume.as_str())
    }

    /// Whether a claim other than this one has the volume.
    fn is_of_another(&self, volume: &str, claim: &ClaimName) -> bool {
        self.volumes
            .get(volume)
            .is_some_and(|owner| !owner.is(claim))
    }
}

impl Owner {
    fn is(&self, claim: &ClaimName) -> bool {
        self.namespace == claim.namespace && self.name == claim.name
    }
}

/// Gives every claim that has none a volume that fits, if there is one; in the order of their names,
/// but those that name their volume first.
pub(super) fn bind(objects: &mut Objects, bindings: &mut Bindings) {
    let volumes = volumes(objects);
    bindings
        .volumes
        .retain(|name, _| volumes.contains_key(name.as_str()));
    let mut claims: Vec<_> = objects
        .iter()
        .filter_map(|(key, object)| match object {
            Object::PersistentVolumeClaim(claim) => Some((key.clone(), Arc::clone(claim))),
            _ => None,
        })
        .collect();
    claims.sort_by_key(|(_, claim)| claim.volume.is_none());
    for (key, claim) in claims {
        let name = ClaimName {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        };
        let had = bindings.of(&name).map(str::to_owned);
        let chosen = had.or_else(|| choose(&name, &claim, &volumes, bindings));
        let Some(volume) = chosen else {
            continue;
        };
        let ClaimName { namespace, name } = name;
        bindings
            .volumes
            .insert(volume.clone(), Owner { namespace, name });
        let bound = PersistentVolumeClaim {
            volume: Some(volume),
            is_bound: true,
            ..(*claim).clone()
        };
        objects.insert(key, Object::PersistentVolumeClaim(Arc::new(bound)));
    }
}

fn volumes(objects: &Objects) -> BTreeMap<String, Arc<PersistentVolume>> {
    let of_kind = objects
        .iter()
        .filter(|(key, _)| key.kind == ObjectKind::PersistentVolume);
    of_kind
        .filter_map(|(key, object)| match object {
            Object::PersistentVolume(volume) => Some((key.name.clone(), Arc::clone(volume))),
            _ => None,
        })
        .collect()
}

/// The volume that is for the claim, or the smallest that fits.
fn choose(
    name: &ClaimName,
    claim: &PersistentVolumeClaim,
    volumes: &BTreeMap<String, Arc<PersistentVolume>>,
    bindings: &Bindings,
) -> Option<String> {
    let free = volumes
        .values()
        .filter(|volume| !bindings.is_of_another(&volume.name, name))
        .filter(|volume| volume.claim.as_ref().is_none_or(|of| of == name))
        .filter(|volume| volume.capacity >= claim.request);
    let fitting: Vec<_> = match &claim.volume {
        Some(wanted) => free
            .filter(|volume| volume.name == *wanted && fits(claim, volume))
            .collect(),
        None => free
            .filter(|volume| volume.claim.is_some() || fits(claim, volume))
            .filter(|volume| volume.claim.is_some() || claim.selector.matches(&volume.labels))
            .collect(),
    };
    let best = fitting
        .into_iter()
        .min_by_key(|volume| (volume.claim.is_none(), volume.capacity));
    best.map(|volume| volume.name.clone())
}

/// Whether the volume is what the claim asks for, its size and its labels aside.
fn fits(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> bool {
    claim.storage_class == volume.storage_class
        && claim.mode == volume.mode
        && claim.access_modes.is_subset(&volume.access_modes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        AccessMode, LabelRequirement, LabelSelector, PersistentSource, Quantity, VolumeMode,
    };

    fn volume(name: &str, gibibytes: &str) -> PersistentVolume {
        PersistentVolume {
            name: name.to_owned(),
            labels: [("disk".to_owned(), name.to_owned())].into(),
            capacity: Quantity::parse(gibibytes).unwrap(),
            access_modes: [AccessMode::ReadWriteOnce].into(),
            first_access_mode: Some(AccessMode::ReadWriteOnce),
            mode: VolumeMode::Filesystem,
            mount_options: Vec::new(),
            storage_class: String::new(),
            claim: None,
            source: PersistentSource::Local {
                path: "/mnt".to_owned(),
            },
            nodes: None,
        }
    }

    fn claim(gibibytes: &str) -> PersistentVolumeClaim {
        PersistentVolumeClaim {
            volume: None,
            is_bound: false,
            access_modes: [AccessMode::ReadWriteOnce].into(),
            mode: VolumeMode::Filesystem,
            owner: None,
            request: Quantity::parse(gibibytes).unwrap(),
            storage_class: String::new(),
            selector: LabelSelector::default(),
        }
    }

    /// Which volume the claim `c` gets, when the volumes in the record are those of `other`.
    fn bound(claim: PersistentVolumeClaim, volumes: Vec<PersistentVolume>) -> Option<String> {
        let mut bindings = Bindings::default();
        bound_with(claim, volumes, &mut bindings)
    }

    fn bound_with(
        claim: PersistentVolumeClaim,
        volumes: Vec<PersistentVolume>,
        bindings: &mut Bindings,
    ) -> Option<String> {
        let key = ObjectKey::new(ObjectKind::PersistentVolumeClaim, "default", "c");
        let mut objects: Objects = volumes
            .into_iter()
            .map(|one| {
                let key = ObjectKey::new(ObjectKind::PersistentVolume, "", &one.name);
                (key, Object::PersistentVolume(Arc::new(one)))
            })
            .collect();
        let claim = Object::PersistentVolumeClaim(Arc::new(claim));
        objects.insert(key.clone(), claim);
        bind(&mut objects, bindings);
        match &objects[&key] {
            Object::PersistentVolumeClaim(claim) if claim.is_bound => claim.volume.clone(),
            _ => None,
        }
    }

    fn of_other() -> ClaimName {
        ClaimName {
            namespace: "default".to_owned(),
            name: "other".to_owned(),
        }
    }

    #[test]
    fn a_claim_gets_the_smallest_volume_that_fits() {
        let sizes = || vec![volume("a", "9Gi"), volume("b", "5Gi"), volume("c", "1Gi")];
        assert_eq!(bound(claim("2Gi"), sizes()).as_deref(), Some("b"));
        assert_eq!(bound(claim("10Gi"), sizes()), None);

        let by_label = PersistentVolumeClaim {
            selector: LabelSelector(vec![LabelRequirement::In(
                "disk".to_owned(),
                vec!["a".to_owned()],
            )]),
            ..claim("2Gi")
        };
        assert_eq!(bound(by_label, sizes()).as_deref(), Some("a"));
        let fast = PersistentVolumeClaim {
            storage_class: "fast".to_owned(),
            ..claim("2Gi")
        };
        assert_eq!(bound(fast, sizes()), None);
        let shared = PersistentVolumeClaim {
            access_modes: [AccessMode::ReadWriteMany].into(),
            ..claim("2Gi")
        };
        assert_eq!(bound(shared, sizes()), None);
    }

    #[test]
    fn a_volume_that_is_named_or_meant_for_the_claim_goes_first() {
        let named = PersistentVolumeClaim {
            volume: Some("a".to_owned()),
            ..claim("2Gi")
        };
        let sizes = vec![volume("a", "9Gi"), volume("b", "5Gi")];
        assert_eq!(bound(named, sizes).as_deref(), Some("a"));
        let mine = PersistentVolume {
            claim: Some(ClaimName {
                name: "c".to_owned(),
                ..of_other()
            }),
            ..volume("a", "9Gi")
        };
        let sizes = vec![mine, volume("b", "5Gi")];
        assert_eq!(bound(claim("2Gi"), sizes).as_deref(), Some("a"));
        let others = PersistentVolume {
            claim: Some(of_other()),
            ..volume("a", "9Gi")
        };
        assert_eq!(bound(claim("2Gi"), vec![others]), None);
    }

    #[test]
    fn a_claim_keeps_its_volume_and_nobody_else_gets_it() {
        let mut bindings = Bindings::default();
        let first = bound_with(claim("2Gi"), vec![volume("a", "9Gi")], &mut bindings);
        assert_eq!(first.as_deref(), Some("a"));
        let smaller = vec![volume("a", "9Gi"), volume("b", "2Gi")];
        let again = bound_with(claim("2Gi"), smaller, &mut bindings);
        assert_eq!(again.as_deref(), Some("a"), "it is not moved");

        let ClaimName { namespace, name } = of_other();
        let owner = Owner { namespace, name };
        let mut bindings = Bindings {
            volumes: [("a".to_owned(), owner)].into(),
        };
        let refused = bound_with(claim("2Gi"), vec![volume("a", "9Gi")], &mut bindings);
        assert_eq!(refused, None);
        assert_eq!(bound_with(claim("2Gi"), vec![], &mut bindings), None);
        let freed = bound_with(claim("2Gi"), vec![volume("a", "9Gi")], &mut bindings);
        assert_eq!(freed.as_deref(), Some("a"), "its manifest was away");
    }
}
