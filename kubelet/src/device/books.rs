//! The books: devices of each resource, and which container has which: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::PodUid;
use crate::pinning::{Hint, NodeMask, prefer};

#[cfg(test)]
mod tests;

/// How long the devices of a plugin that is gone still count as the node's.
const FORGET_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Stands for devices of no node of the machine's memory.
pub(super) const NO_NODE: i64 = -1;

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) health: Health,
    /// The nodes of the machine's memory that it is near to.
    pub(super) nodes: Vec<i64>,
}

/// Whether a device can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Health {
    Healthy,
    Unhealthy,
}

/// What a plugin wants to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) pre_start: bool,
    pub(super) preferred: bool,
}

/// A device, as others are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Of which resource.
    pub resource: String,
    /// Its id.
    pub id: String,
    /// The nodes of the machine's memory that it is near to.
    pub nodes: Vec<i64>,
}

/// Which container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    pub(super) pod: PodUid,
    pub(super) container: String,
}

/// Devices of one resource that a container has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Device ids by the node of memory that they are near to.
    pub(super) devices: BTreeMap<i64, Vec<String>>,
    /// The plugin's answer as it came; `None` while it is waited for.
    pub(super) answer: Option<Vec<u8>>,
}

impl Held {
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.devices.values().flatten().cloned().collect()
    }
}

/// A resource of a plugin.
#[derive(Clone, Debug, Default)]
struct Resource {
    devices: BTreeMap<String, Device>,
    /// When its plugin went; `None` while it is there.
    gone_since: Option<Timestamp>,
}

/// Devices of each resource, and which container has which.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    resources: BTreeMap<String, Resource>,
    held: BTreeMap<Holder, BTreeMap<String, Held>>,
}

/// What is needed of a resource for a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) holder: &'a Holder,
    pub(super) resource: &'a str,
    pub(super) count: usize,
    /// Devices of init containers of the pod, which have ended when this one runs.
    pub(super) reusable: &'a BTreeSet<String>,
    /// The nodes of memory that they shall be near to.
    pub(super) near: Option<NodeMask>,
}

/// What has to be done for a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Nothing: the container has them, or nobody's plugin hands such out.
    Settled,
    /// These were taken for it, and its plugin has not answered.
    Ask(Vec<String>),
    /// So many are to be chosen of these.
    Choose {
        /// Devices that can be had.
        available: BTreeSet<String>,
        /// Of these, such as have to be among the chosen ones.
        first: BTreeSet<String>,
    },
}

impl Books {
    /// Books as they were left.
    pub(super) fn restored(
        held: BTreeMap<Holder, BTreeMap<String, Held>>,
        registered: impl Iterator<Item = String>,
        now: Timestamp,
    ) -> Self {
        let gone = || Resource {
            devices: BTreeMap::new(),
            gone_since: Some(now),
        };
        Self {
            resources: registered.map(|name| (name, gone())).collect(),
            held,
        }
    }

    /// A plugin told of all its devices; the pods that have some whose health has changed.
    pub(super) fn list(
        &mut self,
        resource: &str,
        devices: BTreeMap<String, Device>,
    ) -> BTreeSet<PodUid> {
        let known = self.resources.entry(resource.to_owned()).or_default();
        let before = std::mem::take(known);
        *known = Resource {
            devices,
            gone_since: None,
        };
        self.concerned(resource, &before)
    }

    /// A plugin is gone: none of its devices can be used now. Returns the pods that have some.
    pub(super) fn lose(&mut self, resource: &str, now: Timestamp) -> BTreeSet<PodUid> {
        let Some(known) = self.resources.get_mut(resource) else {
            return BTreeSet::new();
        };
        let before = known.clone();
        known.gone_since.get_or_insert(now);
        for device in known.devices.values_mut() {
            device.health = Health::Unhealthy;
        }
        self.concerned(resource, &before)
    }

