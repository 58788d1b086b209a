//! A runtime in memory that behaves: sandboxes and containers with states and exit codes, images
//! that can be pulled or not, events, and failures on command.
//!
//! Time is tokio's, so a test that pauses it controls when programs end.

mod answers;
mod health;
mod stats;
mod streams;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::{Login, Refusal, RuntimeError, RuntimeEvent, RuntimeFeatures};
use crate::model::{CgroupDriver, ContainerId, PodUid};
use crate::sync::Clock;

pub(crate) use stats::Used;
use world::World;

/// What a container of some name does when it is started.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// Runs until it is told to end; then ends with 0 at once.
    RunsOn,
    /// Runs until it is killed.
    IgnoresStop,
    /// Ends by itself.
    Exits {
        /// After so long.
        after: Duration,
        /// With this code.
        code: i32,
    },
}

/// What a command does that is run in a container.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// Ends with this code, and says so.
    Exits(i32),
    /// Goes on until nobody waits for it any more.
    RunsOn,
}

/// The runtime; a clone is the same one.
#[derive(Clone)]
pub(crate) struct FakeRuntime {
    world: Arc<Mutex<World>>,
    /// `None` for a runtime that pushes no events.
    events: Option<broadcast::Sender<RuntimeEvent>>,
    clock: FakeClock,
}

/// The time of day that goes with tokio's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FakeClock {
    began: Instant,
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).expect("tests are short");
        Timestamp::from_second(1_700_000_000).expect("a valid time") + passed
    }
}

impl FakeRuntime {
    /// An empty runtime that pushes events.
    pub(crate) fn new() -> Self {
        Self {
            events: Some(broadcast::Sender::new(1024)),
            ..Self::without_events()
        }
    }

    /// An empty runtime that pushes none.
    pub(crate) fn without_events() -> Self {
        let clock = FakeClock {
            began: Instant::now(),
        };
        Self {
            world: Arc::default(),
            events: None,
            clock,
        }
    }

    /// The clock that its timestamps come from.
    pub(crate) fn clock(&self) -> FakeClock {
        self.clock
    }

    /// Makes an image pullable.
    pub(crate) fn publish(&self, image: &str) {
        self.world().published.insert(image.to_owned());
    }

    /// Makes an image one that is only given away to whoever shows this.
    pub(crate) fn protect(&self, image: &str, login: Login) {
        self.world().protected.insert(image.to_owned(), login);
    }

    /// Makes an image present.
    pub(crate) fn load(&self, image: &str) {
        self.world().present.insert(image.to_owned());
    }

    /// The images that are present.
    pub(crate) fn images(&self) -> Vec<String> {
        self.world().present.iter().cloned().collect()
    }

    /// Says what containers of this name do when they are started.
    pub(crate) fn program(&self, container: &str, program: Program) {
        self.world().programs.insert(container.to_owned(), program);
    }

    /// Says what a command does, by its words; any other ends with 0.
    pub(crate) fn command(&self, line: &str, command: Command) {
        self.world().commands.insert(line.to_owned(), command);
    }

    /// What containers were given while they ran, in order.
    pub(crate) fn updates(&self) -> Vec<(String, crate::cri::Resources)> {
        self.world().updates.clone()
    }

    /// The grace with which each container was told to end, in order.
    pub(crate) fn graces(&self) -> Vec<(String, u64)> {
        self.world().graces.clone()
    }

    /// The commands that were run, in order.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.world().ran.clone()
    }

    /// Makes the next call of this name fail.
    pub(crate) fn fail_next(&self, call: &'static str, message: &str) {
        let error = RuntimeError::Refused {
            call,
            refusal: Refusal::Other,
            message: message.to_owned(),
        };
        self.world()
            .failures
            .entry(call)
            .or_default()
            .push_back(error);
    }

    /// The handler that a pod's sandbox was made with.
    pub(crate) fn handler_of(&self, pod: &str) -> String {
        let world = self.world();
        let mut all = world.sandboxes.values();
        let found = all.find(|one| one.config.metadata.name == pod);
        found.map_or_else(String::new, |one| one.config.runtime_handler.clone())
    }

    /// From now on the runtime says who makes the upper cgroups.
    pub(crate) fn has_cgroups_by(&self, driver: CgroupDriver) {
        self.world().cgroup_driver = Some(driver);
    }

    /// From now on the runtime can do this, and nothing else beyond what every runtime can.
    pub(crate) fn can(&self, features: RuntimeFeatures) {
        self.world().features = features;
    }

    /// The network is not ready, for this reason; without one it is.
    pub(crate) fn network_problem(&self, problem: Option<&str>) {
        self.world().network_problem = problem.map(str::to_owned);
    }

    /// What keeps the runtime from being ready.
    pub(crate) fn runtime_problem(&self, problem: Option<&str>) {
        self.world().runtime_problem = problem.map(str::to_owned);
    }

    /// The names and states of all containers, oldest first.
    pub(crate) fn containers(&self) -> Vec<(String, &'static str)> {
        let world = self.world();
        let all = world.containers.values();
        all.map(|one| (one.config.metadata.name.clone(), one.word()))
            .collect()
    }

    /// What the newest container of this name was made from.
    pub(crate) fn config_of(&self, container: &str) -> super::ContainerConfig {
        let world = self.world();
        let mut of_name = world
            .containers
            .values()
            .filter(|one| one.config.metadata.name == container);
        of_name
            .next_back()
            .expect("the container was made")
            .config
            .clone()
    }

    /// How many sandboxes can hold containers.
    pub(crate) fn ready_sandboxes(&self) -> usize {
        let world = self.world();
        world.sandboxes.values().filter(|one| one.is_ready).count()
    }

    /// How often a call was made.
    pub(crate) fn calls(&self, call: &'static str) -> usize {
        self.world().calls.get(call).copied().unwrap_or(0)
    }

    /// Ends the newest container of this name.
    pub(crate) fn exit(&self, container: &str, code: i32) {
        let id = {
            let world = self.world();
            let mut of_name = world.containers.iter().rev();
            let found = of_name.find(|(_, one)| one.config.metadata.name == container);
            found.expect("the container was made").0.clone()
        };
        self.end(&id, code, "");
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world
            .lock()
            .expect("no test panics while it holds this lock")
    }

    fn end(&self, id: &ContainerId, code: i32, reason: &str) {
        let owner = self.world().end(id, code, reason, self.clock.now());
        if let Some(uid) = owner {
            self.announce(uid, id.as_str());
        }
    }

    fn announce(&self, pod_uid: PodUid, container: &str) {
        if let Some(events) = &self.events {
            // Nobody may be listening.
            let _ = events.send(RuntimeEvent {
                pod_uid: Some(pod_uid),
                container: container.to_owned(),
            });
        }
    }
}
