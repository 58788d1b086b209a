//! The steps of a pod's life that are timed, and one whole life.

use std::time::Duration;

/// One timed step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// RunPodSandbox.
    RunPodSandbox,
    /// CreateContainer.
    CreateContainer,
    /// StartContainer.
    StartContainer,
    /// ExecSync of a program that does nothing.
    ExecSync,
    /// ContainerStatus.
    ContainerStatus,
    /// StopContainer of a process that obeys SIGTERM.
    StopContainer,
    /// RemoveContainer.
    RemoveContainer,
    /// StopPodSandbox.
    StopPodSandbox,
    /// RemovePodSandbox.
    RemovePodSandbox,
}

impl Step {
    /// All steps, in the order of a pod's life.
    pub const ALL: [Step; 9] = [
        Step::RunPodSandbox,
        Step::CreateContainer,
        Step::StartContainer,
        Step::ExecSync,
        Step::ContainerStatus,
        Step::StopContainer,
        Step::RemoveContainer,
        Step::StopPodSandbox,
        Step::RemovePodSandbox,
    ];

    /// What a user waits for when a pod starts.
    pub const UP: [Step; 3] = [
        Step::RunPodSandbox,
        Step::CreateContainer,
        Step::StartContainer,
    ];

    /// What a user waits for when a pod goes away.
    pub const DOWN: [Step; 4] = [
        Step::StopContainer,
        Step::RemoveContainer,
        Step::StopPodSandbox,
        Step::RemovePodSandbox,
    ];

    /// The name of the RPC.
    pub fn name(self) -> &'static str {
        match self {
            Step::RunPodSandbox => "RunPodSandbox",
            Step::CreateContainer => "CreateContainer",
            Step::StartContainer => "StartContainer",
            Step::ExecSync => "ExecSync",
            Step::ContainerStatus => "ContainerStatus",
            Step::StopContainer => "StopContainer",
            Step::RemoveContainer => "RemoveContainer",
            Step::StopPodSandbox => "StopPodSandbox",
            Step::RemovePodSandbox => "RemovePodSandbox",
        }
    }
}

/// How long each step of one pod's life took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycle([Duration; Step::ALL.len()]);

impl Cycle {
    /// Sets the time of one step.
    pub fn record(&mut self, step: Step, took: Duration) {
        self.0[step as usize] = took;
    }

    /// The time of one step.
    pub fn took(&self, step: Step) -> Duration {
        self.0[step as usize]
    }

    /// The time of several steps.
    pub fn sum(&self, steps: &[Step]) -> Duration {
        steps.iter().map(|step| self.took(*step)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_of_one_pod_and_of_the_steps_asked_for() {
        let mut cycle = Cycle::default();
        for (n, step) in (1..).zip(Step::ALL) {
            cycle.record(step, Duration::from_millis(n));
        }
        assert_eq!(cycle.took(Step::StartContainer), Duration::from_millis(3));
        assert_eq!(cycle.sum(&Step::UP), Duration::from_millis(1 + 2 + 3));
        assert_eq!(cycle.sum(&Step::DOWN), Duration::from_millis(6 + 7 + 8 + 9));
    }
}
