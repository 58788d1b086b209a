//! What is to be told of one pod next: pure.
//!
//! | here | there | what is done |
//! |---|---|---|
//! | a static pod | nothing | its mirror is made |
//! | | a mirror of it | its status is told |
//! | | a mirror of another version, or one that was deleted | the mirror goes |
//! | nothing | a mirror | it goes, once all static pods are known |
//! | a pod | the same | its status is told |
//! | it cannot be run | a pod | it has failed, and goes when it is deleted |
//! | it has ended and left nothing | the same, deleted | its last status is told, then it goes |
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use super::diff::patch;
use super::finish::finished;
use super::mirror::{Owner, mirror, shows};
use super::{is_mirror, is_terminal, uid};

/// All that is known of the pods of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    /// As it is here, with its status.
    pub(super) here: Option<&'a core::Pod>,
    /// One that was here, and of which nothing is left.
    pub(super) gone: Option<&'a core::Pod>,
    /// The static pod that is desired.
    pub(super) wanted: Option<&'a core::Pod>,
    /// Whether all static pods are known.
    pub(super) are_all_known: bool,
    /// As the API server has it.
    pub(super) there: Option<&'a core::Pod>,
    /// Why that cannot be run here, if it cannot.
    pub(super) refused: Option<&'a str>,
    /// A patch that changes nothing there.
    pub(super) futile: Option<&'a Value>,
    /// The node, once it is there.
    pub(super) node: Option<&'a Owner>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// The pod's status is changed.
    Patch(Value),
    /// A mirror pod is made.
    Create(Box<core::Pod>),
    /// The pod with this UID goes at once.
    Remove(String),
}

/// What is to be done next.
pub(super) fn plan(sight: Sight<'_>) -> Step {
    match (sight.there, sight.wanted) {
        (Some(there), Some(wanted)) if is_mirror(there) => {
            if !shows(there, wanted) {
                return Step::Remove(uid(there).to_owned());
            }
            let here = sight.here.filter(|here| uid(here) == uid(wanted));
            here.map_or(Step::Nothing, |here| tell(there, here, sight.futile))
        }
        (Some(there), None) if is_mirror(there) => {
            let is_left = sight.are_all_known && sight.here.is_none();
            match is_left || there.metadata.deletion_timestamp.is_some() {
                true => Step::Remove(uid(there).to_owned()),
                false => Step::Nothing,
            }
        }
        (Some(there), _) => of_api(there, sight),
        (None, Some(wanted)) => match sight.node {
            Some(node) => Step::Create(Box::new(mirror(wanted, node))),
            None => Step::Nothing,
        },
        (None, None) => Step::Nothing,
    }
}

fn of_api(there: &core::Pod, sight: Sight<'_>) -> Step {
    let is_it = |pod: &&core::Pod| uid(pod) == uid(there);
    if let Some(here) = sight.here.filter(is_it) {
        return tell(there, here, sight.futile);
    }
    if let Some(why) = sight.refused {
        return refuse(there, why, sight.futile);
    }
    let Some(gone) = sight.gone.filter(is_it) else {
        return Step::Nothing;
    };
    if there.metadata.deletion_timestamp.is_none() {
        return Step::Nothing;
    }
    let last = core::Pod {
        status: Some(finished(gone)),
        ..gone.clone()
    };
    match tell(there, &last, sight.futile) {
        Step::Nothing => Step::Remove(uid(there).to_owned()),
        step => step,
    }
}

/// Nothing of the pod is here, nor will be.
fn refuse(there: &core::Pod, why: &str, futile: Option<&Value>) -> Step {
    let mut failed = there.clone();
    let status = failed.status.get_or_insert_default();
    if !is_terminal(status.phase.as_deref()) {
        status.phase = Some("Failed".to_owned());
        status.reason = Some("UnexpectedAdmissionError".to_owned());
        status.message = Some(format!("Pod was rejected: {why}"));
    }
    match tell(there, &failed, futile) {
        Step::Nothing if there.metadata.deletion_timestamp.is_some() => {
            Step::Remove(uid(there).to_owned())
        }
        step => step,
    }
}

/// What is told of a pod that is here, unless that changes nothing.
fn tell(there: &core::Pod, here: &core::Pod, futile: Option<&Value>) -> Step {
    let is = there.status.clone().unwrap_or_default();
    let mut shall = here.status.clone().unwrap_or_default();
    let phase = |status: &core::PodStatus| is_terminal(status.phase.as_deref());
    // There is no way back from an end.
    if phase(&is) && !phase(&shall) {
        return Step::Nothing;
    }
    // Nobody may think that a pod has ended of which something runs.
    if phase(&shall) && !phase(&is) && has_running(&shall) {
        shall.phase.clone_from(&is.phase);
        shall.reason.clone_from(&is.reason);
        shall.message.clone_from(&is.message);
        let conditions = shall.conditions.iter_mut();
        conditions.for_each(|all| all.retain(|one| one.type_ != "DisruptionTarget"));
    }
    shall.observed_generation = there.metadata.generation;
    let patch = patch(uid(there), &is, &shall).filter(|patch| Some(patch) != futile);
    patch.map_or(Step::Nothing, Step::Patch)
}

fn has_running(status: &core::PodStatus) -> bool {
    let lists = [
        &status.init_container_statuses,
        &status.container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let mut all = lists.into_iter().flatten().flatten();
    all.any(|one| {
        one.state
            .as_ref()
            .is_some_and(|state| state.running.is_some())
    })
}
