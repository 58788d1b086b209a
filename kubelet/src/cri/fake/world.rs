//! What the runtime in memory has.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Command, Program, Used};
use crate::cri::{
    ContainerConfig, ContainerPhase, Login, Refusal, Resources, RuntimeError, RuntimeFeatures,
    SandboxConfig,
};
use crate::model::{CgroupDriver, ContainerId, ContainerState, Exit, PodUid, SandboxId};

#[derive(Default)]
pub(super) struct World {
    pub(super) sandboxes: BTreeMap<SandboxId, FakeSandbox>,
    pub(super) containers: BTreeMap<ContainerId, FakeContainer>,
    pub(super) present: BTreeSet<String>,
    pub(super) published: BTreeSet<String>,
    /// What must be shown for an image.
    pub(super) protected: HashMap<String, Login>,
    pub(super) programs: HashMap<String, Program>,
    pub(super) commands: HashMap<String, Command>,
    pub(super) ran: Vec<String>,
    pub(super) graces: Vec<(String, u64)>,
    /// What containers were given while they ran, in order.
    pub(super) updates: Vec<(String, Resources)>,
    pub(super) failures: HashMap<&'static str, VecDeque<RuntimeError>>,
    /// Why the network is not ready.
    pub(super) network_problem: Option<String>,
    pub(super) runtime_problem: Option<String>,
    /// What it can do beyond what every runtime can.
    pub(super) features: RuntimeFeatures,
    /// Who makes the upper cgroups, if it says so.
    pub(super) cgroup_driver: Option<CgroupDriver>,
    pub(super) calls: HashMap<&'static str, usize>,
    /// Where streams are waited for.
    pub(super) streams: Option<String>,
    /// What is used.
    pub(super) used: Used,
    made: u32,
}

pub(super) struct FakeSandbox {
    pub(super) config: SandboxConfig,
    pub(super) is_ready: bool,
    pub(super) created_at: Timestamp,
    pub(super) ip: std::net::IpAddr,
}

pub(super) struct FakeContainer {
    pub(super) sandbox: SandboxId,
    pub(super) uid: PodUid,
    pub(super) config: ContainerConfig,
    pub(super) created_at: Timestamp,
    pub(super) state: ContainerState,
}

impl FakeContainer {
    pub(super) fn phase(&self) -> ContainerPhase {
        match self.state {
            ContainerState::Created => ContainerPhase::Created,
            ContainerState::Running { .. } => ContainerPhase::Running,
            ContainerState::Exited(_) => ContainerPhase::Exited,
            ContainerState::Unknown => ContainerPhase::Unknown,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        self.phase().as_str()
    }
}

impl World {
    /// Counts the call, and fails it if it shall fail.
    pub(super) fn enter(&mut self, call: &'static str) -> Result<(), RuntimeError> {
        *self.calls.entry(call).or_default() += 1;
        let failure = self.failures.get_mut(call).and_then(VecDeque::pop_front);
        failure.map_or(Ok(()), Err)
    }

    /// Ids sort in the order they were given out.
    pub(super) fn next_number(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// Ends a container that runs; says whose it was.
    pub(super) fn end(
        &mut self,
        id: &ContainerId,
        code: i32,
        reason: &str,
        now: Timestamp,
    ) -> Option<PodUid> {
        let container = self.containers.get_mut(id)?;
        let ContainerState::Running { started_at } = container.state else {
            return None;
        };
        let reason = match (reason, code) {
            ("", 0) => "Completed",
            ("", _) => "Error",
            (reason, _) => reason,
        };
        container.state = ContainerState::Exited(Exit {
            code,
            started_at: Some(started_at),
            finished_at: now,
            reason: reason.to_owned(),
            message: String::new(),
        });
        Some(container.uid.clone())
    }

    pub(super) fn sandbox(
        &mut self,
        call: &'static str,
        id: &SandboxId,
    ) -> Result<&mut FakeSandbox, RuntimeError> {
        self.sandboxes
            .get_mut(id)
            .ok_or_else(|| not_found(call, id.as_str()))
    }

    pub(super) fn container(
        &mut self,
        call: &'static str,
        id: &ContainerId,
    ) -> Result<&mut FakeContainer, RuntimeError> {
        self.containers
            .get_mut(id)
            .ok_or_else(|| not_found(call, id.as_str()))
    }

    /// Where a container's log is.
    pub(super) fn log_path(
        &mut self,
        call: &'static str,
        id: &ContainerId,
    ) -> Result<PathBuf, RuntimeError> {
        let container = self.container(call, id)?;
        let (sandbox, name) = (container.sandbox.clone(), container.config.log_path.clone());
        let sandbox = self.sandbox(call, &sandbox)?;
        Ok(Path::new(&sandbox.config.log_directory).join(name))
    }

    pub(super) fn running_in(&self, sandbox: &SandboxId) -> Vec<ContainerId> {
        let running = self.containers.iter().filter(|(_, one)| {
            one.sandbox == *sandbox && matches!(one.state, ContainerState::Running { .. })
        });
        running.map(|(id, _)| id.clone()).collect()
    }
}

pub(super) fn not_found(call: &'static str, what: &str) -> RuntimeError {
    let message = format!("{what} not found");
    RuntimeError::Refused {
        call,
        refusal: Refusal::NotFound,
        message,
    }
}

pub(super) fn refused(call: &'static str, message: String) -> RuntimeError {
    RuntimeError::Refused {
        call,
        refusal: Refusal::Other,
        message,
    }
}
