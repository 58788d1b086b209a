//! Which containers are started anew because somebody asked for it?
//!
//! What was asked names a container by its id, so it is done once, and what nothing has any more asks
//! for nothing. Neither the restart policy nor a back-off is looked at: a person wants it now.

use std::collections::BTreeSet;

use crate::model::{
    Container, ContainerId, ContainerObservation, ContainerRole, ContainerState, KillReason, Pod,
    PodActions, PodObservation, SandboxObservation, StartContainer, StartReason, TargetSandbox,
};

use super::kill::{grace_for, kill};
use super::sandbox::{Verdict, judge};

/// The plan that starts what was asked for anew, if anything of it is left to do.
pub fn restart_asked(
    pod: &Pod,
    observation: &PodObservation,
    asked: &BTreeSet<ContainerId>,
) -> Option<PodActions> {
    if asked.is_empty() {
        return None;
    }
    let Verdict::Keep(sandbox) = judge(pod, observation) else {
        return None;
    };
    let sidecars = pod.spec.sidecars().map(|one| (one, ContainerRole::Init));
    let regular = pod.spec.containers.iter();
    let all = sidecars.chain(regular.map(|one| (one, ContainerRole::Regular)));
    let mut actions = PodActions::default();
    for (container, role) in all {
        let newest = observation.newest(&container.name);
        let meant = newest.filter(|newest| asked.contains(&newest.id));
        if let Some(newest) = meant {
            begin_anew(&mut actions, pod, (container, role), newest, sandbox);
        }
    }
    if actions.start.is_empty() {
        return None;
    }
    for start in &mut actions.start {
        start.restart_count = observation.next_restart_count(&start.name);
    }
    actions.sandbox = Some(TargetSandbox::Existing(sandbox.id.clone()));
    Some(actions)
}

fn begin_anew(
    actions: &mut PodActions,
    pod: &Pod,
    (container, role): (&Container, ContainerRole),
    newest: &ContainerObservation,
    sandbox: &SandboxObservation,
) {
    match newest.state {
        ContainerState::Running { .. } if newest.sandbox_id == sandbox.id => {
            let reason = KillReason::Asked;
            let grace = Some(grace_for(pod, container, reason));
            actions.kill.push(kill(Some(pod), newest, grace, reason));
        }
        ContainerState::Exited(_) => {}
        // It is on its way, or not known: what is usually done is done.
        ContainerState::Running { .. } | ContainerState::Created | ContainerState::Unknown => {
            return;
        }
    }
    actions.start.push(StartContainer {
        name: container.name.clone(),
        role,
        restart_count: 0,
        reason: StartReason::Asked,
        made: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RestartPolicy, SandboxState};
    use crate::plan::fixture;

    fn asked(ids: &[&str]) -> BTreeSet<ContainerId> {
        ids.iter().map(|id| ContainerId::from(*id)).collect()
    }

    fn observed(state: ContainerState) -> PodObservation {
        let standing = vec![fixture::sandbox(0, SandboxState::Ready)];
        fixture::seen(standing, vec![fixture::made("web", 0, state)])
    }

    #[test]
    fn what_was_asked_for_begins_anew_whatever_its_policy() {
        let pod = fixture::pod(RestartPolicy::Never, &[], &["web"]);
        let plan = restart_asked(&pod, &observed(fixture::running()), &asked(&["web#0"]));
        let plan = plan.expect("there is something to do");
        assert_eq!(plan.kill[0].id, "web#0".into());
        assert_eq!(plan.kill[0].reason, KillReason::Asked);
        assert_eq!(plan.start[0].reason, StartReason::Asked);
        assert_eq!(plan.start[0].restart_count, 1);
        assert_eq!(plan.sandbox, Some(TargetSandbox::Existing("s0".into())));
    }

    #[test]
    fn what_has_ended_begins_at_once_and_is_not_killed() {
        let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        let plan = restart_asked(&pod, &observed(fixture::exited(1)), &asked(&["web#0"]));
        let plan = plan.expect("there is something to do");
        assert!(plan.kill.is_empty());
        assert_eq!(plan.start.len(), 1);
    }

    #[test]
    fn nothing_begins_anew_that_was_not_asked_for_or_is_another_by_now() {
        let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        let observation = observed(fixture::running());
        for ids in [&[][..], &["web#1"], &["older"]] {
            let plan = restart_asked(&pod, &observation, &asked(ids));
            assert_eq!(plan, None, "{ids:?}");
        }
        let made = observed(ContainerState::Created);
        assert_eq!(restart_asked(&pod, &made, &asked(&["web#0"])), None);
    }

    #[test]
    fn nothing_begins_anew_in_a_sandbox_that_is_no_longer_good() {
        let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        let gone = vec![fixture::sandbox(0, SandboxState::NotReady)];
        let web = fixture::made("web", 0, fixture::exited(1));
        let observation = fixture::seen(gone, vec![web]);
        assert_eq!(restart_asked(&pod, &observation, &asked(&["web#0"])), None);
    }
}
