//! What has to be done so that a volume is where it is wanted, or no longer there: pure.
//!
//! ```text
//! a pod's      ─ Wanted ─► Called ─► Done        the driver was, or was not yet, asked to publish
//! the node's             ─ Called ─► Done        and to stage
//! ```
#![deny(clippy::disallowed_methods)]

use serde::{Deserialize, Serialize};

use super::Again;

/// How far a driver was asked for something, as it is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Phase {
    /// It was not asked.
    Wanted,
    /// It may or may not have done it.
    #[default]
    Called,
    /// It has done it.
    Done,
}

/// What is recorded of a volume, and holds for this boot of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stands {
    /// For the node.
    pub(super) staged: Option<Phase>,
    /// For the pod.
    pub(super) published: Option<Phase>,
}

/// Whether a driver stages volumes before it publishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staging {
    /// It does.
    First,
    /// It does not, or has no need to: the volume is the pod's own.
    Never,
}

/// A step that makes a volume be where it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Up {
    Stage,
    Publish,
}

/// A step that takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// The driver is asked to undo it.
    Undo,
    /// Nothing is left of it.
    Forget,
}

/// Whether a pod has the volume already.
pub(super) fn is_there(stands: Stands, again: Again) -> bool {
    stands.published == Some(Phase::Done) && again == Again::OnlyIfNeeded
}

/// What has to be done for a pod.
pub(super) fn up(stands: Stands, staging: Staging, again: Again) -> Vec<Up> {
    if is_there(stands, again) {
        return Vec::new();
    }
    let has_stage = stands.staged == Some(Phase::Done) || stands.published == Some(Phase::Done);
    match staging {
        Staging::First if !has_stage => vec![Up::Stage, Up::Publish],
        Staging::First | Staging::Never => vec![Up::Publish],
    }
}

/// What has to be undone for a pod.
pub(super) fn down(published: Option<Phase>) -> Vec<Down> {
    match published {
        None => Vec::new(),
        Some(Phase::Wanted) => vec![Down::Forget],
        Some(Phase::Called | Phase::Done) => vec![Down::Undo, Down::Forget],
    }
}

/// What has to be undone for the node, when so many pods have the volume.
pub(super) fn release(staged: Option<Phase>, users: usize) -> Vec<Down> {
    match users {
        0 => down(staged),
        _ => Vec::new(),
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It did nothing, and does nothing any more.
    Refused,
    /// It may have done it, or still do it.
    Unknown,
}

/// What is recorded after a call, of what was recorded before it.
pub(super) fn after(before: Option<Phase>, outcome: Outcome) -> Option<Phase> {
    match outcome {
        Outcome::Done => Some(Phase::Done),
        Outcome::Refused => before,
        Outcome::Unknown if before == Some(Phase::Done) => before,
        Outcome::Unknown => Some(Phase::Called),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Option<Phase>; 4] = [
        None,
        Some(Phase::Wanted),
        Some(Phase::Called),
        Some(Phase::Done),
    ];

    fn stands(staged: Option<Phase>, published: Option<Phase>) -> Stands {
        Stands { staged, published }
    }

    #[test]
    fn a_volume_is_staged_once_and_published_for_each_pod() {
        let up = |staged, published| {
            up(
                stands(staged, published),
                Staging::First,
                Again::OnlyIfNeeded,
            )
        };
        let done = Some(Phase::Done);
        assert_eq!(up(None, Some(Phase::Wanted)), [Up::Stage, Up::Publish]);
        assert_eq!(up(done, Some(Phase::Wanted)), [Up::Publish]);
        assert_eq!(
            up(Some(Phase::Called), Some(Phase::Wanted)),
            [Up::Stage, Up::Publish]
        );
        assert_eq!(up(done, Some(Phase::Called)), [Up::Publish]);
        assert_eq!(up(done, done), []);
    }

    #[test]
    fn what_is_there_is_published_again_only_when_its_driver_wants_that() {
        let there = stands(Some(Phase::Done), Some(Phase::Done));
        for staging in [Staging::First, Staging::Never] {
            assert_eq!(up(there, staging, Again::OnlyIfNeeded), []);
            assert_eq!(up(there, staging, Again::Always), [Up::Publish]);
        }
    }

    /// Convergence: whatever was recorded, the steps lead there, and then there are none.
    #[test]
    fn steps_lead_to_where_there_are_none() {
        for staged in PHASES {
            for published in PHASES {
                let mut now = stands(staged, published);
                for step in up(now, Staging::First, Again::OnlyIfNeeded) {
                    match step {
                        Up::Stage => now.staged = after(now.staged, Outcome::Done),
                        Up::Publish => now.published = after(now.published, Outcome::Done),
                    }
                }
                assert_eq!(up(now, Staging::First, Again::OnlyIfNeeded), []);
            }
        }
    }

    #[test]
    fn a_driver_is_asked_to_undo_what_it_may_have_done_and_nothing_else() {
        assert_eq!(down(None), []);
        assert_eq!(down(Some(Phase::Wanted)), [Down::Forget]);
        for phase in [Phase::Called, Phase::Done] {
            assert_eq!(down(Some(phase)), [Down::Undo, Down::Forget]);
            assert_eq!(release(Some(phase), 0), [Down::Undo, Down::Forget]);
            assert_eq!(release(Some(phase), 1), [], "another pod has it");
        }
    }

    #[test]
    fn what_a_driver_refused_is_as_before_and_what_is_unknown_may_be_done() {
        for before in PHASES {
            assert_eq!(after(before, Outcome::Refused), before);
            assert_eq!(after(before, Outcome::Done), Some(Phase::Done));
        }
        let unknown = |before| after(before, Outcome::Unknown);
        assert_eq!(unknown(None), Some(Phase::Called));
        assert_eq!(unknown(Some(Phase::Wanted)), Some(Phase::Called));
        assert_eq!(
            unknown(Some(Phase::Done)),
            Some(Phase::Done),
            "what is there stays when it is published again in vain"
        );
    }
}
