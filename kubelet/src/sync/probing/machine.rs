//! When a container is probed, and what the answers mean: pure.
//!
//! ```text
//!            no container        not started yet (or, for startup: started)
//!   Rest ◄──────────────┐   ┌──────────────┬──► Rest
//!                       turn ── initial delay ─► Rest
//!   End ◄── pod over ───┘   └─► Probe ─► learn: the n-th equal answer in a row is a verdict
//! ```
//!
//! A verdict that ends a container puts its probe on hold until there is another container.

#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use super::Course;
use crate::model::{ContainerId, Probe, ProbeKind, Verdict};

/// A container as the pod's worker saw it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct Sight {
    /// Which.
    pub(in crate::sync) id: ContainerId,
    /// What it does.
    pub(in crate::sync) presence: Presence,
}

/// What a container does, as far as its probes mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Presence {
    /// It runs, and its startup probe has not succeeded.
    Starting {
        /// Since when.
        since: Timestamp,
    },
    /// It runs and has started.
    Started {
        /// Since when.
        since: Timestamp,
    },
    /// It does not run now.
    Absent,
    /// It has ended and stays ended.
    Ended,
}

/// What is to be done at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing; another moment may come.
    Rest,
    /// The container is probed.
    Probe,
    /// Nothing, ever.
    End,
}

/// What is to be done, and the verdict that holds until more is known, if it has to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) step: Step,
    pub(super) verdict: Option<Verdict>,
}

/// Whether an answer was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    Bad,
}

/// The state of one probe.
#[derive(Debug)]
pub(super) struct Machine {
    kind: ProbeKind,
    probe: Probe,
    container: Option<ContainerId>,
    /// The last answer, and how often it came in a row.
    streak: Option<(Answer, u32)>,
    attention: Attention,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attention {
    /// Answers count.
    Awake,
    /// The container is as good as ended, or has nothing more to tell.
    OnHold,
}

impl Machine {
    pub(super) fn new(kind: ProbeKind, probe: Probe) -> Self {
        Self {
            kind,
            probe,
            container: None,
            streak: None,
            attention: Attention::Awake,
        }
    }

    /// What is to be done now. `known` is the verdict there is on the container that is seen.
    pub(super) fn turn(
        &mut self,
        course: Course,
        sight: Option<&Sight>,
        known: Option<Verdict>,
        now: Timestamp,
    ) -> Turn {
        if course == Course::Over {
            return self.only(Step::End);
        }
        let Some(sight) = sight else {
            return self.only(Step::Rest);
        };
        let first = self.meet(&sight.id, known);
        let turn = match sight.presence {
            Presence::Ended => self.only(Step::End),
            Presence::Absent => self.absent(),
            Presence::Starting { since } => self.running(ProbeKind::Startup, since, now),
            Presence::Started { since } => self.started(since, now),
        };
        Turn {
            verdict: turn.verdict.or(first),
            ..turn
        }
    }

    /// Takes an answer down; the verdict, when it is one.
    pub(super) fn learn(&mut self, answer: Answer) -> Option<Verdict> {
        let run = match self.streak {
            Some((last, run)) if last == answer => run.saturating_add(1),
            Some(_) | None => 1,
        };
        self.streak = Some((answer, run));
        let (verdict, threshold) = match answer {
            Answer::Good => (Verdict::Success, self.probe.success_threshold),
            Answer::Bad => (Verdict::Failure, self.probe.failure_threshold),
        };
        if run < threshold {
            return None;
        }
        let is_last = match self.kind {
            ProbeKind::Startup => true,
            ProbeKind::Liveness => answer == Answer::Bad,
            ProbeKind::Readiness => false,
        };
        if is_last {
            self.attention = Attention::OnHold;
            self.streak = None;
        }
        Some(verdict)
    }

    /// Another container begins anew, with what is thought of one that nobody has asked.
    fn meet(&mut self, id: &ContainerId, known: Option<Verdict>) -> Option<Verdict> {
        if self.container.as_ref() == Some(id) {
            return None;
        }
        self.container = Some(id.clone());
        self.streak = None;
        self.attention = Attention::Awake;
        // What an earlier kubelet found out holds.
        known.is_none().then_some(match self.kind {
            ProbeKind::Startup => Verdict::Unknown,
            ProbeKind::Readiness => Verdict::Failure,
            ProbeKind::Liveness => Verdict::Success,
        })
    }

    fn absent(&self) -> Turn {
        Turn {
            step: Step::Rest,
            // What does not run cannot serve; whether it lives is not for its probe to say.
            verdict: (self.kind == ProbeKind::Readiness).then_some(Verdict::Failure),
        }
    }

    fn started(&self, since: Timestamp, now: Timestamp) -> Turn {
        match self.kind {
            ProbeKind::Startup => self.only(Step::Rest),
            kind => self.running(kind, since, now),
        }
    }

    /// In this phase of a container only probes of one kind are made.
    fn running(&self, kind: ProbeKind, since: Timestamp, now: Timestamp) -> Turn {
        let delay = i64::try_from(self.probe.initial_delay.as_secs()).unwrap_or(i64::MAX);
        let is_due = now.duration_since(since).as_secs() >= delay;
        if self.attention == Attention::Awake && self.kind == kind && is_due {
            self.only(Step::Probe)
        } else {
            self.only(Step::Rest)
        }
    }

    fn only(&self, step: Step) -> Turn {
        Turn {
            step,
            verdict: None,
        }
    }
}
