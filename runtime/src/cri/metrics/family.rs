//! A metric: what describes it, and where its values come from.
#![deny(clippy::disallowed_methods)]

use podling_proto::runtime::v1 as cri;

use super::LABELS;
use crate::model::ContainerRecord;
use crate::stats::usage::{Interface, Usage};
use crate::stats::{ContainerReading, Storage};

/// What the metrics of a container are made from.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) record: &'a ContainerRecord,
    pub(super) reading: &'a ContainerReading,
    pub(super) storage: &'a Storage,
}

impl Facts<'_> {
    /// What its cgroup counts, while it runs.
    pub(super) fn usage(&self) -> Option<&Usage> {
        self.reading.running.as_ref().map(|running| &running.usage)
    }
}

/// A metric; `Source` is how its values are got.
pub(super) struct Family<Source> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    /// Its labels besides those that all have.
    pub(super) labels: &'static [&'static str],
    pub(super) values: Source,
}

/// The values of a container.
pub(super) type OfContainer = fn(&Facts<'_>, &mut Values) -> Option<()>;
/// The value of one interface of a pod.
pub(super) type OfInterface = fn(&Interface) -> u64;

/// Whether a value only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// What a metric says; nothing, when it is not known.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<Value>);

#[derive(Debug)]
struct Value {
    labels: Vec<String>,
    value: u64,
    at: i64,
}

impl Values {
    /// One value without labels of its own.
    pub(super) fn push(&mut self, value: u64) -> Option<()> {
        self.labelled(&[], value)
    }

    /// A value with labels of its own, read just now: the contract wants no time then.
    pub(super) fn labelled(&mut self, labels: &[&str], value: u64) -> Option<()> {
        self.earlier(labels, value, 0)
    }

    /// A value that was kept since `at`.
    pub(super) fn earlier(&mut self, labels: &[&str], value: u64, at: i64) -> Option<()> {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.0.push(Value { labels, value, at });
        Some(())
    }
}

impl<Source> Family<Source> {
    /// As ListMetricDescriptors has it.
    pub(super) fn describe(&self) -> cri::MetricDescriptor {
        let keys = LABELS.iter().chain(self.labels);
        cri::MetricDescriptor {
            name: self.name.to_owned(),
            help: self.help.to_owned(),
            label_keys: keys.map(|&key| key.to_owned()).collect(),
        }
    }

    fn metrics(&self, labels: &[String], values: Values) -> Vec<cri::Metric> {
        let kind = match self.kind {
            Kind::Counter => cri::MetricType::Counter,
            Kind::Gauge => cri::MetricType::Gauge,
        };
        let metric = |value: Value| cri::Metric {
            name: self.name.to_owned(),
            timestamp: value.at,
            metric_type: kind.into(),
            label_values: labels.iter().cloned().chain(value.labels).collect(),
            value: Some(cri::UInt64Value { value: value.value }),
        };
        values.0.into_iter().map(metric).collect()
    }
}

impl Family<OfContainer> {
    /// What it says of a container.
    pub(super) fn of(&self, facts: &Facts<'_>, labels: &[String]) -> Vec<cri::Metric> {
        let mut values = Values::default();
        // `None` says that the rest is unknown.
        let _ = (self.values)(facts, &mut values);
        self.metrics(labels, values)
    }
}

impl Family<OfInterface> {
    /// What it says of an interface.
    pub(super) fn of(&self, interface: &Interface, labels: &[String]) -> Vec<cri::Metric> {
        let mut values = Values::default();
        let _ = values.labelled(&[&interface.name], (self.values)(interface));
        self.metrics(labels, values)
    }
}

/// Nanoseconds as whole seconds.
pub(super) fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds / 1_000_000_000
}
