//! Tables of what a probe does when, and what its answers mean.

use std::time::Duration;

use super::Course;
use super::machine::{Answer, Machine, Presence, Sight, Step, Turn};
use crate::model::{Probe, ProbeKind, Verdict};
use crate::plan::fixture::{at, probe};
use Answer::{Bad, Good};
use ProbeKind::{Liveness, Readiness, Startup};
use Verdict::{Failure, Success, Unknown};

fn sight(id: &str, presence: Presence) -> Sight {
    Sight {
        id: id.into(),
        presence,
    }
}

fn turn(machine: &mut Machine, id: &str, presence: Presence, now: i64) -> Turn {
    machine.turn(Course::Alive, Some(&sight(id, presence)), None, at(now))
}

fn starting() -> Presence {
    Presence::Starting { since: at(0) }
}

fn started() -> Presence {
    Presence::Started { since: at(0) }
}

#[test]
fn each_probe_has_its_time() {
    let rows = [
        (Startup, starting(), 5, Step::Probe),
        (Startup, started(), 5, Step::Rest),
        (Liveness, starting(), 5, Step::Rest),
        (Liveness, started(), 5, Step::Probe),
        (Readiness, starting(), 5, Step::Rest),
        (Readiness, started(), 5, Step::Probe),
        // The initial delay counts from the container's start.
        (Startup, starting(), 4, Step::Rest),
        (Liveness, started(), 4, Step::Rest),
        (Readiness, started(), 4, Step::Rest),
        (Liveness, Presence::Absent, 5, Step::Rest),
        (Liveness, Presence::Ended, 5, Step::End),
        (Readiness, Presence::Ended, 5, Step::End),
    ];
    for (kind, presence, now, step) in rows {
        let delayed = Probe {
            initial_delay: Duration::from_secs(5),
            ..probe()
        };
        let mut machine = Machine::new(kind, delayed);
        let turn = turn(&mut machine, "a", presence, now);
        assert_eq!(turn.step, step, "{kind:?} {presence:?} {now}");
    }
}

#[test]
fn a_pod_that_is_over_has_no_probes_and_one_without_containers_waits() {
    let mut machine = Machine::new(Liveness, probe());
    let known = sight("a", started());
    let over = machine.turn(Course::Over, Some(&known), None, at(9));
    let nothing = machine.turn(Course::Alive, None, None, at(9));
    assert_eq!((over.step, nothing.step), (Step::End, Step::Rest));
}

#[test]
fn a_container_that_nobody_has_asked_is_thought_alive_and_not_ready() {
    for (kind, first) in [
        (Startup, Unknown),
        (Readiness, Failure),
        (Liveness, Success),
    ] {
        let mut machine = Machine::new(kind, probe());
        let mut verdicts = ["a", "a", "b"].map(|id| turn(&mut machine, id, started(), 0).verdict);
        assert_eq!(verdicts, [Some(first), None, Some(first)], "{kind:?}");
        // What an earlier kubelet knew holds for its container, not for the next.
        let mut machine = Machine::new(kind, probe());
        let seen = sight("a", started());
        verdicts[0] = machine
            .turn(Course::Alive, Some(&seen), Some(Success), at(0))
            .verdict;
        verdicts[1] = turn(&mut machine, "b", started(), 0).verdict;
        assert_eq!(verdicts[..2], [None, Some(first)], "{kind:?}");
    }
}

#[test]
fn what_does_not_run_is_not_ready_and_its_life_is_not_judged() {
    for (kind, verdict) in [
        (Readiness, Some(Failure)),
        (Liveness, None),
        (Startup, None),
    ] {
        let mut machine = Machine::new(kind, probe());
        turn(&mut machine, "a", started(), 0);
        let absent = turn(&mut machine, "a", Presence::Absent, 1);
        assert_eq!(absent.verdict, verdict, "{kind:?}");
    }
}

/// Answers, and the verdict after each.
fn verdicts(kind: ProbeKind, thresholds: (u32, u32), answers: &[Answer]) -> Vec<Option<Verdict>> {
    let strict = Probe {
        success_threshold: thresholds.0,
        failure_threshold: thresholds.1,
        ..probe()
    };
    let mut machine = Machine::new(kind, strict);
    turn(&mut machine, "a", started(), 0);
    answers
        .iter()
        .map(|answer| machine.learn(*answer))
        .collect()
}

/// A probe, its thresholds for good and bad, answers, and the verdict after each.
type ThresholdRow<'a> = (ProbeKind, (u32, u32), &'a [Answer], &'a [Option<Verdict>]);

#[test]
fn as_many_equal_answers_in_a_row_as_the_threshold_says_are_a_verdict() {
    let (good, bad) = (Some(Success), Some(Failure));
    let rows: [ThresholdRow<'_>; 6] = [
        (
            Readiness,
            (1, 3),
            &[Bad, Bad, Bad, Bad],
            &[None, None, bad, bad],
        ),
        (
            Readiness,
            (1, 3),
            &[Bad, Bad, Good, Bad, Bad, Bad],
            &[None, None, good, None, None, bad],
        ),
        (
            Readiness,
            (2, 1),
            &[Good, Bad, Good, Good],
            &[None, bad, None, good],
        ),
        (
            Liveness,
            (1, 2),
            &[Good, Bad, Good, Bad, Bad],
            &[good, None, good, None, bad],
        ),
        (Startup, (1, 2), &[Bad, Good], &[None, good]),
        (Startup, (1, 2), &[Bad, Bad], &[None, bad]),
    ];
    for (kind, thresholds, answers, expected) in rows {
        assert_eq!(
            verdicts(kind, thresholds, answers),
            expected,
            "{kind:?} {answers:?}"
        );
    }
}

#[test]
fn after_its_last_verdict_a_probe_is_on_hold_until_there_is_another_container() {
    for (kind, presence) in [(Liveness, started()), (Startup, starting())] {
        let hasty = Probe {
            failure_threshold: 1,
            ..probe()
        };
        let mut machine = Machine::new(kind, hasty);
        assert_eq!(turn(&mut machine, "a", presence, 0).step, Step::Probe);
        assert_eq!(machine.learn(Bad), Some(Failure));
        assert_eq!(
            turn(&mut machine, "a", presence, 10).step,
            Step::Rest,
            "{kind:?}"
        );
        assert_eq!(
            turn(&mut machine, "b", presence, 20).step,
            Step::Probe,
            "{kind:?}"
        );
    }
}

#[test]
fn bad_answers_of_one_container_do_not_count_against_the_next() {
    let mut machine = Machine::new(Liveness, probe());
    turn(&mut machine, "a", started(), 0);
    assert_eq!((machine.learn(Bad), machine.learn(Bad)), (None, None));
    turn(&mut machine, "b", started(), 30);
    assert_eq!(machine.learn(Bad), None);
}
