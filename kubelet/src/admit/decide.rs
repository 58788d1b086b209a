//! The decision, one question after the other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::fit::{Shortage, shortages};
use super::preempt::victims;
use super::{Amounts, AppArmor, GroupPolicies, NodeFacts, affinity, features, ports, sysctl};
use crate::evict::admit;
use crate::model::{AppArmorProfile, Pod, PodUid, SupplementalGroupsPolicy};
use crate::shutdown::Machine;

/// The label of a node, and of pods that name one, with its operating system.
const OS_LABEL: &str = "kubernetes.io/os";
const OS: &str = "linux";

/// May this pod run here?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which.
    pub pod: &'a Pod,
    /// The pods that are in and have not ended.
    pub others: &'a [&'a Pod],
    /// What pods still have that have been given less.
    pub held: &'a BTreeMap<PodUid, Amounts>,
    /// The node.
    pub node: &'a NodeFacts,
    /// Whether it runs already.
    pub stage: Stage,
}

/// How far a pod has come before it is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing of it runs.
    New,
    /// It was let in by an earlier kubelet, and runs: it stays in.
    Runs,
}

/// Whether a pod is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Admitted,
    /// It is, as soon as others have ended.
    Preempts {
        /// Who.
        victims: Vec<PodUid>,
        /// The resource that there is not enough of.
        lacking: String,
    },
    /// It is not, for good.
    Refused(Refusal),
}

/// Why a pod does not run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word.
    pub reason: Cow<'static, str>,
    /// A sentence.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
        }
    }
}

/// Whether the pod is let in.
pub fn decide(question: Question<'_>) -> Admission {
    let Question {
        pod, node, stage, ..
    } = question;
    if stage == Stage::Runs {
        return Admission::Admitted;
    }
    let refused = pressed(question)
        .or_else(|| sysctl::refusal(&pod.spec, &node.allowed_unsafe_sysctls))
        .or_else(|| system(pod))
        .or_else(|| groups(pod, node));
    if let Some(refusal) = refused {
        return Admission::Refused(refusal);
    }
    let admission = general(question);
    let refused = app_armor(pod, node)
        .or_else(|| features::refusal(pod, node))
        .or_else(|| shutdown(node));
    match refused {
        Some(refusal) if !is_refused(&admission) => Admission::Refused(refusal),
        _ => admission,
    }
}

/// Nobody comes any more when the machine goes down.
fn shutdown(node: &NodeFacts) -> Option<Refusal> {
    let message = "Pod was rejected as the node is shutting down.";
    let refusal = || Refusal::new("NodeShutdown", message);
    (node.machine == Machine::GoesDown).then(refusal)
}

/// While the node is short of something, few may come; those that run are dealt with by eviction.
fn pressed(question: Question<'_>) -> Option<Refusal> {
    let Question {
        pod, node, stage, ..
    } = question;
    let is_new = stage == Stage::New;
    let message = admit::refusal(pod, &node.pressures).filter(|_| is_new)?;
    Some(Refusal::new("Evicted", message))
}

fn is_refused(admission: &Admission) -> bool {
    matches!(admission, Admission::Refused(_))
}

fn system(pod: &Pod) -> Option<Refusal> {
    let label = pod.labels.get(OS_LABEL);
    if label.is_some_and(|label| label != OS) {
        let message =
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
        return Some(Refusal::new("PodOSSelectorNodeLabelDoesNotMatch", message));
    }
    let os = pod.spec.placement.os.as_ref();
    os.is_some_and(|os| os != OS).then(|| {
        let message = "Failed to admit pod as the OS field doesn't match node OS";
        Refusal::new("PodOSNotSupported", message)
    })
}

fn groups(pod: &Pod, node: &NodeFacts) -> Option<Refusal> {
    let policy = pod.spec.security.supplemental_groups_policy;
    let is_strict = policy == SupplementalGroupsPolicy::Strict;
    (is_strict && node.groups == GroupPolicies::MergeAlone).then(|| {
        let message = "SupplementalGroupsPolicy=Strict is not supported in this node";
        Refusal::new("SupplementalGroupsPolicyNotSupported", message)
    })
}

/// What a scheduler would have asked: is there room, and is it the right node?
fn general(question: Question<'_>) -> Admission {
    let Question {
        pod,
        others,
        held,
        node,
        ..
    } = question;
    let short = shortages(pod, (others, held), node);
    let mismatch = mismatch(question);
    let is_critical = pod.spec.placement.is_critical();
    match (short.first(), mismatch) {
        (None, None) => Admission::Admitted,
        (Some(first), _) if !is_critical => Admission::Refused(out_of(first)),
        (_, Some(refusal)) => Admission::Refused(refusal),
        (Some(_), None) => make_room(pod, others, &short),
    }
}

fn mismatch(question: Question<'_>) -> Option<Refusal> {
    let Question {
        pod, others, node, ..
    } = question;
    let failed = |predicate: &'static str, why: &str| {
        Some(Refusal::new(
            predicate,
            format!("Predicate {predicate} failed: {why}"),
        ))
    };
    if !affinity::is_for(&pod.spec.placement, node) {
        let why = "node(s) didn't match Pod's node affinity/selector";
        return failed("NodeAffinity", why);
    }
    if !ports::are_free(pod, others) {
        let why = "node(s) didn't have free ports for the requested pod ports";
        return failed("NodePorts", why);
    }
    None
}

fn out_of(short: &Shortage) -> Refusal {
    Refusal::new(format!("OutOf{}", short.resource), short.message())
}

fn make_room(pod: &Pod, others: &[&Pod], short: &[Shortage]) -> Admission {
    match victims(pod, others, short) {
        Ok(victims) => Admission::Preempts {
            victims,
            lacking: short
                .first()
                .map(|short| short.resource.clone())
                .unwrap_or_default(),
        },
        Err(too_few) => {
            let message = format!(
                "Unexpected error while attempting to recover from admission failure: preemption: \
                 error finding a set of pods to preempt: no set of running pods found to reclaim \
                 resources: {}",
                too_few.needs
            );
            Admission::Refused(Refusal::new("UnexpectedAdmissionError", message))
        }
    }
}

/// A profile that is asked for and cannot be enforced.
fn app_armor(pod: &Pod, node: &NodeFacts) -> Option<Refusal> {
    if node.app_armor == AppArmor::Enforced {
        return None;
    }
    let is_confined = |profile: Option<&AppArmorProfile>| {
        profile.is_some_and(|profile| *profile != AppArmorProfile::Unconfined)
    };
    let of_pod = pod.spec.security.app_armor.as_ref();
    let mut containers = pod.spec.all_containers();
    let is_asked =
        is_confined(of_pod) || containers.any(|one| is_confined(one.security.app_armor.as_ref()));
    is_asked.then(|| {
        let message = "Cannot enforce AppArmor: AppArmor is not enabled on the host";
        Refusal::new("AppArmor", message)
    })
}
