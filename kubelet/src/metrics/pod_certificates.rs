//! How many certificates of pods are kept, and how they are, under upstream's name and words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = [(&'static str, String); 2];

/// How a certificate of a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CertificateState {
    /// Nobody has said anything of it.
    Awaited,
    /// It is there: late from then on, and good until then.
    Issued {
        /// When the next one should have come.
        late_from: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// There will be none, in upstream's word.
    Refused(&'static str),
}

impl CertificateState {
    fn word(self, now: Timestamp) -> &'static str {
        match self {
            Self::Awaited => "not_yet_issued",
            Self::Issued { until, .. } if now > until => "expired",
            Self::Issued { late_from, .. } if now > late_from => "overdue_for_refresh",
            Self::Issued { .. } => "fresh",
            Self::Refused(word) => word,
        }
    }
}

/// Counts certificates of pods; a clone counts the same ones.
#[derive(Clone, Default)]
pub struct PodCertificateMetrics {
    kept: Arc<Mutex<Kept>>,
    shown: Family<Labels, Gauge>,
}

#[derive(Default)]
struct Kept {
    next: u64,
    all: BTreeMap<u64, (String, CertificateState)>,
}

/// A certificate that is counted as long as this is there.
pub(crate) struct CountedCertificate {
    metrics: PodCertificateMetrics,
    number: u64,
}

impl PodCertificateMetrics {
    /// Another one is asked of this signer.
    pub(crate) fn begin(&self, signer: &str) -> CountedCertificate {
        let mut kept = self.kept();
        let number = kept.next;
        kept.next += 1;
        let awaited = (signer.to_owned(), CertificateState::Awaited);
        kept.all.insert(number, awaited);
        CountedCertificate {
            metrics: self.clone(),
            number,
        }
    }

    /// Counts anew how they are: only signers and states that there are have a number.
    pub(super) fn look(&self, now: Timestamp) {
        self.shown.clear();
        for (signer, state) in self.kept().all.values() {
            let state = state.word(now).to_owned();
            let labels = [("signer_name", signer.clone()), ("state", state)];
            self.shown.get_or_create(&labels).inc();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder of this lock can panic")
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "podcertificate_states",
            "Certificates in volumes of pods, by signer and state",
            self.shown.clone(),
        );
    }
}

impl CountedCertificate {
    /// It is so now.
    pub(crate) fn is(&self, now: CertificateState) {
        if let Some((_, state)) = self.metrics.kept().all.get_mut(&self.number) {
            *state = now;
        }
    }
}

impl Drop for CountedCertificate {
    fn drop(&mut self) {
        self.metrics.kept().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("it is a time")
    }

    #[test]
    fn certificates_of_pods_are_counted_by_signer_and_state_as_long_as_they_are_kept() {
        let metrics = Metrics::new("node-a");
        let of_pods = metrics.pod_certificates();
        let numbers = || {
            let text = metrics.text();
            let lines = text.lines().filter_map(|line| {
                line.strip_prefix("kubelet_podcertificate_states{signer_name=\"example.com/")
            });
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let waits = of_pods.begin("example.com/a");
        let again = of_pods.begin("example.com/a");
        let other = of_pods.begin("example.com/b");
        other.is(CertificateState::Refused("denied"));
        let mut told = numbers();
        told.sort();
        assert_eq!(
            told,
            ["a\",state=\"not_yet_issued\"} 2", "b\",state=\"denied\"} 1"]
        );
        waits.is(CertificateState::Issued {
            late_from: Timestamp::MAX,
            until: Timestamp::MAX,
        });
        drop((again, other));
        assert_eq!(numbers(), ["a\",state=\"fresh\"} 1"]);
        drop(waits);
        assert_eq!(numbers(), Vec::<String>::new());
    }

    #[test]
    fn one_that_is_not_replaced_is_late_and_then_expired() {
        let state = CertificateState::Issued {
            late_from: at("2026-01-01T00:10:00Z"),
            until: at("2026-01-01T01:00:00Z"),
        };
        for (now, word) in [
            ("2026-01-01T00:10:00Z", "fresh"),
            ("2026-01-01T00:10:01Z", "overdue_for_refresh"),
            ("2026-01-01T01:00:01Z", "expired"),
        ] {
            assert_eq!(state.word(at(now)), word, "{now}");
        }
    }
}
