//! How readily the kernel's OOM killer picks the container.

use super::{HostFacts, Note};

/// The value asked for, raised to what this process may set: without CAP_SYS_RESOURCE a value
/// below its own is refused by the kernel, and the container would not start.
pub(super) fn oom_score_adj(asked: i32, host: &HostFacts, notes: &mut Vec<Note>) -> i32 {
    let set = asked.clamp(-1000, 1000).max(host.oom_score_adj_floor);
    if set > asked {
        notes.push(Note::OomScoreAdjRaised { asked, set });
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fixture;

    #[test]
    fn only_what_may_be_set_is_set_and_a_raise_is_noted() {
        for (asked, floor, expected, noted) in [
            (-997, -1000, -997, false),
            (-997, 0, 0, true),
            (-998, -500, -500, true),
            (1000, 0, 1000, false),
            (0, 0, 0, false),
            (-5000, -1000, -1000, true),
        ] {
            let host = HostFacts {
                oom_score_adj_floor: floor,
                ..fixture::host()
            };
            let mut notes = Vec::new();
            assert_eq!(oom_score_adj(asked, &host, &mut notes), expected);
            assert_eq!(!notes.is_empty(), noted, "{asked} with floor {floor}");
        }
    }
}
