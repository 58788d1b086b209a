//! What has to be done with a volume whose claim may have grown, and what follows from a failure: pure.
#![deny(clippy::disallowed_methods)]

use super::{ClaimNow, Mark, Moment};
use crate::model::Quantity;

/// Words of a claim for how far it has come: only with these it is the node's turn.
const TURN: [&str; 2] = ["NodeResizePending", "NodeResizeInProgress"];

/// A volume on the node, as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Here {
    /// How much it holds.
    pub(super) capacity: Quantity,
    /// How much the driver has made of it here, when that was recorded.
    pub(super) known: Option<Quantity>,
    pub(super) moment: Moment,
    pub(super) read_only: bool,
    /// The driver has refused for good to make it larger.
    pub(super) was_refused: bool,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: this is what is known from now on.
    Leave(Quantity),
    /// Nothing, because the pod does not write to it; which it is told.
    ReadOnly(Quantity),
    /// The driver makes this much of it.
    Grow(Quantity, Manner),
}

/// How the claim says what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Whoever makes volumes larger knows that it may fail, and waits for the node to say so.
    Recoverable {
        /// It says already that it is larger: another node was first.
        is_told: bool,
        /// If it fails again, somebody shall ask for less.
        is_last: bool,
    },
    /// An older one, that does not.
    Plain,
}

/// What has to be done with a volume.
pub(super) fn decide(claim: &ClaimNow, here: Here) -> Verdict {
    let known = match here.moment {
        Moment::Mount => claim.capacity,
        Moment::Use => here.known.unwrap_or(claim.capacity),
    };
    if here.capacity <= known {
        return Verdict::Leave(known);
    }
    match (here.read_only, here.moment) {
        (true, Moment::Mount) => return Verdict::ReadOnly(known),
        (true, Moment::Use) => return Verdict::Leave(known),
        (false, _) => {}
    }
    if claim.state.is_none() && claim.allocated.is_none() {
        return Verdict::Grow(here.capacity, Manner::Plain);
    }
    let target = claim.allocated.unwrap_or(here.capacity);
    let is_told = claim.capacity >= target && claim.state.is_none();
    let is_turn = claim
        .state
        .as_deref()
        .is_some_and(|state| TURN.contains(&state));
    let is_another_nodes = is_told && claim.is_shared && !claim.is_no_nodes;
    if is_turn || is_another_nodes {
        let is_last = claim.request != target && here.was_refused;
        return Verdict::Grow(target, Manner::Recoverable { is_told, is_last });
    }
    Verdict::Leave(if is_told { target } else { known })
}

/// Why a driver did not make a volume larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is not there.
    Away,
    /// It cannot at all.
    Unsupported,
    /// It does not as long as the volume is used.
    InUse,
    /// What it was asked for cannot be.
    Infeasible,
    /// It refused, and does nothing any more.
    Refused,
    /// It may still do it.
    Unknown,
}

/// What follows from a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Consequence {
    /// What the claim says.
    pub(super) mark: Option<Mark>,
    pub(super) then: Then,
}

/// What becomes of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// There is nothing to be done: it counts as larger.
    Settle,
    /// It is used as it is, as long as it is used.
    LeaveInUse,
    /// It is tried again.
    TryAgain,
}

