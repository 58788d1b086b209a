//! Which pods make room for a critical one: as few as will do, of the least sure class.

use std::fmt::Write as _;

use super::fit::Shortage;
use super::{Amounts, asked_for};
use crate::model::{Pod, PodUid};
use crate::resource::{QosClass, qos_class};

/// How much of a resource has to be freed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    resource: String,
    amount: u64,
}

/// A pod that could make room.
#[derive(Clone)]
struct Tenant {
    uid: PodUid,
    asked: Amounts,
}

/// Not even all of them together would make enough room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFew {
    /// What would be missing.
    pub(super) needs: String,
}

/// The pods that end so that this one fits.
///
/// Guaranteed pods are taken only for what all others could not free, burstable ones only for what
/// best-effort ones could not.
pub(super) fn victims(
    pod: &Pod,
    others: &[&Pod],
    shortages: &[Shortage],
) -> Result<Vec<PodUid>, TooFew> {
    let needs: Vec<Need> = shortages
        .iter()
        .map(|short| Need {
            resource: short.resource.clone(),
            amount: short.missing(),
        })
        .collect();
    let of = |class| tenants(pod, others, class);
    let best_effort = of(QosClass::BestEffort);
    let burstable = of(QosClass::Burstable);
    let guaranteed = of(QosClass::Guaranteed);
    let without = |groups: &[&[Tenant]]| left(&needs, groups.iter().copied().flatten());

    refuse_any(without(&[&best_effort, &burstable, &guaranteed]))?;
    let guaranteed = nearest(guaranteed, without(&[&best_effort, &burstable]));
    let burstable = nearest(burstable, without(&[&best_effort, &guaranteed]));
    let best_effort = nearest(best_effort, without(&[&burstable, &guaranteed]));
    let all = best_effort.into_iter().chain(burstable).chain(guaranteed);
    Ok(all.map(|tenant| tenant.uid).collect())
}

/// Pods of a class that may be ended for this one.
fn tenants(pod: &Pod, others: &[&Pod], class: QosClass) -> Vec<Tenant> {
    let placement = &pod.spec.placement;
    let gives_way = |other: &&&Pod| {
        let theirs = &other.spec.placement;
        (placement.is_critical() && !theirs.is_critical()) || placement.priority > theirs.priority
    };
    let of_class = others
        .iter()
        .filter(|other| qos_class(&other.spec) == class);
    of_class
        .filter(gives_way)
        .map(|other| Tenant {
            uid: other.uid.clone(),
            asked: asked_for(&other.spec),
        })
        .collect()
}

/// Takes the tenant that comes nearest to what is needed, until nothing is or all are taken.
fn nearest(mut tenants: Vec<Tenant>, mut needs: Vec<Need>) -> Vec<Tenant> {
    let mut taken = Vec::new();
    while !needs.is_empty()
        && let Some(best) = place_of_nearest(&tenants, &needs)
    {
        let tenant = tenants.swap_remove(best);
        needs = left(&needs, [&tenant]);
        taken.push(tenant);
    }
    taken
}

/// Of those that come equally near, the one that asks for least.
fn place_of_nearest(tenants: &[Tenant], needs: &[Need]) -> Option<usize> {
    let key = |place: &usize| {
        let asked = &tenants[*place].asked;
        (distance(needs, asked), (asked.memory, asked.cpu_millis))
    };
    (0..tenants.len()).min_by(|one, other| {
        let ((near, small), (other_near, other_small)) = (key(one), key(other));
        near.total_cmp(&other_near).then(small.cmp(&other_small))
    })
}

/// How far a pod's requests are from what is needed: each resource weighs the same.
#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio of the two, of which a few digits decide"
)]
fn distance(needs: &[Need], asked: &Amounts) -> f64 {
    let far = |need: &Need| {
        let remaining = need.amount.saturating_sub(asked.of(&need.resource));
        (remaining as f64 / need.amount as f64).powi(2)
    };
    needs.iter().map(far).sum()
}

/// What is still needed when these have ended.
fn left<'a>(needs: &[Need], ended: impl IntoIterator<Item = &'a Tenant> + Clone) -> Vec<Need> {
    let remaining = needs.iter().filter_map(|need| {
        let freed = ended.clone().into_iter();
        let amount = freed.fold(need.amount, |amount, tenant| {
            amount.saturating_sub(tenant.asked.of(&need.resource))
        });
        (amount > 0).then(|| Need {
            amount,
            ..need.clone()
        })
    });
    remaining.collect()
}

fn refuse_any(needs: Vec<Need>) -> Result<(), TooFew> {
    if needs.is_empty() {
        return Ok(());
    }
    let mut text = "[".to_owned();
    for need in needs {
        // Writing to a string cannot fail.
        let _ = write!(text, "(res: {}, q: {}), ", need.resource, need.amount);
    }
    Err(TooFew { needs: text + "]" })
}
