//! How long a new node took until it was ready, from its machine's start on.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

type Seconds = Gauge<f64, AtomicU64>;

/// Times how a new node comes to be; a clone times the same.
#[derive(Clone)]
pub struct StartupMetrics {
    course: Arc<Mutex<Course>>,
    began: Timestamp,
    before_kubelet: Seconds,
    before_registration: Seconds,
    registration: Seconds,
    after_registration: Seconds,
    all: Seconds,
}

/// How far a node has come. One that the cluster knew before is not timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Nobody has been told of it.
    Began,
    /// Since then the cluster is told that it is there.
    Tried(Timestamp),
    /// Since then it is a new node of the cluster.
    Registered(Timestamp),
    /// It was ready.
    Ready,
}

impl StartupMetrics {
    /// Those of a kubelet that began then.
    pub(super) fn new(began: Timestamp) -> Self {
        Self {
            course: Arc::new(Mutex::new(Course::Began)),
            began,
            before_kubelet: Seconds::default(),
            before_registration: Seconds::default(),
            registration: Seconds::default(),
            after_registration: Seconds::default(),
            all: Seconds::default(),
        }
    }

    /// The cluster is told that the node is there.
    pub(crate) fn registering(&self, now: Timestamp) {
        let mut course = self.course();
        if *course == Course::Began {
            *course = Course::Tried(now);
        }
    }

    /// The cluster has a new node, whose machine was started then.
    pub(crate) fn registered(&self, now: Timestamp, booted: Option<Timestamp>) {
        let mut course = self.course();
        let Course::Tried(tried) = *course else {
            return;
        };
        *course = Course::Registered(now);
        if let Some(booted) = booted {
            self.before_kubelet.set(between(booted, self.began));
        }
        self.before_registration.set(between(self.began, tried));
        self.registration.set(between(tried, now));
    }

    /// The node is ready, whose machine was started then.
    pub(crate) fn ready(&self, now: Timestamp, booted: Option<Timestamp>) {
        let mut course = self.course();
        let Course::Registered(registered) = *course else {
            return;
        };
        *course = Course::Ready;
        self.after_registration.set(between(registered, now));
        if let Some(booted) = booted {
            self.all.set(between(booted, now));
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            (
                "node_startup_pre_kubelet_duration",
                "How long the machine ran before the kubelet of a new node",
                &self.before_kubelet,
            ),
            (
                "node_startup_pre_registration_duration",
                "How long the kubelet ran before it told of a new node",
                &self.before_registration,
            ),
            (
                "node_startup_registration_duration",
                "How long it took until the cluster had a new node",
                &self.registration,
            ),
            (
                "node_startup_post_registration_duration",
                "How long a new node of the cluster took until it was ready",
                &self.after_registration,
            ),
            (
                "node_startup_duration",
                "How long a new node took from its machine's start until it was ready",
                &self.all,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, gauge.clone());
        }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course
            .lock()
            .expect("no holder of this lock can panic")
    }
}

fn between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told(metrics: &StartupMetrics) -> [f64; 5] {
        [
            &metrics.before_kubelet,
            &metrics.before_registration,
            &metrics.registration,
            &metrics.after_registration,
            &metrics.all,
        ]
        .map(Gauge::get)
    }

    #[test]
    fn a_new_node_is_timed_once_and_one_that_was_known_never() {
        let metrics = StartupMetrics::new(at(10));
        metrics.registering(at(12));
        metrics.registering(at(13));
        metrics.registered(at(16), Some(at(0)));
        metrics.ready(at(24), Some(at(0)));
        metrics.ready(at(99), Some(at(0)));
        assert_eq!(told(&metrics), [10.0, 2.0, 4.0, 8.0, 24.0]);
        let known = StartupMetrics::new(at(10));
        known.registering(at(12));
        known.ready(at(24), Some(at(0)));
        assert_eq!(told(&known), [0.0; 5]);
    }
}
