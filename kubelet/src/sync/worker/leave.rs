//! What a worker does for a pod of which nothing runs any more.

use crate::plan::{remove_everything, stop_for_good};
use crate::sync::pace::AFTER_ERROR;
use crate::sync::{Executor, Roles, StatusSink};

use super::state::{Ending, State};
use super::{Next, Worker};

impl<R: Roles> Worker<R> {
    /// Removes everything of a pod nobody wants; keeps of others what people look at.
    pub(super) async fn leave(&mut self, ending: Ending) -> Next {
        let left = match &ending {
            Ending::Unwanted => self.remove().await,
            // The node needs the room; the status stays.
            Ending::Failed(demise) if demise.is_eviction() => self.remove().await,
            Ending::Finished | Ending::Failed(_) => self.release().await,
        };
        match (left, ending) {
            (Err(later), _) => later,
            (Ok(()), Ending::Unwanted) => {
                self.world.statuses.forget(&self.uid);
                Next::Gone
            }
            (Ok(()), ending) => {
                self.state = State::Settled(ending);
                Next::Sleep
            }
        }
    }

    /// Takes from the pod what it held of the node; may be repeated.
    async fn release(&mut self) -> Result<(), Next> {
        let observation = self.observe().await.ok_or(Next::Retry(AFTER_ERROR))?;
        let executor = &self.world.executor;
        let stopped = executor
            .terminate(&observation, &stop_for_good(&observation))
            .await;
        stopped.map_err(|error| self.failed(&error))?;
        let released = executor.release(&self.uid, &self.name).await;
        released.map_err(|error| self.failed(&error))
    }

    /// Removes everything of the pod but its status; may be repeated.
    async fn remove(&mut self) -> Result<(), Next> {
        let observation = self.observe().await.ok_or(Next::Retry(AFTER_ERROR))?;
        if !observation.is_gone() {
            let actions = remove_everything(&observation);
            let removed = self.world.executor.terminate(&observation, &actions).await;
            removed.map_err(|error| self.failed(&error))?;
        }
        let cleaned = self.world.executor.clean_up(&self.uid, &self.name).await;
        cleaned.map_err(|error| self.failed(&error))
    }
}
