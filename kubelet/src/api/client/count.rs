//! Counts requests to the API server, once somebody wants to know.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};

use super::error::ApiError;
use crate::api::kubeconfig::Kubeconfig;
use crate::metrics::RestMetrics;

/// Counts the requests of a client.
#[derive(Debug)]
pub(super) struct Counter {
    /// Host and port of the server.
    host: String,
    metrics: OnceLock<RestMetrics>,
}

impl Counter {
    /// One for requests to this server, of which nobody wants to know yet.
    pub(super) fn new(kubeconfig: &Kubeconfig) -> Self {
        let server = kubeconfig.server.as_str();
        let host = server.split_once("://").map_or(server, |(_, rest)| rest);
        Self {
            host: host.split('/').next().unwrap_or(host).to_owned(),
            metrics: OnceLock::new(),
        }
    }

    /// Somebody wants to know from now on.
    pub(super) fn tell(&self, metrics: RestMetrics) {
        // Who wanted to know first is told.
        let _ = self.metrics.set(metrics);
    }

    /// A request has waited so long for its turn.
    pub(super) fn waited(&self, method: &Method, took: Duration) {
        if let Some(metrics) = self.metrics.get() {
            metrics.waited(self.to(method), took);
        }
    }

    /// A request that began then was answered, or not.
    pub(super) fn asked(&self, method: &Method, began: Instant, answer: Result<(), &ApiError>) {
        let status = match answer {
            Ok(()) => Some(StatusCode::OK.as_u16()),
            Err(error) => Some(error.code()).filter(|code| *code > 0),
        };
        if let Some(metrics) = self.metrics.get() {
            metrics.asked(self.to(method), status, began.elapsed());
        }
    }

    /// A request of so many bytes was answered with so many.
    pub(super) fn sizes(&self, method: &Method, request: usize, response: usize) {
        if let Some(metrics) = self.metrics.get() {
            metrics.sent(self.to(method), request);
            metrics.answered(self.to(method), response);
        }
    }

    /// A request is made once more after this refusal.
    pub(super) fn again(&self, method: &Method, error: &ApiError) {
        if let Some(metrics) = self.metrics.get() {
            metrics.again(self.to(method), error.code());
        }
    }

    fn to<'a>(&'a self, method: &'a Method) -> (&'a str, &'a str) {
        (&self.host, method.as_str())
    }
}
