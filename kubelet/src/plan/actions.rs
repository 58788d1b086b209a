//! Everything a pod needs now, put together from the answers of the sibling files.

use jiff::Timestamp;

use crate::model::{
    Container, ContainerObservation, ContainerRole, ContainerState, CreateSandbox, KillReason, Pod,
    PodActions, PodObservation, ProbeResults, RestartPolicy, SandboxId, SandboxObservation,
    StartContainer, StartReason, StopReason, TargetSandbox,
};

use super::collect::{Dead, Keep};
use super::init::{InitProgress, init_progress, upkeep};
use super::reset::reset;
use super::resize::resize;
use super::restart::{Decision, decide, is_other, policy_of, wants_restart};
use super::sandbox::{Verdict, judge};
use super::{CrashBackoff, ephemeral, kill};

/// Everything that a plan follows from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What is desired.
    pub pod: &'a Pod,
    /// What the runtime shows.
    pub observation: &'a PodObservation,
    /// What the probes say.
    pub probes: &'a ProbeResults,
    /// What crashed containers have to wait for.
    pub backoff: &'a CrashBackoff,
    /// Which dead containers stay.
    pub keep: Keep,
    /// Now.
    pub now: Timestamp,
}

/// What has to happen to a pod that is wanted.
pub fn compute_pod_actions(situation: Situation<'_>) -> PodActions {
    let Situation {
        pod, observation, ..
    } = situation;
    let draft = Draft {
        pod,
        observation,
        probes: situation.probes,
        now: situation.now,
        backoff: situation.backoff,
        standing: None,
        actions: PodActions::default(),
    };
    let verdict = judge(pod, observation);
    if let (Verdict::Keep(_), Some(reset)) = (&verdict, reset(pod, observation)) {
        return reset;
    }
    let mut actions = match verdict {
        Verdict::Keep(sandbox) => draft.in_sandbox(sandbox),
        Verdict::Replace(create) => draft.in_new_sandbox(create),
        Verdict::Finished => draft.finished().actions,
    };
    let dead = Dead {
        observation,
        keep: situation.keep,
        now: situation.now,
    };
    actions.remove_containers = dead.containers();
    actions.remove_sandboxes = dead.sandboxes();
    actions
}

/// A plan being made.
struct Draft<'a> {
    pod: &'a Pod,
    observation: &'a PodObservation,
    probes: &'a ProbeResults,
    now: Timestamp,
    backoff: &'a CrashBackoff,
    /// The sandbox that is kept.
    standing: Option<&'a SandboxId>,
    actions: PodActions,
}

impl<'a> Draft<'a> {
    /// The sandbox is good: whatever is missing in it is started.
    fn in_sandbox(mut self, sandbox: &'a SandboxObservation) -> PodActions {
        self.standing = Some(&sandbox.id);
        self.actions.kill = kill::kill_strays(self.pod, self.observation, &sandbox.id);
        self.start_ephemeral();
        for (sidecar, decision) in upkeep(self.pod, self.observation, self.probes, &sandbox.id) {
            self.follow(sidecar, ContainerRole::Init, decision);
        }
        let init = init_progress(self.pod, self.observation, self.probes, &sandbox.id);
        let goes_on = match init {
            InitProgress::Running(_) => true,
            InitProgress::Failed(_) => false,
            InitProgress::Next { container, reason } => {
                self.start_init(container, reason);
                true
            }
            InitProgress::Done => self.regular(sandbox),
        };
        if goes_on {
            self.actions.resize = resize(self.pod, self.observation, &sandbox.id);
            self.actions.sandbox = Some(TargetSandbox::Existing(sandbox.id.clone()));
            self.actions
        } else {
            self.finished().actions
        }
    }

    /// Nothing in the old sandbox is kept; the pod begins anew with its first init container.
    fn in_new_sandbox(mut self, create: CreateSandbox) -> PodActions {
        let grace = Some(self.pod.spec.termination_grace_period);
        let reason = KillReason::SandboxGone;
        self.actions.kill = kill::kill_all(Some(self.pod), self.observation, grace, reason);
        self.actions.stop = kill::stop_ready(self.observation, StopReason::Replaced(create.reason));
        self.actions.sandbox = Some(TargetSandbox::Create(create));
        if let Some(first) = self.pod.spec.init_containers.first() {
            let reason = self.reason_in_new_sandbox(first);
            self.start(first, ContainerRole::Init, reason);
            return self.actions;
        }
        for container in &self.pod.spec.containers {
            if !self.has_succeeded_for_good(container) {
                let reason = self.reason_in_new_sandbox(container);
                self.start_unless_held_back(container, ContainerRole::Regular, reason);
            }
        }
        self.actions
    }