    /// The pods that have devices of a resource whose health is another than before.
    fn concerned(&self, resource: &str, before: &Resource) -> BTreeSet<PodUid> {
        let health = |known: Option<&Resource>, id: &String| {
            known.and_then(|known| known.devices.get(id).map(|device| device.health))
        };
        let now = self.resources.get(resource);
        let has_changed = |id: &String| health(Some(before), id) != health(now, id);
        let entries = self.entries().filter(|(_, name, _)| *name == resource);
        let is_gone = |known: Option<&Resource>| known.is_none_or(|one| one.gone_since.is_some());
        let is_other = is_gone(Some(before)) != is_gone(now);
        let concerned =
            entries.filter(|(_, _, held)| is_other || held.ids().iter().any(has_changed));
        concerned.map(|(holder, ..)| holder.pod.clone()).collect()
    }

    /// How a device is, as far as a plugin that is there tells of it.
    pub(super) fn health(&self, resource: &str, id: &str) -> Option<Health> {
        let known = self.resources.get(resource);
        let known = known.filter(|known| known.gone_since.is_none())?;
        known.devices.get(id).map(|device| device.health)
    }

    /// Whether a pod has any devices.
    pub(super) fn has(&self, pod: &PodUid) -> bool {
        self.held.keys().any(|holder| holder.pod == *pod)
    }

    /// Forgets plugins that have been gone for long; whether any was forgotten.
    pub(super) fn forget(&mut self, now: Timestamp) -> bool {
        let before = self.resources.len();
        self.resources.retain(|_, known| {
            let gone = known.gone_since;
            gone.is_none_or(|since| now.duration_since(since) < FORGET_AFTER)
        });
        self.resources.len() < before
    }

