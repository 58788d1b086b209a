//! What plugins can hear of, and which of it they want.
#![deny(clippy::disallowed_methods)]

use podling_proto::nri::Event;

/// Every event.
const ALL: i32 = (1 << (Event::Last as i32 - 1)) - 1;

/// A set of events, as plugins send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventMask(i32);

impl EventMask {
    /// The events that a plugin subscribes to; none is all. Bits that stand for nothing are an
    /// error.
    pub(super) fn subscribed(bits: i32) -> Result<Self, i32> {
        match bits {
            0 => Ok(Self(ALL)),
            bits if bits & !ALL == 0 => Ok(Self(bits)),
            bits => Err(bits & !ALL),
        }
    }

    /// Whether it has this event.
    pub(super) fn has(self, event: Event) -> bool {
        event != Event::Unknown && self.0 & bit(event) != 0
    }
}

fn bit(event: Event) -> i32 {
    1 << (event as i32 - 1)
}

/// The method that is called for an event.
pub(super) fn method(event: Event) -> &'static str {
    match event {
        Event::RunPodSandbox => "RunPodSandbox",
        Event::StopPodSandbox => "StopPodSandbox",
        Event::RemovePodSandbox => "RemovePodSandbox",
        Event::UpdatePodSandbox => "UpdatePodSandbox",
        Event::PostUpdatePodSandbox => "PostUpdatePodSandbox",
        Event::CreateContainer => "CreateContainer",
        Event::PostCreateContainer => "PostCreateContainer",
        Event::StartContainer => "StartContainer",
        Event::PostStartContainer => "PostStartContainer",
        Event::UpdateContainer => "UpdateContainer",
        Event::PostUpdateContainer => "PostUpdateContainer",
        Event::StopContainer => "StopContainer",
        Event::RemoveContainer => "RemoveContainer",
        Event::ValidateContainerAdjustment => "ValidateContainerAdjustment",
        Event::Unknown | Event::Last => "StateChange",
    }
}

/// Whether plugins from before NRI 0.10 hear of the event by `StateChange`: they have no method for
/// what they cannot answer.
pub(super) fn was_a_state_change(event: Event) -> bool {
    matches!(
        event,
        Event::RunPodSandbox
            | Event::PostUpdatePodSandbox
            | Event::StopPodSandbox
            | Event::RemovePodSandbox
            | Event::PostCreateContainer
            | Event::StartContainer
            | Event::PostStartContainer
            | Event::PostUpdateContainer
            | Event::RemoveContainer
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_subscription_is_one_to_everything() {
        let all = EventMask::subscribed(0).unwrap();
        assert!(all.has(Event::RunPodSandbox) && all.has(Event::ValidateContainerAdjustment));
        assert!(!all.has(Event::Unknown));
    }

    #[test]
    fn a_bit_stands_for_the_event_that_is_one_more() {
        let some = EventMask::subscribed(0b1001).unwrap();
        assert!(some.has(Event::RunPodSandbox) && some.has(Event::CreateContainer));
        assert!(!some.has(Event::StopPodSandbox));
    }

    #[test]
    fn bits_that_stand_for_nothing_are_named() {
        assert_eq!(EventMask::subscribed(1 << 14), Err(1 << 14));
        assert_eq!(EventMask::subscribed(-1), Err(!ALL));
    }
}
