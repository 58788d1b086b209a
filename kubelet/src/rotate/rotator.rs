//! Looks at the log of every running container now and then.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::files::{self, FileError};
use super::plan::plan;
use super::policy::Policy;
use crate::cri::{ContainerPhase, Runtime, RuntimeError, Scope};
use crate::model::ContainerId;
use crate::sync::Clock;

/// Why a log could not be rotated; it is tried again in the next round.
#[derive(Debug, thiserror::Error)]
enum RotateError {
    #[error(transparent)]
    Files(#[from] FileError),
    #[error("the runtime does not begin a new log file")]
    Reopen(#[source] RuntimeError),
}

/// Keeps the logs of running containers small.
pub struct Rotator {
    runtime: Arc<dyn Runtime>,
    clock: Arc<dyn Clock>,
    policy: Policy,
    /// Where the logs of running containers are: that never changes.
    logs: HashMap<ContainerId, PathBuf>,
}

impl Rotator {
    /// A rotator that has not looked yet.
    pub fn new(runtime: Arc<dyn Runtime>, clock: Arc<dyn Clock>, policy: Policy) -> Self {
        Self {
            runtime,
            clock,
            policy,
            logs: HashMap::new(),
        }
    }

    /// Rotates what is full until `shutdown`. A log that is being rotated then is finished first.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut ticks = interval(self.policy.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A tick that is not waited for comes again.
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.learn().await {
                Ok(()) => self.look(&shutdown).await,
                Err(error) => warn!(%error, "cannot list containers to rotate their logs"),
            }
        }
    }

    /// Which containers run, and where their logs are. The others write nothing any more, and their
    /// last file stays where it is looked for.
    pub(super) async fn learn(&mut self) -> Result<(), RuntimeError> {
        let all = self.runtime.list_containers(Scope::All).await?;
        let running: Vec<_> = all
            .into_iter()
            .filter(|one| one.phase == ContainerPhase::Running)
            .map(|one| one.id)
            .collect();
        let mut logs = HashMap::with_capacity(running.len());
        for id in running {
            let known = self.logs.remove(&id);
            let log = match known {
                Some(log) => log,
                None => match self.runtime.container_status(id.clone()).await {
                    Ok(status) => status.log_path.into(),
                    Err(error) => {
                        // It may have gone in the meantime; else the next round asks again.
                        debug!(container = %id, %error, "cannot ask where a log is");
                        continue;
                    }
                },
            };
            logs.insert(id, log);
        }
        self.logs = logs;
        Ok(())
    }

    /// Rotates every log that is full.
    pub(super) async fn look(&self, shutdown: &CancellationToken) {
        let logs = self.logs.iter().filter(|(_, log)| log.is_absolute());
        stream::iter(logs)
            .take_until(shutdown.cancelled())
            .for_each_concurrent(self.policy.workers, |(id, log)| async move {
                if let Err(error) = self.rotate_full(id, log).await {
                    let error = &error as &dyn Error;
                    error!(container = %id, log = %log.display(), error, "cannot rotate a log");
                }
            })
            .await;
    }

    async fn rotate_full(&self, id: &ContainerId, log: &Path) -> Result<(), RotateError> {
        let size = match files::size(log)? {
            Some(size) => size,
            // It was set aside, and nobody came to begin a new one.
            None => {
                self.reopen(id).await?;
                files::size(log)?.unwrap_or(0)
            }
        };
        if size < self.policy.max_size {
            return Ok(());
        }
        let aside = self.make_room(log).await?;
        files::rename(log, &aside)?;
        debug!(container = %id, size, aside = %aside.display(), "a full log is set aside");
        if let Err(error) = self.reopen(id).await {
            // The runtime goes on in the old file. Should it have begun a new one all the same, both
            // stay as they are.
            let put_back = files::rename(&aside, log);
            if let Err(error) = put_back {
                warn!(
                    error = &error as &dyn Error,
                    "a log that was set aside stays there"
                );
            }
            return Err(error);
        }
        Ok(())
    }

    /// Removes and packs older files, which may take a while, and says what comes of the log.
    async fn make_room(&self, log: &Path) -> Result<PathBuf, FileError> {
        let (log, max_files, now) = (log.to_owned(), self.policy.max_files, self.clock.now());
        let work = tokio::task::spawn_blocking(move || {
            let name = log.file_name().unwrap_or_default().to_string_lossy();
            let plan = plan(&name, &files::beside(&log)?, max_files, now);
            files::make_room(&log, &plan)?;
            Ok(log.with_file_name(plan.aside))
        });
        work.await.expect("packing does not panic")
    }

    async fn reopen(&self, id: &ContainerId) -> Result<(), RotateError> {
        let reopened = self.runtime.reopen_log(id.clone()).await;
        reopened.map_err(RotateError::Reopen)
    }
}
