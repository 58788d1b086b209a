//! What is counted of those who ask which pods have what.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

type Version = [(&'static str, &'static str); 1];
type Versions = Family<Version, Counter>;

const V1: Version = [("server_api_version", "v1")];

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// What all pods have.
    List,
    /// What one has.
    Get,
    /// What can be had.
    Allocatable,
}

/// Counts who asks; a clone counts into the same.
#[derive(Clone, Default)]
pub struct ListingMetrics {
    all: Versions,
    asked: [Versions; 3],
    failed: [Versions; 3],
}

impl ListingMetrics {
    /// Somebody asks.
    pub(crate) fn asked(&self, question: Question) {
        self.all.get_or_create(&V1).inc();
        self.asked[question as usize].get_or_create(&V1).inc();
    }

    /// He could not be answered.
    pub(crate) fn failed(&self, question: Question) {
        self.failed[question as usize].get_or_create(&V1).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pod_resources_endpoint_requests",
            "Questions which pods have what",
            self.all.clone(),
        );
        let questions = [
            (Question::List, "list"),
            (Question::Get, "get"),
            (Question::Allocatable, "get_allocatable"),
        ];
        for (question, name) in questions {
            registry.register(
                format!("pod_resources_endpoint_requests_{name}"),
                "Questions of one kind which pods have what",
                self.asked[question as usize].clone(),
            );
            registry.register(
                format!("pod_resources_endpoint_errors_{name}"),
                "Questions of one kind which pods have what that could not be answered",
                self.failed[question as usize].clone(),
            );
        }
    }
}