/// What follows from a failure, whose words these are.
pub(super) fn consequence(manner: Manner, failure: Failure, words: &str) -> Consequence {
    let mark = match (manner, failure) {
        (Manner::Plain, _) | (_, Failure::Away) => None,
        (Manner::Recoverable { is_told: true, .. }, Failure::Unsupported) => None,
        (Manner::Recoverable { .. }, Failure::Infeasible) => {
            Some(Mark::Infeasible(words.to_owned()))
        }
        (Manner::Recoverable { is_last: true, .. }, failure) if failure != Failure::Unknown => {
            Some(Mark::Infeasible(words.to_owned()))
        }
        (Manner::Recoverable { .. }, _) => Some(Mark::Failed(words.to_owned())),
    };
    let then = match (manner, failure) {
        (Manner::Plain, Failure::Unsupported | Failure::InUse)
        | (Manner::Recoverable { is_told: true, .. }, Failure::Unsupported) => Then::Settle,
        (Manner::Recoverable { .. }, Failure::InUse) => Then::LeaveInUse,
        _ => Then::TryAgain,
    };
    Consequence { mark, then }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn gib(count: u64) -> Quantity {
        Quantity::of_units(count << 30)
    }

    fn claim(capacity: u64, allocated: Option<u64>, state: Option<&str>) -> ClaimNow {
        ClaimNow {
            capacity: gib(capacity),
            request: gib(2),
            allocated: allocated.map(gib),
            state: state.map(str::to_owned),
            is_shared: false,
            is_no_nodes: false,
            object: Value::Null,
        }
    }

    fn used(known: u64) -> Here {
        Here {
            capacity: gib(2),
            known: Some(gib(known)),
            moment: Moment::Use,
            read_only: false,
            was_refused: false,
        }
    }

    const NODES: Manner = Manner::Recoverable {
        is_told: false,
        is_last: false,
    };

    #[test]
    fn a_volume_grows_when_it_is_the_nodes_turn_and_not_before() {
        let grow = Verdict::Grow(gib(2), NODES);
        let rows = [
            (claim(1, Some(2), Some("NodeResizePending")), grow.clone()),
            (claim(1, Some(2), Some("NodeResizeInProgress")), grow),
            (
                claim(1, Some(2), Some("ControllerResizeInProgress")),
                Verdict::Leave(gib(1)),
            ),
            (
                claim(1, Some(2), Some("NodeResizeInfeasible")),
                Verdict::Leave(gib(1)),
            ),
            (claim(2, Some(2), None), Verdict::Leave(gib(2))),
            (claim(1, None, None), Verdict::Grow(gib(2), Manner::Plain)),
        ];
        for (claim, expected) in rows {
            assert_eq!(decide(&claim, used(1)), expected, "{claim:?}");
            let mounted = Here {
                known: None,
                moment: Moment::Mount,
                ..used(1)
            };
            assert_eq!(decide(&claim, mounted), expected, "mounted: {claim:?}");
        }
        let pending = claim(1, Some(2), Some("NodeResizePending"));
        assert_eq!(decide(&pending, used(2)), Verdict::Leave(gib(2)));
        assert_eq!(
            decide(
                &pending,
                Here {
                    known: None,
                    ..used(1)
                }
            ),
            Verdict::Grow(gib(2), NODES)
        );
    }

    #[test]
    fn a_volume_that_is_not_written_to_is_left_and_its_pod_is_told_once() {
        let pending = claim(1, Some(2), Some("NodeResizePending"));
        let here = Here {
            read_only: true,
            ..used(1)
        };
        assert_eq!(decide(&pending, here), Verdict::Leave(gib(1)));
        let mounted = Here {
            moment: Moment::Mount,
            ..here
        };
        assert_eq!(decide(&pending, mounted), Verdict::ReadOnly(gib(1)));
    }

    #[test]
    fn a_volume_of_many_nodes_grows_on_each_of_them() {
        let told = ClaimNow {
            is_shared: true,
            ..claim(2, Some(2), None)
        };
        let manner = Manner::Recoverable {
            is_told: true,
            is_last: false,
        };
        assert_eq!(decide(&told, used(1)), Verdict::Grow(gib(2), manner));
        let no_nodes = ClaimNow {
            is_no_nodes: true,
            ..told
        };
        assert_eq!(decide(&no_nodes, used(1)), Verdict::Leave(gib(2)));
    }

    #[test]
    fn what_cannot_be_is_said_to_be_infeasible_and_all_else_is_tried_again() {
        let why = || "no".to_owned();
        let of = |manner, failure| {
            let Consequence { mark, then } = consequence(manner, failure, "no");
            (mark, then)
        };
        let last = Manner::Recoverable {
            is_told: false,
            is_last: true,
        };
        let told = Manner::Recoverable {
            is_told: true,
            is_last: false,
        };
        let (failed, infeasible) = (Some(Mark::Failed(why())), Some(Mark::Infeasible(why())));
        let rows = [
            (of(NODES, Failure::Away), (None, Then::TryAgain)),
            (
                of(NODES, Failure::Refused),
                (failed.clone(), Then::TryAgain),
            ),
            (
                of(NODES, Failure::Unknown),
                (failed.clone(), Then::TryAgain),
            ),
            (
                of(NODES, Failure::InUse),
                (failed.clone(), Then::LeaveInUse),
            ),
            (
                of(NODES, Failure::Unsupported),
                (failed.clone(), Then::TryAgain),
            ),
            (
                of(NODES, Failure::Infeasible),
                (infeasible.clone(), Then::TryAgain),
            ),
            (of(last, Failure::Refused), (infeasible, Then::TryAgain)),
            (of(last, Failure::Unknown), (failed, Then::TryAgain)),
            (of(told, Failure::Unsupported), (None, Then::Settle)),
            (
                of(Manner::Plain, Failure::Unsupported),
                (None, Then::Settle),
            ),
            (of(Manner::Plain, Failure::InUse), (None, Then::Settle)),
            (
                of(Manner::Plain, Failure::Infeasible),
                (None, Then::TryAgain),
            ),
        ];
        for (index, (is, expected)) in rows.into_iter().enumerate() {
            assert_eq!(is, expected, "row {index}");
        }
        let request = ClaimNow {
            request: gib(3),
            ..claim(1, Some(2), Some("NodeResizePending"))
        };
        let refused = Here {
            was_refused: true,
            ..used(1)
        };
        assert_eq!(decide(&request, refused), Verdict::Grow(gib(2), last));
    }
}
