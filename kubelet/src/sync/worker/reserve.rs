//! A worker gets its pod what nobody else can have then, before anything is made of it: devices, CPUs.

use std::sync::Arc;
use std::time::Duration;

use crate::device::{NotReserved, Refused};
use crate::model::{Demise, Pod, PodObservation};
use crate::sync::{Executor, Roles};

use super::{Ending, Next, State, Worker};

/// How long a pod waits for what others have that are ending, before it asks again.
const BUSY: Duration = Duration::from_secs(1);

/// Whether a pod has what nobody else can have then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserved {
    NotYet,
    All,
}

impl<R: Roles> Worker<R> {
    /// Gets the pod all of it, once; what is to be done if it has not got it.
    pub(super) async fn reserve(&mut self, pod: &Pod, seen: &PodObservation) -> Option<Next> {
        if self.reserved == Reserved::All {
            return None;
        }
        match self.world.executor.reserve(pod).await {
            Ok(()) => self.reserved = Reserved::All,
            // What runs has what it needs, whatever became of the books.
            Err(not_reserved) if seen.has_running() => {
                let why = not_reserved.into_message();
                tracing::warn!(pod = %self.name, why, "a running pod keeps what it has");
                self.reserved = Reserved::All;
            }
            Err(NotReserved::Busy(why)) => {
                tracing::info!(pod = %self.name, why, "waiting for pods that are ending");
                self.publish(pod, seen, None);
                return Some(Next::Pause(BUSY));
            }
            Err(NotReserved::Refused(Refused { reason, message })) => {
                self.reject(reason, message);
                return Some(Next::Step);
            }
        }
        None
    }

    /// Ends a pod that this node cannot have, and says why.
    pub(super) fn reject(&mut self, reason: &'static str, message: String) {
        self.world.metrics.refused(reason);
        self.warn(reason, message.clone());
        let demise = Demise {
            reason: reason.into(),
            message: format!("Pod was rejected: {message}"),
            disruption: None,
        };
        self.state = State::Terminating(Ending::Failed(Arc::new(demise)));
    }
}
