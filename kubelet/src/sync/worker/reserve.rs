//! A worker gets its pod what nobody else can have then, before anything is made of it: devices.

use std::sync::Arc;
use std::time::Duration;

use crate::device::NotReserved;
use crate::model::{Demise, Pod, PodObservation};
use crate::sync::{Executor, Roles};

use super::{Ending, Next, State, Worker};

/// How long a pod waits for devices of others that are ending, before it asks again.
const BUSY: Duration = Duration::from_secs(1);
/// Why such a pod does not run here.
const REASON: &str = "UnexpectedAdmissionError";

/// Whether a pod has what nobody else can have then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserved {
    NotYet,
    All,
}

impl<R: Roles> Worker<R> {
    /// Gets the pod its devices, once; what is to be done if it has not got them.
    pub(super) async fn reserve(&mut self, pod: &Pod, seen: &PodObservation) -> Option<Next> {
        if self.reserved == Reserved::All {
            return None;
        }
        match self.world.executor.reserve(pod).await {
            Ok(()) => self.reserved = Reserved::All,
            // What runs has what it needs, whatever became of the books.
            Err(NotReserved::Refused(why) | NotReserved::Busy(why)) if seen.has_running() => {
                tracing::warn!(pod = %self.name, why, "a running pod keeps what it has");
                self.reserved = Reserved::All;
            }
            Err(NotReserved::Busy(why)) => {
                tracing::info!(pod = %self.name, why, "waiting for devices");
                self.publish(pod, seen, None);
                return Some(Next::Pause(BUSY));
            }
            Err(NotReserved::Refused(why)) => {
                self.world.metrics.refused(REASON);
                self.warn(REASON, why.clone());
                let demise = Demise {
                    reason: REASON.into(),
                    message: format!("Pod was rejected: {why}"),
                    disruption: None,
                };
                self.state = State::Terminating(Ending::Failed(Arc::new(demise)));
                return Some(Next::Step);
            }
        }
        None
    }
}
