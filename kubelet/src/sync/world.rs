//! Everybody a worker talks to, in one value that all workers share.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::admit::NodeFacts;
use crate::metrics::Metrics;
use crate::plan::Keep;
use crate::pulse::Pulse;
use crate::status::Facts;

use super::{
    Additions, Allocations, Clock, EventRecorder, Executor, Observer, Pace, Prober, StatusSink,
    Tenants,
};

/// Who plays which role. `app` has one, the tests have another.
pub trait Roles: 'static {
    /// Carries plans out.
    type Executor: Executor;
    /// Shows pods.
    type Observer: Observer;
    /// Asks containers how they do.
    type Prober: Prober;
    /// Takes events down.
    type Events: EventRecorder;
    /// Is told statuses.
    type Statuses: StatusSink;
    /// Tells the time.
    type Clock: Clock;
}

/// Everybody a worker talks to.
pub struct World<R: Roles> {
    /// Carries plans out.
    pub executor: Arc<R::Executor>,
    /// Knows what was added to pods.
    pub additions: Arc<dyn Additions>,
    /// Keeps what pods have been given.
    pub allocations: Arc<dyn Allocations>,
    /// Shows pods.
    pub observer: Arc<R::Observer>,
    /// Asks containers how they do.
    pub prober: Arc<R::Prober>,
    /// Takes events down.
    pub events: Arc<R::Events>,
    /// Is told statuses.
    pub statuses: Arc<R::Statuses>,
    /// Tells the time.
    pub clock: Arc<R::Clock>,
    /// The node, as pods are let in to it.
    pub node: watch::Receiver<Arc<NodeFacts>>,
    /// Who the pods that are in are told to.
    pub tenants: watch::Sender<Tenants>,
    /// When the kubelet began.
    pub started_at: Timestamp,
    /// What holds for every pod of the node.
    pub facts: Facts,
    /// Where workers count.
    pub metrics: Metrics,
    /// What the loop's turns are a beat of.
    pub pulse: Pulse,
    /// How often pods are looked at.
    pub pace: Pace,
    /// Which dead containers stay.
    pub keep: Keep,
}