    /// Everything is done: what still runs is ended, and the sandbox with it.
    fn finished(mut self) -> Self {
        let grace = Some(self.pod.spec.termination_grace_period);
        self.actions = PodActions {
            kill: kill::kill_all(
                Some(self.pod),
                self.observation,
                grace,
                KillReason::SandboxGone,
            ),
            stop: kill::stop_ready(self.observation, StopReason::PodFinished),
            ..PodActions::default()
        };
        self
    }

    fn start_ephemeral(&mut self) {
        let missing: Vec<_> = ephemeral::missing(self.pod, self.observation).collect();
        for container in missing {
            self.start(container, ContainerRole::Ephemeral, StartReason::Missing);
        }
    }

    fn start_init(&mut self, container: &Container, reason: StartReason) {
        if reason == StartReason::StateUnknown {
            let role = ContainerRole::Init;
            self.kill_newest(container, KillReason::StateUnknown { role });
        }
        self.start_unless_held_back(container, ContainerRole::Init, reason);
    }

    /// Decides on each regular container; returns whether any runs or is to run.
    fn regular(&mut self, sandbox: &SandboxObservation) -> bool {
        let mut goes_on = false;
        for container in &self.pod.spec.containers {
            let newest = self.observation.newest(&container.name);
            let decision = decide(self.pod, container, newest, self.probes, &sandbox.id);
            goes_on |= !matches!(decision, Decision::Finished | Decision::End(_));
            self.follow(container, ContainerRole::Regular, decision);
        }
        goes_on
    }

    /// Does to one container what was decided.
    fn follow(&mut self, container: &Container, role: ContainerRole, decision: Decision) {
        match decision {
            Decision::Keep | Decision::Finished => {}
            Decision::Start(reason) => self.start_unless_held_back(container, role, reason),
            Decision::Replace(kill, start) => {
                self.kill_newest(container, kill);
                self.start_unless_held_back(container, role, start);
            }
            Decision::End(kill) => self.kill_newest(container, kill),
        }
    }

    /// Ends the newest of a name, unless it is ended as a stray already.
    fn kill_newest(&mut self, container: &Container, reason: KillReason) {
        let kills = &mut self.actions.kill;
        let newest = self.observation.newest(&container.name);
        let not_ended = newest.filter(|newest| kills.iter().all(|kill| kill.id != newest.id));
        if let Some(newest) = not_ended {
            let grace = Some(kill::grace_for(self.pod, container, reason));
            kills.push(kill::kill(Some(self.pod), newest, grace, reason));
        }
    }

    fn start_unless_held_back(
        &mut self,
        container: &Container,
        role: ContainerRole,
        reason: StartReason,
    ) {
        let exit = self
            .observation
            .newest_exited(&container.name)
            .and_then(|seen| seen.state.exit());
        let wait = exit.and_then(|exit| self.backoff.wait(container, exit.finished_at, self.now));
        match wait {
            Some(held) => self.actions.held_back.push(held),
            None => self.start(container, role, reason),
        }
    }

    fn start(&mut self, container: &Container, role: ContainerRole, reason: StartReason) {
        let made = self.made_and_never_started(container);
        let next = || self.observation.next_restart_count(&container.name);
        self.actions.start.push(StartContainer {
            name: container.name.clone(),
            role,
            restart_count: made.map_or_else(next, |made| made.restart_count),
            made: made.map(|made| made.id.clone()),
            reason,
        });
    }

    /// One of the kept sandbox that was made from what the container is now.
    fn made_and_never_started(&self, container: &Container) -> Option<&'a ContainerObservation> {
        let newest = self.observation.newest(&container.name)?;
        let is_it = newest.state == ContainerState::Created
            && Some(&newest.sandbox_id) == self.standing
            && !is_other(container, newest);
        is_it.then_some(newest)
    }

    fn reason_in_new_sandbox(&self, container: &Container) -> StartReason {
        match self.observation.newest(&container.name) {
            None => StartReason::Missing,
            Some(seen) => match seen.state.exit() {
                Some(exit) => StartReason::Exited { code: exit.code },
                None => StartReason::NewSandbox,
            },
        }
    }

    fn has_succeeded_for_good(&self, container: &Container) -> bool {
        let spec = &self.pod.spec;
        let newest = self.observation.newest(&container.name);
        policy_of(spec, container) == RestartPolicy::OnFailure
            && newest.is_some_and(|newest| {
                newest.state.exit().is_some() && !wants_restart(spec, container, newest)
            })
    }
}