    /// Devices of each resource, and how many of them can be used.
    pub(super) fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let all = self.resources.iter().map(|(name, known)| {
            let healthy = healthy(known).count();
            (name.clone(), (count(known.devices.len()), count(healthy)))
        });
        all.collect()
    }

    /// How many of each resource pods can have or have: a running pod keeps what it has though its
    /// plugin is not there yet.
    pub(super) fn for_admission(&self) -> BTreeMap<String, u64> {
        let mut room: BTreeMap<_, _> = self
            .counts()
            .into_iter()
            .map(|(name, (_, healthy))| (name, healthy))
            .collect();
        for (name, taken) in self.taken() {
            let own = room.entry(name).or_default();
            *own = (*own).max(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        }
        room
    }

    /// What has to be done so that a container has what it wishes.
    pub(super) fn outlook(&self, wish: Wish<'_>) -> Result<Outlook, String> {
        let Wish {
            holder,
            resource,
            count,
            reusable,
            near,
        } = wish;
        if let Some(held) = self.held(holder, resource) {
            let has = held.ids().len();
            if has != count {
                return Err(format!(
                    "pod {:?} container {:?} changed request for resource {resource:?} from {has} \
                     to {count}",
                    holder.pod.as_str(),
                    holder.container
                ));
            }
            return match held.answer {
                Some(_) => Ok(Outlook::Settled),
                None if self.resources.contains_key(resource) => {
                    Ok(Outlook::Ask(held.ids().into_iter().collect()))
                }
                None => Err(format!("unknown Device Plugin {resource}")),
            };
        }
        let Some(known) = self.resources.get(resource) else {
            return Ok(Outlook::Settled);
        };
        let usable: BTreeSet<String> = healthy(known).cloned().collect();
        if usable.is_empty() {
            return Err(format!(
                "no healthy devices present; cannot allocate unhealthy devices {resource}"
            ));
        }
        let mut first: BTreeSet<_> = reusable.iter().take(count).cloned().collect();
        let needed = count - first.len();
        let taken = self.taken().remove(resource).unwrap_or_default();
        let free: BTreeSet<_> = usable.difference(&taken).cloned().collect();
        if free.len() < needed {
            return Err(format!(
                "requested number of devices unavailable for {resource}. Requested: {needed}, \
                 Available: {}",
                free.len()
            ));
        }
        let mut available = free;
        if let Some(near) = near.filter(|_| is_somewhere(known)) {
            let is_near = |id: &&String| is_near(known, id, near);
            let near: BTreeSet<_> = available.iter().filter(is_near).cloned().collect();
            // Those that are near come first, and others only when there are too few.
            match near.len() > needed {
                true => available = near,
                false => first.extend(near),
            }
        }
        available.extend(first.iter().cloned());
        Ok(Outlook::Choose { available, first })
    }

    /// Nodes of memory that so many devices of a resource could be near to: nothing when it does not
    /// matter, none when there are too few.
    pub(super) fn hints(
        &self,
        resource: &str,
        (own, reusable): (&BTreeSet<String>, &BTreeSet<String>),
        (count, nodes): (usize, NodeMask),
    ) -> Option<Vec<Hint>> {
        let known = self
            .resources
            .get(resource)
            .filter(|known| is_somewhere(known))?;
        let free = match (own.len(), self.taken().remove(resource)) {
            (0, taken) => {
                let usable: BTreeSet<String> = healthy(known).cloned().collect();
                usable
                    .difference(&taken.unwrap_or_default())
                    .cloned()
                    .collect()
            }
            (has, _) if has == count => own.clone(),
            _ => return Some(Vec::new()),
        };
        if free.union(reusable).count() < count {
            return Some(Vec::new());
        }
        let all: Vec<&String> = known.devices.keys().collect();
        let has = known.devices.values().flat_map(|device| &device.nodes);
        let has = has.filter_map(|node| u32::try_from(*node).ok());
        let with_devices = nodes.common(has.collect());
        let nodes = if with_devices.is_empty() {
            nodes
        } else {
            with_devices
        };
        let nodes: Vec<u32> = nodes.iter().collect();
        let (mut fewest, mut possible) = (nodes.len(), Vec::new());
        let placed = |id: &&String| is_placed(known, id);
        for mask in NodeMask::subsets(&nodes) {
            let near = |id: &&String| is_near(known, id, mask);
            if all.iter().filter(|id| near(id)).count() >= count {
                fewest = fewest.min(mask.count());
            }
            let again: Vec<&String> = reusable.iter().filter(placed).collect();
            let enough = free.iter().filter(near).count() + again.len() >= count;
            if again.iter().all(near) && enough {
                possible.push(mask);
            }
        }
        Some(prefer(possible, fewest))
    }

    /// Whether there are devices of a resource.
    pub(super) fn knows(&self, resource: &str) -> bool {
        self.resources.contains_key(resource)
    }

    /// The pods that have devices.
    pub(super) fn holders(&self) -> BTreeSet<PodUid> {
        self.held.keys().map(|holder| holder.pod.clone()).collect()
    }

    /// Gives a container devices of those that it can have, the preferred ones first.
    pub(super) fn take(
        &mut self,
        wish: Wish<'_>,
        preferred: &[String],
    ) -> Result<Vec<String>, String> {
        let Outlook::Choose { available, first } = self.outlook(wish)? else {
            return Ok(Vec::new());
        };
        let liked = preferred.iter().filter(|id| available.contains(*id));
        let mut chosen: Vec<String> = Vec::new();
        for id in first.iter().chain(liked).chain(&available) {
            if chosen.len() < wish.count && !chosen.contains(id) {
                chosen.push(id.clone());
            }
        }
        let known = &self.resources[wish.resource].devices;
        let mut devices: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for id in &chosen {
            let nodes = known.get(id).map_or(&[][..], |device| &device.nodes);
            let nodes = if nodes.is_empty() { &[NO_NODE] } else { nodes };
            for node in nodes {
                devices.entry(*node).or_default().push(id.clone());
            }
        }
        let held = Held {
            devices,
            answer: None,
        };
        let of_holder = self.held.entry(wish.holder.clone()).or_default();
        of_holder.insert(wish.resource.to_owned(), held);
        Ok(chosen)
    }

    /// The plugin's answer came.
    pub(super) fn answered(&mut self, holder: &Holder, resource: &str, answer: Vec<u8>) {
        let of_holder = self.held.get_mut(holder);
        if let Some(held) = of_holder.and_then(|held| held.get_mut(resource)) {
            held.answer = Some(answer);
        }
    }

    /// Nothing came of it: the devices are free again.
    pub(super) fn give_back(&mut self, holder: &Holder, resource: &str) {
        if let Some(held) = self.held.get_mut(holder) {
            held.remove(resource);
        }
    }

    /// What a container has of a resource.
    pub(super) fn held(&self, holder: &Holder, resource: &str) -> Option<&Held> {
        self.held.get(holder)?.get(resource)
    }

    /// Everything that a container has.
    pub(super) fn all_of(&self, holder: &Holder) -> impl Iterator<Item = (&String, &Held)> {
        self.held.get(holder).into_iter().flatten()
    }

    /// Every device that a container has.
    pub(super) fn handed(&self, holder: &Holder) -> Vec<Handed> {
        let mut handed = BTreeMap::new();
        for (resource, held) in self.all_of(holder) {
            for (node, ids) in &held.devices {
                for id in ids {
                    let nodes: &mut Vec<i64> = handed.entry((resource, id)).or_default();
                    nodes.extend(Some(*node).filter(|node| *node != NO_NODE));
                }
            }
        }
        told(handed)
    }

    /// Every device that can be used.
    pub(super) fn offered(&self) -> Vec<Handed> {
        let all = self.resources.iter().flat_map(|(resource, known)| {
            let devices = known.devices.iter();
            let usable = devices.filter(|(_, device)| device.health == Health::Healthy);
            usable.map(move |(id, device)| ((resource, id), device.nodes.clone()))
        });
        told(all.collect())
    }

    /// Takes devices from pods that do not need them any more; whether there were any.
    pub(super) fn keep_only(&mut self, pods: &BTreeSet<PodUid>) -> bool {
        let before = self.held.len();
        self.held.retain(|holder, _| pods.contains(&holder.pod));
        self.held.len() < before
    }

    /// Who has what.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Holder, &String, &Held)> {
        let all = self.held.iter();
        all.flat_map(|(holder, held)| held.iter().map(move |(name, held)| (holder, name, held)))
    }

    /// The devices of each resource that can be used.
    pub(super) fn usable(&self) -> BTreeMap<String, Vec<String>> {
        let all = self.resources.iter();
        all.map(|(name, known)| (name.clone(), healthy(known).cloned().collect()))
            .collect()
    }

    fn taken(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, name, held) in self.entries() {
            taken.entry(name.clone()).or_default().extend(held.ids());
        }
        taken
    }
}

fn told(devices: BTreeMap<(&String, &String), Vec<i64>>) -> Vec<Handed> {
    let told = devices.into_iter().map(|((resource, id), nodes)| Handed {
        resource: resource.clone(),
        id: id.clone(),
        nodes,
    });
    told.collect()
}

/// Whether any device of a resource says where it is.
fn is_somewhere(resource: &Resource) -> bool {
    let mut devices = resource.devices.values();
    devices.any(|device| !device.nodes.is_empty())
}

fn is_placed(resource: &Resource, id: &str) -> bool {
    let device = resource.devices.get(id);
    device.is_some_and(|device| !device.nodes.is_empty())
}

fn is_near(resource: &Resource, id: &str, nodes: NodeMask) -> bool {
    let device = resource.devices.get(id);
    let own = device.into_iter().flat_map(|device| &device.nodes);
    let mut own = own.filter_map(|node| u32::try_from(*node).ok());
    own.any(|node| nodes.has(node))
}

fn healthy(resource: &Resource) -> impl Iterator<Item = &String> {
    let devices = resource.devices.iter();
    devices
        .filter(|(_, device)| device.health == Health::Healthy)
        .map(|(id, _)| id)
}
