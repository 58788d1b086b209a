//! Who has which CPUs for himself, and which are everybody's: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{CpuError, CpuRules, CpuWish};
use super::{CpuOption, exclusive, exclusive_of_pod};
use crate::model::{Container, Pod, PodUid};
use crate::pinning::topology::Hint;
use crate::pinning::{CpuSet, Holder};

/// Who has which CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pinning) struct CpuBooks {
    /// Those of everybody else.
    pub(in crate::pinning) shared: CpuSet,
    pub(in crate::pinning) held: BTreeMap<Holder, CpuSet>,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pinning) enum Settled {
    /// The container had them.
    Had(CpuSet),
    /// It got them now.
    Got(CpuSet),
}

impl CpuBooks {
    /// Goes on with books that were left, if they can be right on this machine.
    pub(in crate::pinning) fn resume(self, rules: &CpuRules) -> Result<Self, String> {
        let Self { shared, held } = self;
        if shared.is_empty() && held.is_empty() {
            return Ok(Self {
                shared: rules.shared_at_first(),
                held,
            });
        }
        // All that is not strictly reserved may be taken.
        if shared.is_empty() && !rules.options.has(CpuOption::Strict) {
            return Err("default cpuset cannot be empty".to_owned());
        }
        let reserved = rules.reserved();
        let both = reserved.common(&shared);
        if rules.options.has(CpuOption::Strict) {
            if !both.is_empty() {
                return Err(format!(
                    "some of strictly reserved cpus: {:?} are present in defaultCpuSet: {:?}",
                    both.to_string(),
                    shared.to_string()
                ));
            }
        } else if both != *reserved {
            return Err(format!(
                "not all reserved cpus: \"{reserved}\" are present in defaultCpuSet: \"{shared}\""
            ));
        }
        for (holder, own) in &held {
            if !shared.common(own).is_empty() {
                return Err(format!(
                    "pod: {}, container: {} cpuset: {:?} overlaps with default cpuset {:?}",
                    holder.pod,
                    holder.container,
                    own.to_string(),
                    shared.to_string()
                ));
            }
        }
        let known = held.values().fold(shared.clone(), |all, own| all.with(own));
        let online = rules.shared_at_first();
        if known != online {
            return Err(format!(
                "current set of available CPUs \"{online}\" doesn't match with CPUs in state \
                 \"{known}\""
            ));
        }
        Ok(Self { shared, held })
    }

    /// The CPUs that a container has for itself.
    pub(in crate::pinning) fn of(&self, holder: &Holder) -> Option<&CpuSet> {
        self.held.get(holder)
    }

    /// The CPUs that a container may use: its own, or everybody's. When all are somebody's, the reserved
    /// ones are left.
    pub(in crate::pinning) fn usable<'a>(
        &'a self,
        rules: &'a CpuRules,
        holder: &Holder,
    ) -> &'a CpuSet {
        match self.of(holder) {
            Some(own) => own,
            None if self.shared.is_empty() => rules.reserved(),
            None => &self.shared,
        }
    }

    /// All that somebody has for himself.
    pub(in crate::pinning) fn taken(&self) -> CpuSet {
        let all = self.held.values();
        all.fold(CpuSet::default(), |taken, own| taken.with(own))
    }

    /// Sees to it that a container has what it wishes for.
    pub(in crate::pinning) fn settle(
        &mut self,
        rules: &CpuRules,
        holder: &Holder,
        wish: CpuWish<'_>,
    ) -> Result<Settled, CpuError> {
        if let Some(own) = self.held.get(holder) {
            return Ok(Settled::Had(own.clone()));
        }
        rules.check(wish.count, &self.shared)?;
        let chosen = rules.choose(&self.shared, wish)?;
        self.shared = self.shared.without(&chosen);
        self.held.insert(holder.clone(), chosen.clone());
        Ok(Settled::Got(chosen))
    }

    /// Where the CPUs of a container could be; nothing when it shares.
    pub(in crate::pinning) fn hints(
        &self,
        rules: &CpuRules,
        (pod, container): (&Pod, &Container),
        reusable: &CpuSet,
    ) -> Option<Vec<Hint>> {
        let count = exclusive(pod, container);
        if count == 0 {
            return None;
        }
        let none = CpuSet::default();
        Some(match self.of(&Holder::of(pod, container)) {
            Some(own) if own.len() != count => Vec::new(),
            Some(own) => rules.hints(own, &none, count),
            None => rules.hints(&self.free(rules), reusable, count),
        })
    }

    /// Where all CPUs of a pod could be; nothing when it shares.
    pub(in crate::pinning) fn hints_of_pod(
        &self,
        rules: &CpuRules,
        pod: &Pod,
    ) -> Option<Vec<Hint>> {
        let count = exclusive_of_pod(pod);
        if count == 0 {
            return None;
        }
        let mut own = CpuSet::default();
        for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
            if let Some(has) = self.of(&Holder::of(pod, container)) {
                if has.len() != exclusive(pod, container) {
                    return Some(Vec::new());
                }
                own = own.with(has);
            }
        }
        let none = CpuSet::default();
        Some(match own.len() == count {
            true => rules.hints(&own, &none, count),
            false => rules.hints(&self.free(rules), &own, count),
        })
    }

    fn free(&self, rules: &CpuRules) -> CpuSet {
        self.shared.without(rules.reserved())
    }

    /// Takes CPUs from pods that do not need them any more; whether there were any.
    pub(in crate::pinning) fn keep_only(&mut self, pods: &BTreeSet<PodUid>) -> bool {
        let gone = |holder: &Holder| !pods.contains(&holder.pod);
        self.release(gone)
    }

    /// Takes its CPUs from a pod; whether it had any.
    pub(in crate::pinning) fn release_pod(&mut self, pod: &PodUid) -> bool {
        self.release(|holder| holder.pod == *pod)
    }

    fn release(&mut self, is_gone: impl Fn(&Holder) -> bool) -> bool {
        let before = self.held.len();
        let freed = self.held.iter().filter(|(holder, _)| is_gone(holder));
        let freed = freed.fold(CpuSet::default(), |all, (_, own)| all.with(own));
        self.held.retain(|holder, _| !is_gone(holder));
        self.shared = self.shared.with(&freed);
        self.held.len() < before
    }
}
